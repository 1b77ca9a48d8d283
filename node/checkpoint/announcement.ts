// The entry that announces a checkpoint: made here, or read by who has nothing else of the log.
// What it says is believed for those who attest it (attestations.ts), not for whoever sent it.
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { decodeAttestation } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { decodeBatch } from '../../protocol/log/batch.ts'
import { isClear } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { tally } from '../replica/attestations.ts'
import type { FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import type { CheckpointOp } from '../replica/listeners.ts'
import type { Volume } from '../log/volume.ts'

/**
 * Reads an announcement of a checkpoint of a volume and its attestations, from wire form.
 * throws ShoalError 'malformed' for an entry that announces none, 'bad-signature'.
 */
export function readFetched(
  volume: VolumeId,
  announcement: Entry,
  attestations: readonly Uint8Array[],
): FetchedCheckpoint {
  const { header, body, hash } = announcement
  const ops = isClear(header) && header.volume === volume ? decodeBatch(body) : []
  const [op, ...others] = ops
  if (op?.kind !== 'checkpoint' || others.length > 0)
    throw new ShoalError('malformed', `entry ${hash} announces no checkpoint of this volume`)
  const { hlc, vector, held, before, governed, clear, sealed } = op
  const all = attestations.map((bytes) => decodeAttestation(bytes, volume))
  const ofThis = (one: Attestation): boolean => one.cut === hash
  const withItself = new Map(held).set(header.actor, header.seq)
  const state = { hlc, vector, before, clear, sealed }
  const proposal = { author: undefined, governed, roots: { clear, sealed } }
  return { ...state, announcement, held: withItself, proposal, attestations: all.filter(ofThis) }
}

/**
 * Is the checkpoint of a peer to be fetched, in place of a log that others no longer have?
 * accepted: the owner of this node says so, whoever attests it.
 * throws ShoalError 'EEXIST' where this node can compute what comes of that itself, or has a newer
 * one; 'EACCES' naming those whose word is missing.
 */
export function examine(
  volume: Volume,
  fetched: FetchedCheckpoint,
  { from, accepted = false }: { readonly from: PeerId; readonly accepted?: boolean },
): void {
  const { membership, cuts, checkpoint, entries } = volume
  const canCompute = entries.dropped.size === 0 || cuts.placeOf(checkpoint ?? NO_CHECKPOINT) >= 0
  if (canCompute && cuts.get(fetched.announcement.hash) !== undefined)
    throw new ShoalError('EEXIST', `the log of this node already covers the checkpoint of ${from}`)
  if (checkpoint !== undefined && fetched.hlc <= checkpoint.hlc && canCompute)
    throw new ShoalError('EEXIST', `the checkpoint of this node is newer than that of ${from}`)
  const { isEnough, missing, hasAdmin } = tally(fetched.proposal, fetched.attestations, membership)
  if (accepted || (isEnough && !membership.isAwaited())) return
  const names = missing.map((peer) => membership.nameOf(peer)).join(', ')
  if (hasAdmin) volume.strand({ peer: from, missing })
  throw new ShoalError(
    'EACCES',
    membership.isAwaited()
      ? `the log of ${from} does not tell yet that this node was admitted`
      : `the checkpoint of ${from} is not attested by enough members (missing: ${names}): ` +
          `it is taken when they are up, or by shoal volume accept-checkpoint ${from}`,
  )
}

/**
 * Log an announcement, which says what this node has applied before it. returns its entry. throws
 * as Volume.submit.
 */
export function announce(
  volume: Volume,
  cut: Omit<CheckpointOp, 'kind' | 'held'>,
): EntryHash | undefined {
  volume.endBatch()
  volume.submit({ kind: 'checkpoint', ...cut, held: volume.actors.vector() })
  volume.endBatch()
  return volume.actors.get(volume.actor)?.hash
}

/** The newest governing entries of those that the log here has. */
export function governedHere({ actors, membership, replica }: Volume): EntryHash[] {
  const held = actors.vector()
  return membership.governance.headsIn((act) => replica.ancestry.covers(held, act))
}
