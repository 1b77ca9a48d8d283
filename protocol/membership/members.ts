// The members of a volume as its log tells: each record last-writer-wins by stamp, so replicas agree.
import { sealTo } from '../cipher.ts'
import { deriveKey } from '../hash.ts'
import { publicKeyOf } from '../ids.ts'
import type { EntryHash, PeerId } from '../ids.ts'
import { STAMP_ZERO } from '../log/dot.ts'
import type { Stamp } from '../log/dot.ts'
import type { ClearOp } from '../tree/op.ts'
import { mayRead } from './roles.ts'
import type { Role } from './roles.ts'

export interface Member {
  readonly peer: PeerId
  readonly role: Role
  /** The entry that granted the role; the author of entries names it. */
  readonly grant: EntryHash
  readonly granted: Stamp
  /** Present once removed; a later grant brings the member back. */
  readonly removed: Stamp | undefined
  readonly name: string
  readonly zone: string
  readonly capacityBytes: number
  readonly described: Stamp
}

/** True for a member that has not been removed since its last grant. */
export function isActive(member: Member | undefined): member is Member {
  return member !== undefined && (member.removed === undefined || member.removed < member.granted)
}

/** The record after an op about this member; the same op again changes nothing. */
export function applyMemberOp(
  known: Member | undefined,
  op: Extract<ClearOp, { kind: 'member' | 'member-info' | 'remove-member' }>,
  stamp: Stamp,
  entry: EntryHash,
): Member {
  const member = known ?? blankMember(op.peer)
  switch (op.kind) {
    case 'member':
      return stamp <= member.granted
        ? member
        : { ...member, role: op.role, grant: entry, granted: stamp }
    case 'member-info': {
      const { name, zone, capacityBytes } = op
      return stamp <= member.described
        ? member
        : { ...member, name, zone, capacityBytes, described: stamp }
    }
    case 'remove-member':
      return stamp <= (member.removed ?? STAMP_ZERO) ? member : { ...member, removed: stamp }
  }
}

function blankMember(peer: PeerId): Member {
  return {
    peer,
    role: 'keeper',
    grant: '' as EntryHash,
    granted: STAMP_ZERO,
    removed: undefined,
    name: peer.slice(-6),
    zone: '',
    capacityBytes: 0,
    described: STAMP_ZERO,
  }
}

/** What keepers get instead of the epoch's secret: enough to read heads, not content. */
export function swarmKey(epochSecret: Uint8Array): Uint8Array {
  return deriveKey('shoal 2026 swarm key v1', epochSecret)
}

/** The secret from which the gear table and convergent hashes of a volume's epoch come. */
export function chunkSecret(epochSecret: Uint8Array): Uint8Array {
  return deriveKey('shoal 2026 chunk secret v1', epochSecret)
}

/** An epoch's key as `role` may have it, sealed to the member. `seed`: 32 fresh random bytes. */
export function sealEpochKey(
  peer: PeerId,
  role: Role,
  epochSecret: Uint8Array,
  seed: Uint8Array,
): Uint8Array {
  return sealTo(publicKeyOf(peer), mayRead(role) ? epochSecret : swarmKey(epochSecret), seed)
}
