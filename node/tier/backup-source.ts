// What a backup in a tier tells of a volume, for who has its recovery key (../namespace/refill.ts).
import { logPrefix, nodesPrefix } from '../../protocol/cold/backup.ts'
import type { BackupHead, BackupPart } from '../../protocol/cold/backup.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { decodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { decodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { decodeCheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import { readFetched } from '../namespace/announcement.ts'
import type { FetchedCheckpoint } from '../namespace/checkpoint.ts'
import type { NamespaceSource } from '../namespace/refill.ts'
import type { ObjectTier } from '../world/world.ts'
import { BackupObjects } from './backup-objects.ts'

/** Then an older head may do. */
const DAMAGED: readonly ErrorCode[] = ['corrupt', 'malformed', 'cold-missing', 'cold-corrupt']

export interface BackupFound {
  /** What the volume calls the tier. */
  readonly tierName: string
  readonly source: NamespaceSource
}

/**
 * The newest backup of the key's volume in a tier. Parts are read as they are asked for.
 * throws ShoalError 'ENOENT' if there is none, 'EACCES' if it is not for this key, 'corrupt', 'cold-*'.
 */
export async function findBackup(
  tier: ObjectTier,
  key: RecoveryKey,
  signal: AbortSignal,
): Promise<BackupFound> {
  const volume = volumeIdOf(key.genesis)
  const objects = new BackupObjects(tier, volume, signal)
  const head = await newestHead(objects, key, volume, signal)
  const { tier: tierName, vector } = head
  const source = {
    secrets: key.secrets,
    checkpoint: checkpointOf(volume, head),
    governing: entriesOf(objects, volume, head.governing),
    nodes: nodesOf(objects, volume, head),
    entries: entriesOf(objects, volume, head.log),
    vector,
  }
  return { tierName, source }
}

async function newestHead(
  objects: BackupObjects,
  key: RecoveryKey,
  volume: VolumeId,
  signal: AbortSignal,
): Promise<BackupHead> {
  let failure: ShoalError | undefined
  for (const stored of await objects.heads()) {
    try {
      const head = await objects.readHead(stored, key.seed)
      if (volumeIdOf(head.genesis) !== volume)
        throw new ShoalError('corrupt', `${stored.key} in the tier is of another volume`)
      return head
    } catch (error) {
      signal.throwIfAborted()
      failure ??= asShoalError(error)
      if (!DAMAGED.includes(failure.code)) break
    }
  }
  const { name } = decodeGenesis(key.genesis)
  if (failure === undefined) throw await nothingThere(objects, name, volume, signal)
  if (failure.code !== 'EACCES') throw failure
  throw new ShoalError(
    'EACCES',
    `this key does not open what lies in the tier of volume "${name}": it was made after the last backup, or was removed`,
  )
}

async function nothingThere(
  { tier }: BackupObjects,
  name: string,
  volume: VolumeId,
  signal: AbortSignal,
): Promise<ShoalError> {
  const is = `no backup of volume "${name}" (${volume}), of which the key is`
  for await (const { key } of tier.list('', { signal })) {
    const [, other] = /^([0-9a-f]{64})\//.exec(key) ?? []
    if (other === undefined || other === volume) continue
    return new ShoalError('ENOENT', `there is ${is}, but one of another volume (${other})`)
  }
  return new ShoalError('ENOENT', `there is ${is}: is it the right bucket or folder, and prefix?`)
}

function checkpointOf(volume: VolumeId, { checkpoint }: BackupHead): FetchedCheckpoint | undefined {
  if (checkpoint === undefined) return undefined
  const message = decodeCheckpointMessage(checkpoint)
  if (message.kind !== 'checkpoint')
    throw new ShoalError('corrupt', 'a head in the tier tells of no checkpoint')
  return readFetched(volume, message.announcement, message.attestations)
}

async function* nodesOf(
  objects: BackupObjects,
  volume: VolumeId,
  { nodes }: BackupHead,
): NamespaceSource['nodes'] {
  for (const part of nodes) {
    const items = await objects.readPart(nodesPrefix(volume), part)
    if (items.length !== part.ids.length)
      throw new ShoalError('corrupt', `part ${part.id} of a backup is not what its head says`)
    for (const [at, bytes] of items.entries()) {
      const id = part.ids[at]
      if (id !== undefined) yield { part: part.isSealed ? 'sealed' : 'clear', id, bytes }
    }
  }
}

async function* entriesOf(
  objects: BackupObjects,
  volume: VolumeId,
  parts: readonly BackupPart[],
): AsyncGenerator<readonly Entry[]> {
  for (const part of parts)
    yield (await objects.readPart(logPrefix(volume), part)).map((bytes) => decodeEntry(bytes))
}
