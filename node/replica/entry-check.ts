// Whether an entry may be applied, and what of it: rules that every replica applies alike
// (docs/formats/log.md). Header and signature decide whether, and that a clear body is a batch; a
// keeper sees no more, and all must agree on what the log is. What is wrong with a sealed body only
// costs its ops.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../protocol/limits.ts'
import { openBody, readBatch, unpackBatch } from '../../protocol/log/batch.ts'
import { actorIdOf, isClear, isGoverning, verifyEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { areHoldersHeard, mayMake } from '../../protocol/membership/rights.ts'
import { aRole, mayWrite } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { isClearOp, isGoverningOp } from '../../protocol/op/op.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Place } from './ancestry.ts'
import type { Membership } from './membership.ts'
import type { Replica } from './replica.ts'

/**
 * 'missing-past', 'future-clock', 'missing-key': not now, perhaps later. 'missing-key' comes of
 * being admitted by one admin while another began a key epoch; to go on without the ops would be to
 * diverge. 'relabelling': its branch takes the name of another, for which the state is built anew
 * first. 'stopped': this node could not apply it (stopped-entry.ts).
 */
export type EntryVerdict = 'applied' | Refusal | 'missing-key' | 'relabelling' | 'stopped'
type Refusal = 'known' | 'missing-past' | 'future-clock'

interface CheckContext {
  readonly replica: Pick<Replica, 'actors' | 'ancestry' | 'membership'>
  readonly nowMs: WallTime
  /** Its signature was verified, or covered by that of a later one. */
  readonly isVerified?: boolean
}

/**
 * Its place means that an entry may be applied there. throws ShoalError for one that no replica
 * will ever apply.
 */
export function checkEntry(
  entry: Entry,
  { replica, nowMs, isVerified = false }: CheckContext,
): Place | Refusal {
  const { header } = entry
  const { ancestry } = replica
  const name = `entry ${header.actor}:${header.seq}`
  if (header.deps.some(({ actor }) => actor === header.actor))
    throw new ShoalError('malformed', `${name} depends on its own actor`)
  const place = ancestry.placeOf(entry)
  if (typeof place === 'string') return place
  const { before, deps } = place
  // Entries travel in the order of their clocks: each must come after its past.
  if (!deps.every((dep) => ancestry.isAfter(header.hlc, dep)))
    throw new ShoalError('malformed', `${name} has a clock behind that of its past`)
  if (before !== undefined && header.hlc <= before.hlc) {
    throw new ShoalError('malformed', `${name} has a clock that does not advance`)
  }
  const publicKey = before?.publicKey ?? header.origin?.publicKey
  if (publicKey === undefined || !(isVerified || verifyEntry(entry, publicKey))) {
    throw new ShoalError('bad-signature', `${name} is not signed by its author`)
  }
  if (header.origin !== undefined && actorIdOf(header.volume, header.origin) !== header.actor) {
    throw new ShoalError('malformed', `${name} does not belong to the key that signed it`)
  }
  const author = peerIdFromPublicKey(publicKey)
  if (isGoverning(header)) {
    const { governance } = replica.membership
    if (governance.missingOf(entry) !== undefined) return 'missing-past'
    if (!governance.has(entry.hash)) governance.check(entry)
  }
  checkGrant(entry, author, place, replica)
  if (before === undefined || place.existing !== undefined) replica.actors.checkRoom(author)
  return hlcMillis(header.hlc) > nowMs + CLOCK_AHEAD_MS ? 'future-clock' : place
}

function checkGrant(
  entry: Entry,
  author: PeerId,
  place: Place,
  { ancestry, membership }: CheckContext['replica'],
): void {
  const { header } = entry
  const grant = membership.grant(header.grant, author)
  if (grant === undefined) {
    throw new ShoalError('not-a-member', `${author} wrote under a grant it does not have`)
  }
  const granting = membership.governance.dag.get(grant.id)
  if (granting !== undefined && !ancestry.seesEntry(place, granting)) {
    throw new ShoalError('not-a-member', `${author} wrote before it was granted its role`)
  }
  if (!isClear(header) && !mayWrite(grant.role)) {
    throw new ShoalError('not-a-member', `${author} is ${aRole(grant.role)} and may not write`)
  }
}

/**
 * Is this an entry of `author`, under an actor of theirs, that is not held here? found: what
 * checkEntry made of it. What others say of a writer's entries proves nothing; its signature does.
 */
export function isNews(
  entry: Entry,
  found: Place | Refusal,
  { publicKey }: Pick<Identity, 'publicKey'>,
): boolean {
  if (typeof found !== 'string') return true
  return found !== 'known' && verifyEntry(entry, publicKey)
}

/**
 * The content of a body: ops by index, undefined where one has no effect; or why it cannot be
 * known.
 */
export type BodyReading =
  | { readonly kind: 'ops'; readonly ops: readonly (Op | undefined)[]; readonly plainBytes: number }
  | { readonly kind: 'missing-key' }
  | { readonly kind: 'unreadable'; readonly cause: ShoalError }

/**
 * Read the body of an entry that may be applied. A keeper reads no sealed one: it has no ops there.
 * 'unreadable' is the writer's doing: the entry counts, without ops, for everyone.
 * throws ShoalError 'malformed' for a clear body that is no batch, which nobody takes.
 */
export function readBody(entry: Entry, author: PeerId, membership: Membership): BodyReading {
  const { header } = entry
  const [clear, governs] = [isClear(header), isGoverning(header)]
  if (!clear && membership.isKeeper()) return { kind: 'ops', ops: [], plainBytes: 0 }
  try {
    const body = clear ? entry.body : openWithAny(membership.secrets(header.epoch), entry)
    const role = membership.grant(header.grant, author)?.role
    const plain = unpackBatch(body)
    const ops = readBatch(plain).map((op) => {
      const counts =
        op !== undefined &&
        role !== undefined &&
        isClearOp(op) === clear &&
        isGoverningOp(op) === governs &&
        mayMake(op, author, role) &&
        areHoldersHeard(op, author, header)
      return counts ? op : undefined
    })
    return { kind: 'ops', ops, plainBytes: plain.length }
  } catch (cause) {
    if (!(cause instanceof ShoalError)) throw cause
    if (clear && hasCode(cause, 'malformed') && enforces('clear-body-decodes')) {
      const message =
        `entry ${header.actor}:${header.seq} of ${author} has an unencrypted body that is not ` +
        `a batch: ${cause.message}`
      throw new ShoalError('malformed', message, { cause })
    }
    if (hasCode(cause, 'corrupt') && membership.lacksSecret(header.epoch))
      return { kind: 'missing-key' }
    return { kind: 'unreadable', cause }
  }
}

function openWithAny(secrets: readonly Uint8Array[], { header, body }: Entry): Uint8Array {
  for (const secret of secrets) {
    try {
      return openBody(secret, header, body)
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
    }
  }
  throw new ShoalError('corrupt', `no key of epoch ${header.epoch} opens the body`)
}
