// A register that its voters hold together: read and changed by one sequence of values that everyone agrees on, as long
// as a majority of them answers (protocol/strong). One change at a time for each object; many nodes may change at once.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Accepted, StrongReply, StrongRequest, Value } from '../../protocol/strong/acceptor.ts'
import { ballotAbove, compareBallots } from '../../protocol/strong/ballot.ts'
import type { Ballot } from '../../protocol/strong/ballot.ts'
import { countAccepts, findValue } from '../../protocol/strong/round.ts'
import type { Finding, Search, Setback, Tally } from '../../protocol/strong/round.ts'
import { everyVoter } from '../../protocol/strong/voters.ts'
import type { Groups, Voters } from '../../protocol/strong/voters.ts'
import type { Instant } from '../../protocol/units.ts'
import type { World } from '../world/world.ts'

/** Between attempts of proposers that outbid each other: random, doubling up to a limit. */
const PAUSE_MS = 4
const PAUSE_MS_MAX = 500
/** A right to propose is kept this long for the next change: later a majority may be gone, which is to be known before. */
const KEEP_MS = 1_000

/** A value that was chosen, and voters who have it. */
export interface Chosen extends Accepted {
  readonly holders: readonly PeerId[]
}

export interface RegisterComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly self: PeerId
  /** Ask a voter. throws ShoalError when it does not answer. */
  readonly ask: (peer: PeerId, request: StrongRequest, signal: AbortSignal) => Promise<StrongReply>
  /** Called before a value that perhaps was not chosen is proposed once more: get what its voters need for it. */
  readonly makeReady: (found: Chosen, signal: AbortSignal) => Promise<void>
  /** What this node itself has accepted last. */
  readonly known: () => Accepted | undefined
  readonly nameOf: (peer: PeerId) => string
  /** The groups of the register before its first value. */
  readonly first: Groups
}

/** The right to propose a value at `ballot`, given by a quorum of `groups`, which had `base` then. */
interface Turn {
  readonly groups: Groups
  readonly ballot: Ballot
  readonly base: Chosen | undefined
  /** Of a turn given with the last change when that was; others may have outbid it since. */
  readonly keptAt: Instant | undefined
}

/** Called with the newest value. returns the one to come after it, undefined for none. */
export type Change = (base: Chosen | undefined) => Promise<Value | undefined>

export class Register {
  readonly #c: RegisterComponents
  /** The highest ballot heard of. */
  #seen: Ballot | undefined
  #kept: Turn | undefined

  constructor(components: RegisterComponents) {
    this.#c = components
  }

