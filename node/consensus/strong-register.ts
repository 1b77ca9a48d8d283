// A register that its voters hold together: read and changed by one sequence of values that
// everyone agrees on, as long as a majority of them answers (protocol/strong). One change at a time
// for each object; many nodes may change at once.
import { hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { StrongReply } from '../../protocol/strong/acceptor.ts'
import { ballotAbove, compareBallots, nextBallot } from '../../protocol/strong/ballot.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import type { Grounds } from '../../protocol/strong/grounds.ts'
import { countAccepts } from '../../protocol/strong/round.ts'
import type { Newest } from '../../protocol/strong/round.ts'
import { isSameMark } from '../../protocol/strong/statement.ts'
import type { Mark, Statement } from '../../protocol/strong/statement.ts'
import { digestOf } from '../../protocol/strong/value.ts'
import type { Claim, Value } from '../../protocol/strong/value.ts'
import { everyVoter, isQuorum } from '../../protocol/strong/voters.ts'
import type { Groups, Voters } from '../../protocol/strong/voters.ts'
import type { Instant } from '../../protocol/units.ts'
import type { World } from '../world/world.ts'
import { Search, statementsOf } from './strong-search.ts'
import type { Found, Outbid, SearchComponents } from './strong-search.ts'
import { pauseAfter } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'

/** Between attempts of proposers that outbid each other: random, doubling up to a limit. */
const PAUSES: Pauses = { firstMs: 8, longestMs: 500 }
/**
 * A right to propose is kept this long for the next change: later a majority may be gone, which is
 * to be known before.
 */
const KEEP_MS = 1_000

/** A value that was chosen, and voters who have it. */
export interface Chosen extends Claim {
  readonly holders: readonly PeerId[]
  /** Its entry, as some of them tell it: none, if they may not tell. */
  readonly entries: readonly Uint8Array[]
}

export interface RegisterComponents extends SearchComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly self: PeerId
  /** The entry of a value, of what its holders say it is. */
  readonly entryOf: (chosen: Chosen) => Uint8Array | undefined
  /** May this node have values accepted? */
  readonly mayPropose: () => boolean
  /** A voter does not take what another has promised. */
  readonly onDoubted: (by: PeerId, signal: AbortSignal) => Promise<void>
}

/** The right to propose a value at `ballot`, given by a quorum of those who decide after `base`. */
interface Turn {
  readonly ballot: Ballot
  readonly promises: readonly Statement[]
  readonly base: Chosen | undefined
  /**
   * The time at which a turn given with the last change was kept; others may have outbid it since.
   */
  readonly keptAt: Instant | undefined
}

/** Called with the newest value. returns the one to come after it, undefined for none. */
export type Change = (base: Chosen | undefined) => Promise<Value | undefined>

export class Register {
  readonly #c: RegisterComponents
  /** The highest ballot that a quorum has heard of; undefined: not known yet. */
  #last: Ballot | undefined
  #kept: Turn | undefined
  readonly #search: Search

  constructor(components: RegisterComponents) {
    this.#c = components
    this.#search = new Search(components)
  }

