// Whether an entry may be applied: the rules that every replica applies alike (DESIGN §4, MEMO §1.4).
import { ShoalError } from '../../protocol/errors.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS } from '../../protocol/limits.ts'
import { decodeBatch, openBody } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, actorIdOf, verifyEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { mayAdminister, mayWrite } from '../../protocol/membership/roles.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import { isClearOp } from '../../protocol/tree/op.ts'
import type { Op } from '../../protocol/tree/op.ts'
import type { WallTime } from '../../protocol/units.ts'
import { hasSeen } from './actors.ts'
import type { ActorTable } from './actors.ts'
import type { Membership } from './membership.ts'

/** 'missing-past' and 'future-clock': not now, perhaps later. */
export type EntryVerdict = 'applied' | 'known' | 'missing-past' | 'future-clock'

interface CheckContext {
  readonly actors: ActorTable
  readonly membership: Membership
  readonly hashOf: (actor: ActorId, seq: number) => EntryHash | undefined
  readonly wallMs: WallTime
}

/** 'applied' means it may be. throws ShoalError for an entry that no replica will ever apply. */
export function checkEntry(
  entry: Entry,
  { actors, membership, hashOf, wallMs }: CheckContext,
): EntryVerdict {
  const { header } = entry
  const name = `entry ${header.actor}:${header.seq}`
  const actor = actors.get(header.actor)
  const held = actor?.seq ?? 0
  if (header.seq <= held) {
    if (hashOf(header.actor, header.seq) === entry.hash) return 'known'
    throw new ShoalError(
      'fork',
      `${name} exists twice with different contents: a copied or restored node wrote on`,
    )
  }
  if (header.seq !== held + 1) return 'missing-past'
  for (const dep of header.deps) {
    if (dep.actor === header.actor)
      throw new ShoalError('malformed', `${name} depends on its own actor`)
    const other = actors.get(dep.actor)
    if (other === undefined || other.seq < dep.seq) return 'missing-past'
    if (hashOf(dep.actor, dep.seq) !== dep.hash) {
      throw new ShoalError(
        'fork',
        `${name} depends on another ${dep.actor}:${dep.seq} than is held here`,
      )
    }
  }
  if (hlcMillis(header.hlc) > wallMs + CLOCK_AHEAD_MS) return 'future-clock'
  if (header.prev !== actor?.hash)
    throw new ShoalError('fork', `${name} follows another entry than is held here`)
  if (actor !== undefined && header.hlc <= actor.hlc) {
    throw new ShoalError('malformed', `${name} has a clock that does not advance`)
  }
  const publicKey = actor?.publicKey ?? header.origin?.publicKey
  if (publicKey === undefined || !verifyEntry(entry, publicKey)) {
    throw new ShoalError('bad-signature', `${name} is not signed by its author`)
  }
  if (header.origin !== undefined && actorIdOf(header.volume, header.origin) !== header.actor) {
    throw new ShoalError('malformed', `${name} does not belong to the key that signed it`)
  }
  checkRight(entry, peerIdFromPublicKey(publicKey), { actors, membership })
  return 'applied'
}

function checkRight(
  entry: Entry,
  author: PeerId,
  { actors, membership }: Pick<CheckContext, 'actors' | 'membership'>,
): void {
  const { header } = entry
  const actor = actors.get(header.actor)
  const grant = membership.grant(header.grant)
  if (grant === undefined || grant.peer !== author) {
    throw new ShoalError('not-a-member', `${author} wrote under a grant it does not have`)
  }
  if (grant.seq > 0 && !hasSeen(actor, header.deps, grant.actor, grant.seq)) {
    throw new ShoalError('not-a-member', `${author} wrote before it was granted its role`)
  }
  const removal = membership.removal(author)
  if (removal !== undefined && hasSeen(actor, header.deps, removal.actor, removal.seq)) {
    throw new ShoalError('not-a-member', `${author} wrote after it was removed`)
  }
  if ((header.flags & FLAG_CLEAR_BODY) === 0) {
    if (!mayWrite(grant.role))
      throw new ShoalError('not-a-member', `${author} is a ${grant.role} and may not write`)
    return
  }
  for (const op of decodeBatch(entry.body)) {
    if (op !== undefined && !mayMake(op, author, grant.role)) {
      throw new ShoalError(
        'not-a-member',
        `${author} is a ${grant.role} and may not make a ${op.kind} op`,
      )
    }
  }
}

function mayMake(op: Op, author: PeerId, role: Role): boolean {
  if (!isClearOp(op)) return false
  switch (op.kind) {
    case 'member-info':
      return op.peer === author || mayAdminister(role)
    case 'stripe':
      return role !== 'reader'
    default:
      return mayAdminister(role)
  }
}

/** The ops of an entry; none when this node may not read the body (a keeper). throws 'malformed', 'corrupt'. */
export function readOps(entry: Entry, membership: Membership): readonly (Op | undefined)[] {
  const { header } = entry
  if ((header.flags & FLAG_CLEAR_BODY) !== 0) return decodeBatch(entry.body)
  const secret = membership.secret(header.epoch)
  if (secret === undefined) return []
  return decodeBatch(openBody(secret, header, entry.body)).map((op) =>
    op !== undefined && isClearOp(op) ? undefined : op,
  )
}