  /**
   * The newest value: one that was chosen before this returns, and none chosen before the call is newer. Undefined if
   * there is none yet. groups: those that decide as far as the caller knows.
   * throws ShoalError 'NO_QUORUM' saying who did not answer, and the reason of `signal`.
   */
  async read(groups: Groups, signal: AbortSignal): Promise<Chosen | undefined> {
    for (let search: Search = { groups, known: this.#c.known() }; ;) {
      const finding = await this.#find(search, { kind: 'query' }, signal)
      if (finding.kind === 'moved') search = movedTo(finding)
      else if (finding.kind === 'found' && finding.isChosen) return chosenOf(finding)
      // Some have a newer value, which may have been chosen: make sure.
      else return this.change(search.groups, async () => undefined, signal)
    }
  }

  /**
   * Put a value after the newest, with nothing between: `make` is called again if there was. returns the newest value.
   * If it throws after `make` has returned a value, that may still become the newest; the next change that goes through
   * settles it. If it returns, no value that `make` returned but the last can.
   * throws ShoalError 'NO_QUORUM' saying who did not answer, the reason of `signal`, and what `make` throws.
   */
  async change(groups: Groups, make: Change, signal: AbortSignal): Promise<Chosen | undefined> {
    /** The highest ballot at which a voter may have accepted a value that was not chosen. */
    let open: Ballot | undefined
    for (let failures = 0; ;) {
      const turn = await this.#takeTurn(groups, failures, signal)
      failures++
      if (turn === undefined) continue
      groups = turn.groups
      const value = await make(turn.base)
      if (value === undefined) {
        if (turn.keptAt !== undefined && !(await this.#isNewest(turn, signal))) continue
        const isSettled = open === undefined || compareBallots(turn.base?.ballot, open) >= 0
        // A register without a value has one voter, who would have told of another.
        if (isSettled || turn.base === undefined) return this.#keep(turn)
      }
      const done = await this.#propose(turn, value ?? turn.base?.value, signal)
      if (done !== undefined) return this.#keep(done)
      if (value !== undefined) open = turn.ballot
    }
  }

  /** The right to propose; undefined if another took it. What another began is finished first. */
  async #takeTurn(
    groups: Groups,
    failures: number,
    signal: AbortSignal,
  ): Promise<Turn | undefined> {
    const kept = this.#kept
    this.#kept = undefined
    const { clock } = this.#c.world
    if (kept?.keptAt !== undefined && clock.now() - kept.keptAt < KEEP_MS) return kept
    if (failures > 0) await this.#pause(failures, signal)
    for (let search: Search = { groups, known: this.#c.known() }; ;) {
      const ballot = ballotAbove(this.#seen, this.#c.self)
      this.#seen = ballot
      const finding = await this.#find(search, { kind: 'prepare', ballot }, signal)
      if (finding.kind === 'outbid') return undefined
      if (finding.kind === 'moved') {
        search = movedTo(finding)
        continue
      }
      const turn = { groups: search.groups, ballot, base: chosenOf(finding), keptAt: undefined }
      if (turn.base === undefined || finding.isChosen) return turn
      await this.#c.makeReady(turn.base, signal)
      return this.#propose(turn, turn.base.value, signal)
    }
  }

  /** Have a value chosen. returns the next turn, or undefined if nobody knows whether it is. */
  async #propose(
    { groups, ballot }: Turn,
    value: Value | undefined,
    signal: AbortSignal,
  ): Promise<Turn | undefined> {
    if (value === undefined) return undefined
    const next = ballotAbove(this.#seen, this.#c.self)
    this.#see(next)
    const both: readonly Voters[] = [...groups, ...value.groups]
    const outcome = await this.#gather(
      both,
      { kind: 'accept', ballot, value, next },
      (tally) => countAccepts(both, tally),
      signal,
    ).catch((error: unknown) => {
      signal.throwIfAborted()
      if (!(error instanceof ShoalError)) throw error
      return undefined
    })
    if (outcome?.kind !== 'chosen') return undefined
    const base = { ballot, value, holders: outcome.holders }
    return { groups: value.groups, ballot: next, base, keptAt: undefined }
  }

  /** True if nobody has changed the register since a kept turn was given. */
  async #isNewest({ groups, base }: Turn, signal: AbortSignal): Promise<boolean> {
    const search = { groups, known: base }
    const finding = await this.#find(search, { kind: 'query' }, signal)
    if (finding.kind !== 'found' || !finding.isChosen) return false
    return compareBallots(finding.accepted?.ballot, base?.ballot) === 0
  }

  #keep(turn: Turn): Chosen | undefined {
    this.#kept = { ...turn, keptAt: this.#c.world.clock.now() }
    return turn.base
  }

  #find(
    search: Search,
    request: StrongRequest,
    signal: AbortSignal,
  ): Promise<Finding | Extract<Setback, { kind: 'outbid' }>> {
    const judge = (tally: Tally): Finding | Setback | undefined =>
      findValue(search, this.#c.first, tally)
    return this.#gather(search.groups, request, judge, signal)
  }

  /**
   * Ask all voters at once, and go on as soon as `judge` can tell from the replies so far: none is waited for that is
   * not needed.
   */
  async #gather<Outcome extends { readonly kind: string }>(
    groups: readonly Voters[],
    request: StrongRequest,
    judge: (tally: Tally) => Outcome | Setback | undefined,
    signal: AbortSignal,
  ): Promise<Outcome | Extract<Setback, { kind: 'outbid' }>> {
    signal.throwIfAborted()
    const voters = everyVoter(groups)
    const replies = new Map<PeerId, StrongReply>()
    const failures = new Map<PeerId, ShoalError>()
    const failed = new Set<PeerId>()
    const { promise, resolve } = Promise.withResolvers<Outcome | Setback>()
    const heard = (): void => {
      const outcome = judge({ replies, failed })
      if (outcome !== undefined) resolve(outcome)
    }
    for (const peer of voters) {
      this.#c.ask(peer, request, signal).then(
        (reply) => {
          replies.set(peer, reply)
          if (reply.kind === 'refused') this.#see(reply.promised)
          if (reply.kind === 'state') this.#see(reply.accepted?.ballot)
          heard()
        },
        (error: unknown) => {
          failed.add(peer)
          failures.set(peer, error as ShoalError)
          heard()
        },
      )
    }
    const onAbort = (): void => resolve({ kind: 'no-quorum' })
    signal.addEventListener('abort', onAbort)
    const outcome = await promise
    signal.removeEventListener('abort', onAbort)
    if (!isSetback(outcome)) return outcome
    if (outcome.kind === 'outbid') return outcome
    signal.throwIfAborted()
    throw this.#noQuorum(voters, replies, failures)
  }

  #see(ballot: Ballot | undefined): void {
    if (compareBallots(ballot, this.#seen) > 0) this.#seen = ballot
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#c.world
    const longest = Math.min(PAUSE_MS * 2 ** failures, PAUSE_MS_MAX)
    await clock.sleep(longest * random.number(), { signal })
  }

  #noQuorum(
    voters: readonly PeerId[],
    replies: ReadonlyMap<PeerId, StrongReply>,
    failures: ReadonlyMap<PeerId, ShoalError>,
  ): ShoalError {
    const missing = voters
      .filter((peer) => !replies.has(peer))
      .map((peer) => `${this.#c.nameOf(peer)} (${reasonOf(failures.get(peer))})`)
    return new ShoalError(
      'NO_QUORUM',
      `${replies.size} of ${voters.length} voters answered, and a majority must; missing: ${missing.join(', ')}`,
    )
  }
}

/** Short: the message of a failed dial is all that was tried, and names the peer again. */
function reasonOf(failure: ShoalError | undefined): string {
  if (failure === undefined || failure.code === 'timeout') return 'no answer'
  return failure.code === 'unreachable' ? 'out of reach' : failure.message
}

function isSetback(outcome: { readonly kind: string }): outcome is Setback {
  return outcome.kind === 'no-quorum' || outcome.kind === 'outbid'
}

function movedTo({ groups, accepted }: Extract<Finding, { kind: 'moved' }>): Search {
  return { groups, known: accepted }
}

function chosenOf({ accepted, holders }: Extract<Finding, { kind: 'found' }>): Chosen | undefined {
  return accepted === undefined ? undefined : { ...accepted, holders }
}