  /**
   * The newest value: one that was chosen before this returns, and none chosen before the call is
   * newer. Undefined if there is none yet. groups: those that decide as far as the caller knows.
   * throws ShoalError 'NO_QUORUM' saying who did not answer, and the reason of `signal`.
   */
  async read(groups: Groups, signal: AbortSignal): Promise<Chosen | undefined> {
    for (let failures = 1; ; failures++) {
      const found = await this.#find(groups, undefined, signal)
      if (found.kind === 'found') {
        const isSure = !this.#c.world.random.unlucky('consensus.read-is-unsure')
        if (found.newest === undefined || (found.isChosen && isSure)) return chosenOf(found)
        // Some have a newer value, which may have been chosen: make sure, or have those who may.
        if (this.#c.mayPropose()) return this.change(groups, async () => undefined, signal)
      }
      await this.#pause(failures, signal)
    }
  }

  /**
   * Put a value after the newest, with nothing between: `make` is called again if there was.
   * returns the newest value. If it throws after `make` has returned a value, that may still become
   * the newest; the next change that goes through settles it. If it returns, no value that `make`
   * returned but the last can.
   * throws ShoalError 'NO_QUORUM' saying who did not answer, the reason of `signal`, and what
   * `make` throws.
   */
  async change(groups: Groups, make: Change, signal: AbortSignal): Promise<Chosen | undefined> {
    /** The highest ballot at which a voter may have accepted a value that was not chosen. */
    let open: Ballot | undefined
    let above: Ballot | undefined
    for (let failures = 0; ; failures++) {
      const turn = await this.#takeTurn(groups, { failures, above }, signal)
      if (turn === undefined || turn.kind === 'outbid') {
        above = turn?.by
        continue
      }
      above = undefined
      const value = await make(turn.base)
      if (value === undefined) {
        if (turn.keptAt !== undefined && !(await this.#isNewest(turn, signal))) continue
        const isSettled = open === undefined || compareBallots(turn.base?.ballot, open) >= 0
        // A register without a value has one voter, who would have told of another.
        if (isSettled || turn.base === undefined) return this.#keep(turn)
      }
      const proposed = value ?? this.#valueOf(turn.base)
      const done = proposed && (await this.#propose(turn, proposed, [], signal))
      if (done !== undefined) return this.#keep(done)
      if (value !== undefined) open = turn.ballot
    }
  }

  /**
   * The right to propose; undefined if it is to be tried again. What another began is finished
   * first.
   */
  async #takeTurn(
    groups: Groups,
    { failures, above }: { readonly failures: number; readonly above: Ballot | undefined },
    signal: AbortSignal,
  ): Promise<(Turn & { readonly kind: 'turn' }) | Outbid | undefined> {
    const kept = this.#kept
    this.#kept = undefined
    const { clock, random } = this.#c.world
    const isLost = random.unlucky('consensus.turn-lost')
    if (!isLost && kept?.keptAt !== undefined && clock.now() - kept.keptAt < KEEP_MS)
      return { kind: 'turn', ...kept }
    if (failures > 0) await this.#pause(failures, signal)
    const ballot = ballotAbove(
      compareBallots(above, this.#last) > 0 ? above : this.#last,
      this.#c.self,
    )
    const found = await this.#find(groups, ballot, signal)
    if (found.kind === 'outbid') return found
    const { newest, isChosen } = found
    const deciding = new Set([...(newest?.holders ?? []), ...everyVoter(this.#groupsOf(newest))])
    const promises = found.promises.filter(({ voter }) => deciding.has(voter))
    // Some were asked as who they are not any more: now that is known.
    if (!isQuorum(this.#groupsOf(newest), new Set(promises.map(({ voter }) => voter))))
      return { kind: 'outbid', by: ballot }
    const turn = { ballot, promises, base: chosenOf(found), keptAt: undefined }
    if (newest === undefined || isChosen) return { kind: 'turn', ...turn }
    const grounded = found.grounded ?? (await this.#c.account(newest, signal))
    if (grounded === undefined) return undefined
    const done = await this.#propose(turn, grounded.value, grounded.grounds, signal)
    return done && { kind: 'turn', ...done }
  }

  /**
   * Have a value chosen. returns the next turn, or undefined if nobody knows whether it is.
   * grounds: those of a value that is proposed once more, and perhaps was not chosen.
   */
  async #propose(
    { ballot, promises, base }: Turn,
    value: Value,
    before: Grounds,
    signal: AbortSignal,
  ): Promise<Turn | undefined> {
    const after = nextBallot(ballot)
    const claim = base && { ballot: base.ballot, groups: base.groups, name: base.name }
    const grounds = [{ promises, base: claim }, ...before]
    const both: readonly Voters[] = [...(base?.groups ?? this.#c.first), ...value.groups]
    const request = { kind: 'accept', counter: ballot.counter, value, grounds } as const
    const mark = { ballot, digest: digestOf(value) }
    const poll = this.#search.ask(
      both,
      () => request,
      (reply) => isAccepted(reply, mark),
      signal,
    )
    const outcome = await poll.outcome((tally) => countAccepts(both, tally), signal)
    signal.throwIfAborted()
    if (outcome.kind !== 'chosen') {
      for (const [peer, error] of poll.failures) {
        if (!hasCode(error, 'bad-signature')) continue
        this.#search.isWary = true
        await this.#c.onDoubted(peer, signal)
      }
      return undefined
    }
    this.#reached(after)
    const { groups, name, entry } = value
    const deciding = new Set(everyVoter(groups))
    const next = statementsOf(poll).filter(
      ({ voter, promised }) => deciding.has(voter) && compareBallots(promised, after) === 0,
    )
    const chosen = { ballot, groups, name, entries: [entry], holders: outcome.holders }
    return { ballot: after, promises: next, base: chosen, keptAt: undefined }
  }

  /** True if nobody has changed the register since a kept turn was given. */
  async #isNewest({ base }: Turn, signal: AbortSignal): Promise<boolean> {
    const found = await this.#find(base?.groups ?? this.#c.first, undefined, signal)
    if (found.kind !== 'found' || (found.newest !== undefined && !found.isChosen)) return false
    return compareBallots(found.newest?.claim.ballot, base?.ballot) === 0
  }

  #keep(turn: Turn): Chosen | undefined {
    const voters = new Set(turn.promises.map(({ voter }) => voter))
    const isWhole = isQuorum(turn.base?.groups ?? this.#c.first, voters)
    this.#kept = isWhole ? { ...turn, keptAt: this.#c.world.clock.now() } : undefined
    return turn.base
  }

  async #find(
    groups: Groups,
    ballot: Ballot | undefined,
    signal: AbortSignal,
  ): Promise<Found | Outbid> {
    const found = await this.#search.find(groups, ballot, signal)
    if (found.kind === 'found') this.#reached(ballot ?? found.newest?.claim.ballot)
    return found
  }

  #groupsOf(newest: Newest | undefined): Groups {
    return newest?.claim.groups ?? this.#c.first
  }

  #valueOf(base: Chosen | undefined): Value | undefined {
    const entry = base && this.#c.entryOf(base)
    return entry && { groups: base.groups, name: base.name, entry }
  }

  #reached(ballot: Ballot | undefined): void {
    if (compareBallots(ballot, this.#last) > 0) this.#last = ballot
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#c.world
    await clock.sleep(pauseAfter(failures, PAUSES) * random.number(), { signal })
  }
}

function isAccepted(reply: StrongReply, mark: Mark): boolean {
  if (reply.kind === 'refused') return true
  if (reply.kind !== 'accepted') return false
  return isSameMark(reply.statement.accepted, mark)
}

function chosenOf({ newest }: Pick<Found, 'newest'>): Chosen | undefined {
  if (newest === undefined) return undefined
  const entries = newest.reports.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
  return { ...newest.claim, holders: newest.holders, entries }
}
