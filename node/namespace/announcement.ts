// The entry that announces a checkpoint, read by who has nothing else of the log: what it says is believed for those who
// attest it (attestations.ts), not for whoever sent it.
import { ShoalError } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { decodeAttestation } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { decodeBatch } from '../../protocol/log/batch.ts'
import { isClear } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { FetchedCheckpoint } from './checkpoint.ts'

/**
 * What an announcement and its attestations, in wire form, say of a checkpoint of a volume.
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
