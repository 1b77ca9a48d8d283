// A volume's log and state from a backup in place of peers: keys, the nodes of a checkpoint, then
// the entries after it, each checked as if a peer had sent it. It runs as the identity of a
// recovery key, which then makes a node an admin.
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { nodeHash } from '../../protocol/prolly/prolly.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { sealEpochKey } from '../../protocol/membership/members.ts'
import { enforces } from '../../protocol/trust.ts'
import type { World } from '../world/world.ts'
import { tally } from '../replica/attestations.ts'
import { writeAnnouncement } from '../replica/kept-checkpoint.ts'
import { mayBackUp } from '../replica/backup-announcements.ts'
import type { FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import { TreeNodes } from '../state/checkpoint-view.ts'
import type { Part } from '../state/checkpoint-view.ts'
import { adoptCuts } from './compute-checkpoint.ts'
import { treeKeys } from '../log/volume-trees.ts'
import { Inbox } from '../log/inbox.ts'
import { slicesOf } from '../log/time-slices.ts'
import { rebuild } from './rebuild.ts'
import type { Volume } from '../log/volume.ts'

export interface NamespaceSource {
  /** The member that signed it. */
  readonly author: PeerId
  readonly secrets: readonly (readonly [epoch: number, secret: Uint8Array])[]
  readonly checkpoint: FetchedCheckpoint | undefined
  /** All governing entries, each after those that it names. */
  readonly governing: AsyncIterable<readonly Entry[]>
  /** All nodes of the checkpoint. */
  readonly nodes: AsyncIterable<{
    readonly part: Part
    readonly id: NodeHash
    readonly bytes: Uint8Array
  }>
  /** All entries after it, in order. */
  readonly entries: AsyncIterable<readonly Entry[]>
  /** The vector of the restored log. */
  readonly vector: VersionVector
}

/**
 * Fill an empty volume, and make `admit` an admin of it, if anybody is to be.
 * throws ShoalError 'corrupt' if the source lacks something, 'EACCES' if the key is no member any
 * more, 'bad-signature' if the author of the source had no right to make one.
 */
export async function restoreNamespace(
  { volume, world }: { readonly volume: Volume; readonly world: Pick<World, 'clock' | 'random'> },
  source: NamespaceSource,
  { admit, signal }: { readonly admit: PeerId | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, random } = world
  const { peer } = volume.identity
  const seal = (to: PeerId, secret: Uint8Array): Uint8Array =>
    sealEpochKey(to, 'admin', secret, random.bytes(32))
  for (const [epoch, secret] of source.secrets)
    volume.membership.learnKey(epoch, seal(peer, secret))
  await volume.commit()
  for await (const entries of source.governing)
    for (const entry of entries) volume.membership.take(entry)
  await volume.commit()
  await takeNodes(volume, source)
  const { checkpoint } = source
  if (checkpoint !== undefined) {
    checkAttested(volume, checkpoint)
    adoptCuts(volume, checkpoint)
    await rebuild({ volume, clock, random }, checkpoint, { signal })
    writeAnnouncement(volume.view, checkpoint.announcement)
    await volume.commit()
  }
  const inbox = new Inbox({ volume, clock, isPaced: false })
  try {
    for await (const entries of source.entries) {
      for (const slice of slicesOf(entries)) {
        inbox.takeAll(slice, refuse)
        await volume.makeRoom()
        await clock.sleep(1, { signal })
      }
      while (volume.forks.areWaiting)
        await rebuild({ volume, clock, random }, volume.checkpoint, { signal })
    }
  } finally {
    inbox.stop()
  }
  await volume.commit()
  checkWhole(volume, source, inbox.parkedCount)
  checkAuthor(volume, source)
  if (volume.membership.roleOf(peer) === undefined)
    throw new ShoalError('EACCES', 'this recovery key was removed from the volume; use a newer one')
  if (admit === undefined) return
  const keys = volume.membership
    .allSecrets()
    .map(([epoch, secret]) => ({ epoch, sealed: seal(admit, secret) }))
  volume.submit({ kind: 'member', peer: admit, role: 'admin', keys })
  await volume.commit()
}

/** Checks a checkpoint from a tier by the same rules as one from a peer. */
function checkAttested(
  { membership }: Volume,
  { proposal, attestations }: FetchedCheckpoint,
): void {
  const { isEnough, missing } = tally(proposal, attestations, membership)
  if (isEnough) return
  const names = missing.map((peer) => membership.nameOf(peer)).join(', ')
  throw new ShoalError(
    'corrupt',
    `the checkpoint in the tier is not attested by enough members of the volume (missing: ${names}): it may be forged`,
  )
}

async function takeNodes(volume: Volume, { nodes }: NamespaceSource): Promise<void> {
  const keys = treeKeys(volume)
  const trees = {
    clear: new TreeNodes(volume.view, 'clear'),
    sealed: new TreeNodes(volume.view, 'sealed'),
  }
  for await (const { part, id, bytes } of nodes) {
    if (nodeHash(keys[part], bytes) !== id)
      throw new ShoalError(
        'corrupt',
        'a checkpoint in the tier is damaged or belongs to another volume',
      )
    trees[part].put(id, bytes)
    await volume.makeRoom()
  }
  await volume.commit()
}

/** Refuses what others refused when it came; faults of the tier show at the end. */
function refuse(error: ShoalError): void {
  if (hasCode(error, 'internal')) throw error
}

/** By the members that the log itself tells of, from the genesis document on, which the key has. */
function checkAuthor(volume: Volume, { author }: NamespaceSource): void {
  if (mayBackUp(volume, author) || !enforces('backup-head-signed')) return
  const message = 'is signed by a peer that may not write in its volume'
  throw new ShoalError('bad-signature', message)
}

function checkWhole({ actors }: Volume, { vector }: NamespaceSource, parked: number): void {
  if (dominates(actors.vector(), vector)) return
  throw new ShoalError(
    'corrupt',
    parked > 0
      ? 'the log in the tier cannot be read to its end: is the clock of this machine behind?'
      : 'the log in the tier cannot be read to its end: this key, or what lies there, is not whole',
  )
}
