// The members of a volume as its log tells, and the keys that they are given.
import { sealTo } from '../cipher.ts'
import { deriveKey } from '../hash.ts'
import { publicKeyOf } from '../ids.ts'
import type { EntryHash, PeerId } from '../ids.ts'
import { STAMP_ZERO } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import { blankName } from './names.ts'
import { mayRead } from '../roles.ts'
import type { Role } from '../roles.ts'

/** A peer's role according to the governing acts (governance-state.ts). */
export interface MemberRole {
  readonly peer: PeerId
  readonly role: Role
  /** The act that granted the role; the author of entries names it. */
  readonly grant: EntryHash
  readonly granted: Stamp
  /** Present once removed; a later grant brings the member back. */
  readonly removed: Stamp | undefined
}

/** The capacity of a member that offers none: it gives away what it holds. (0: it said nothing.) */
export const NO_CAPACITY_BYTES = 1

/** How a member describes itself. */
export interface MemberInfo {
  readonly name: string
  readonly zone: string
  readonly capacityBytes: number
  readonly described: Stamp
}

export interface Member extends MemberRole, MemberInfo {
  /** As it is shown: no other member of the volume has that name. */
  readonly name: string
  /** As it was said to be, by itself or by an admin; another may be said to be that, too. */
  readonly said: string
}

/** True for a member that has not been removed since its last grant. */
export function isActive<Some extends MemberRole>(member: Some | undefined): member is Some {
  return member !== undefined && (member.removed === undefined || member.removed < member.granted)
}

/** The info of a member that has not described itself yet. */
export function blankInfo(peer: PeerId): MemberInfo {
  return { name: blankName(peer), zone: '', capacityBytes: 0, described: STAMP_ZERO }
}

/** The key that keepers get instead of the epoch's secret: enough to read heads, not content. */
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
