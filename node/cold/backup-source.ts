// The backups in a tier that a recovery key opens, and what they tell of the volume
// (../checkpoint/restore.ts). Nothing is believed of them before: their objects may be anybody's,
// their times and numbers are what their authors say, and which is the newest is decided by what
// they tell. One that turns out to be damaged is passed over for the next.
import { logPrefix, nodesPrefix } from '../../protocol/cold/backup.ts'
import type { BackupPart } from '../../protocol/cold/backup.ts'
import { headKey, newestFirst } from '../../protocol/cold/head.ts'
import type { BackupHead, HeadFacts, HeadKeys } from '../../protocol/cold/head.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { BackupHeadId, VolumeId } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../protocol/limits.ts'
import { decodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { decodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { RecoveryKey } from '../../protocol/membership/recovery-key.ts'
import { enforces } from '../../protocol/trust.ts'
import type { WallTime } from '../../protocol/units.ts'
import { decodeCheckpointMessage } from '../../protocol/wire/checkpoint.ts'
import { readFetched } from '../checkpoint/announcement.ts'
import { mapInBatches } from '../stripes/in-parallel.ts'
import type { FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import type { NamespaceSource } from '../checkpoint/restore.ts'
import type { Clock, ObjectTier } from '../world/world.ts'
import { BackupObjects } from './backup-objects.ts'
import type { StoredHead } from './backup-objects.ts'

/** Errors that mean one damaged backup, so that another may do. */
const DAMAGED: readonly ErrorCode[] = [
  'corrupt',
  'malformed',
  'bad-signature',
  'unsupported',
  'EACCES',
  'cold-missing',
  'cold-corrupt',
  'cold-archived',
]
const READS_MAX = 4
/** In an error. */
const TOLD_MAX = 5
/** Backups that are put in order: those with the greatest numbers. */
const FOUND_MAX = 1024

export interface FoundBackup {
  readonly id: BackupHeadId
  readonly head: HeadFacts
  /** When it was put, as the tier says. */
  readonly putMs: WallTime
}

/** An object that was to be a backup, and why it is none that can be used. */
export interface SkippedBackup {
  readonly key: string
  readonly code: ErrorCode
  readonly why: string
  readonly putMs: WallTime
}

/** The least backup that is accepted: no older one. */
export interface LeastBackup {
  readonly number: number
  readonly time: number
}

export class BackupSource {
  /** Newest first. */
  readonly found: readonly FoundBackup[]
  readonly skipped: SkippedBackup[]
  readonly #objects: BackupObjects
  readonly #key: RecoveryKey
  readonly #volume: VolumeId

  private constructor(
    { objects, key, volume }: { objects: BackupObjects; key: RecoveryKey; volume: VolumeId },
    { found, skipped }: { found: readonly FoundBackup[]; skipped: SkippedBackup[] },
  ) {
    this.#objects = objects
    this.#key = key
    this.#volume = volume
    this.found = found
    this.skipped = skipped
  }

  /**
   * throws ShoalError 'ENOENT' if there is none of the key's volume, 'cold-*' where the tier fails.
   */
  static async open(
    tier: ObjectTier,
    { key, clock }: { readonly key: RecoveryKey; readonly clock: Pick<Clock, 'wall'> },
    signal: AbortSignal,
  ): Promise<BackupSource> {
    const volume = volumeIdOf(key.genesis)
    const objects = new BackupObjects({ tier, name: '', volume }, signal)
    const stored = await objects.heads()
    if (stored.length === 0) throw await nothingThere(tier, key, volume, signal)
    const found: FoundBackup[] = []
    const skipped: SkippedBackup[] = []
    const read = async (one: StoredHead): Promise<void> => {
      try {
        const head = await objects.readHead(one.id, keysOf(key))
        checkTime(head, clock)
        found.push({ id: one.id, head: factsOf(head), putMs: one.modifiedMs })
      } catch (error) {
        signal.throwIfAborted()
        skipped.push(skippedBy(one.key, error, one.modifiedMs))
      }
    }
    await mapInBatches(stored, READS_MAX, read)
    const most = found.toSorted((a, b) => b.head.number - a.head.number).slice(0, FOUND_MAX)
    return new BackupSource({ objects, key, volume }, { found: newestFirst(most), skipped })
  }

  /**
   * Make something of the newest backup that can be used, and is not older than `least`.
   * throws ShoalError 'ESTALE' where all are, 'EACCES' if the key was removed, as it seems,
   * 'corrupt', or what else went wrong.
   */
  async use<Made>(
    least: LeastBackup | undefined,
    make: (namespace: NamespaceSource, backup: FoundBackup) => Promise<Made>,
  ): Promise<{ readonly made: Made; readonly backup: FoundBackup }> {
    const older: FoundBackup[] = []
    if (least === undefined) this.#checkNotRemoved()
    for (const backup of this.found) {
      if (least !== undefined && isOlder(backup, least)) {
        older.push(backup)
        continue
      }
      try {
        return { made: await make(await this.#read(backup), backup), backup }
      } catch (error) {
        // The newest that opens says that the key was removed: no older one is to bring it back.
        if (hasCode(error, 'EACCES')) throw error
        this.skipped.push(skippedBy(headKey(this.#volume, backup.id), error, backup.putMs))
      }
    }
    throw older.length === 0 ? this.#failure() : tooOld(older)
  }

  /**
   * Newer ones that members made for others than this key: whoever wants an older one all the same
   * has to say so.
   */
  #checkNotRemoved(): void {
    const [newest] = this.found
    if (newest === undefined) return
    const others = this.skipped.filter(
      ({ code, putMs }) => code === 'EACCES' && putMs > newest.putMs,
    )
    if (others.length === 0) return
    const { number, time } = newest.head
    throw new ShoalError(
      'EACCES',
      `this key does not open the newest backup (${others.length} in all); ` +
        'was the key removed from the volume? To use the newest that it opens, ' +
        `of ${new Date(time).toISOString()}, give --at-least ${number}`,
    )
  }

  /**
   * Reads a backup, and the log that the others tell beside: an entry proves itself, whoever keeps
   * it.
   */
  async #read({ id }: FoundBackup): Promise<NamespaceSource> {
    const head = await this.#objects.readHead(id, keysOf(this.#key))
    return {
      author: head.author,
      secrets: this.#key.secrets,
      checkpoint: checkpointOf(this.#volume, head),
      governing: this.#entriesOf(head.governing, new Set()),
      nodes: this.#nodes(head),
      entries: this.#entries(id, head),
      vector: head.vector,
    }
  }

  /** Why none could be used. */
  #failure(): ShoalError {
    const { name } = decodeGenesis(this.#key.genesis)
    const isKey = this.skipped.every(({ code }) => code === 'EACCES')
    if (isKey)
      return new ShoalError(
        'EACCES',
        `this key does not open the backups of volume "${name}" in the tier: ` +
          'it was created after the last backup, or was removed',
      )
    const all = this.skipped.map(({ key, why }) => `${key} ${why}`).join('; ')
    return new ShoalError('corrupt', `no backup of volume "${name}" can be used: ${all}`)
  }

  async *#nodes({ nodes }: BackupHead): NamespaceSource['nodes'] {
    for (const part of nodes) {
      const items = await this.#objects.readPart(nodesPrefix(this.#volume), part)
      if (items.length !== part.ids.length)
        throw new ShoalError('corrupt', `part ${part.id} of a backup does not match its head`)
      for (const [at, bytes] of items.entries()) {
        const id = part.ids[at]
        if (id !== undefined) yield { part: part.isSealed ? 'sealed' : 'clear', id, bytes }
      }
    }
  }

  async *#entries(id: BackupHeadId, head: BackupHead): AsyncGenerator<readonly Entry[]> {
    const read = new Set<string>()
    yield* this.#entriesOf(head.log, read)
    for (const other of this.found) {
      if (other.id === id) continue
      try {
        const { log } = await this.#objects.readHead(other.id, keysOf(this.#key))
        yield* this.#entriesOf(log, read)
      } catch (error) {
        if (!DAMAGED.includes(asShoalError(error).code)) throw error
      }
    }
  }

  /** But for parts that were read. */
  async *#entriesOf(
    parts: readonly BackupPart[],
    read: Set<string>,
  ): AsyncGenerator<readonly Entry[]> {
    for (const part of parts) {
      if (read.has(part.id)) continue
      read.add(part.id)
      const items = await this.#objects.readPart(logPrefix(this.#volume), part)
      yield items.map((bytes) => decodeEntry(bytes))
    }
  }
}

function keysOf({ seed, secrets: [first] }: RecoveryKey): HeadKeys {
  if (first === undefined) throw new ShoalError('malformed', 'this recovery key has no secret')
  return { seed, secret: first[1] }
}

function factsOf({ author, time, number, before, vector, tier }: BackupHead): HeadFacts {
  return { author, time, number, before, vector, tier }
}

function checkTime({ time }: BackupHead, clock: Pick<Clock, 'wall'>): void {
  if (!enforces('backup-head-signed') || time <= clock.wall() + CLOCK_AHEAD_MS) return
  const date = new Date(time).toISOString()
  throw new ShoalError(
    'corrupt',
    `has a date in the future (${date}); is the clock of this machine behind?`,
  )
}

/** throws what is not wrong with this backup alone. */
function skippedBy(key: string, thrown: unknown, putMs: WallTime): SkippedBackup {
  const { code, message } = asShoalError(thrown)
  if (!DAMAGED.includes(code)) throw thrown
  return { key, code, why: message, putMs }
}

function isOlder({ head }: FoundBackup, { number, time }: LeastBackup): boolean {
  return head.number < number || head.time < time
}

function tooOld(older: readonly FoundBackup[]): ShoalError {
  const told = older
    .slice(0, TOLD_MAX)
    .map(({ head: { number, time } }) => `number ${number} of ${new Date(time).toISOString()}`)
  return new ShoalError(
    'ESTALE',
    `the newest usable backup is older than --at-least (${told.join(', ')}); was a newer backup removed from the tier?`,
  )
}

async function nothingThere(
  tier: ObjectTier,
  key: RecoveryKey,
  volume: VolumeId,
  signal: AbortSignal,
): Promise<ShoalError> {
  const { name } = decodeGenesis(key.genesis)
  const is = `no backup of volume "${name}" (${volume}), of which the key is`
  for await (const { key: found } of tier.list('', { signal })) {
    const [, other] = /^([0-9a-f]{64})\//.exec(found) ?? []
    if (other === undefined || other === volume) continue
    return new ShoalError('ENOENT', `there is ${is}, only one of another volume (${other})`)
  }
  return new ShoalError('ENOENT', `there is ${is}; check the bucket or folder, and the prefix`)
}

function checkpointOf(volume: VolumeId, { checkpoint }: BackupHead): FetchedCheckpoint | undefined {
  if (checkpoint === undefined) return undefined
  const message = decodeCheckpointMessage(checkpoint)
  if (message.kind !== 'checkpoint')
    throw new ShoalError('corrupt', 'a head in the tier names no checkpoint')
  return readFetched(volume, message.announcement, message.attestations)
}
