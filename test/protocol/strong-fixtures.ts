// Values of a register and statements of its voters, for the tests of their rules.
import { toHex } from '../../protocol/bytes.ts'
import { signStatement } from '../../protocol/strong/statement.ts'
import { digestOf } from '../../protocol/strong/value.ts'
import { ALICE, ALICE_ACTOR, VOLUME, filled } from './fixtures.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import type { Mark, Statement } from '../../protocol/strong/statement.ts'
import type { Claim, Content, Value } from '../../protocol/strong/value.ts'
import type { Groups } from '../../protocol/strong/voters.ts'

export function ballot(counter: number, peer: PeerId = ALICE.peer): Ballot {
  return { counter, peer }
}

/** A value that is told from others by a byte. */
export function valueOf(byte: number, groups: Groups): Value {
  const name = { actor: ALICE_ACTOR, seq: byte, hash: toHex(filled(byte, 32)) as EntryHash }
  return { groups, name, entry: filled(byte, 12) }
}

export function claimAt({ groups, name }: Content, at: Ballot): Claim {
  return { ballot: at, groups, name }
}

export function markOf(value: Content, at: Ballot): Mark {
  return { ballot: at, digest: digestOf(value) }
}

/** A signed statement of a voter. */
export function say(
  voter: Identity,
  term: number,
  promised: Ballot,
  accepted: Mark | undefined,
): Statement {
  const statement = signStatement(voter, VOLUME, { term, promised, accepted })
  return { ...statement, signature: Uint8Array.from(statement.signature) }
}
