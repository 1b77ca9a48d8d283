// Strong consistency of one volume: its strong reads and writes, on whatever nodes, are one sequence that agrees with
// real time (linearizable: Herlihy and Wing, TOPLAS 1990), renames included. They go through one register that the
// volume's voters hold, whose values are entries of the log. Invariants:
//   an entry is applied anywhere only after the voters have chosen it, and each comes after those chosen before
//   without a majority of voters there is no answer: never an older one
// What is written without going through here takes its place as always (eventually), and is not part of the sequence.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { StrongReply, StrongRequest, Value } from '../../protocol/strong/acceptor.ts'
import {
  formatVoters,
  makeVoters,
  nextVoters,
  parseVoters,
  sameVoters,
} from '../../protocol/strong/voters.ts'
import type { Groups, Voters } from '../../protocol/strong/voters.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import { Register } from './strong-register.ts'
import type { Change, Chosen } from './strong-register.ts'
import { StrongVoter } from './strong-voter.ts'
import { checkMayVote } from './strong-electorate.ts'
import type { Volume } from './volume.ts'

/** For one strong read or write, once its turn has come. */
const CALL_MS: number = 10 * SECOND_MS
/** What nobody was told the end of is settled in about this time. */
const SETTLE_MS: number = 15 * SECOND_MS
/** The policy that tells who the voters are. */
const VOTERS = 'voters'

/** Reads and writes of a volume that are one sequence, the same for all nodes. */
export interface StrongAccess {
  /**
   * Run `run` on a state that has all that was strongly written before the call.
   * throws ShoalError 'NO_QUORUM' naming the voters that are missing, 'timeout', and what `run` throws.
   */
  read<Result>(run: () => Result | Promise<Result>, signal: AbortSignal): Promise<Result>
  /**
   * Have what `run` submits take effect, with nothing written strongly between what `run` saw and that. It is run on
   * trial, perhaps several times, and must not wait for anything. What it throws is thrown and nothing has changed.
   * Durable at a majority of voters and on this node.
   * throws ShoalError 'NO_QUORUM': nothing has changed; 'timeout': it may have happened or not, where it says so.
   */
  write<Result>(run: () => Result, signal: AbortSignal): Promise<Result>
}

export interface StrongComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly volume: Volume
  /** Ask another voter of the volume. */
  readonly ask: (peer: PeerId, request: StrongRequest, signal: AbortSignal) => Promise<StrongReply>
  /** Exchange logs with a member. */
  readonly sync: (peer: PeerId) => Promise<void>
}

/** An entry that was proposed, and what its trial gave. */
interface Attempt<Result> {
  readonly entry: Entry
  readonly result: Result
}

/** How a write ended: what its trial gave, or threw. */
type Ending<Result> = { readonly result: Result } | { readonly error: unknown }

export class StrongVolume implements StrongAccess {
  /** This node as one of the voters, if it is. */
  readonly voter: StrongVoter
  readonly #c: StrongComponents
  readonly #register: Register
  /** The groups of the register before its first value: the one member that nobody can disagree on. */
  readonly #first: Groups
  readonly #stop = new AbortController()
  /** Writes, one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #reading: { now: Promise<void>; next: Promise<void> | undefined } | undefined
  /** An entry of this node may be under way of which nobody was told the end. */
  #isUnsettled: boolean
  #timer: Timer | undefined

  constructor(components: StrongComponents) {
    this.#c = components
    const { world, volume } = components
    this.voter = new StrongVoter(volume)
    this.#first = [[volume.genesis.creator]]
    this.#isUnsettled = volume.tentative.heldClaim !== undefined
    this.#register = new Register({
      world,
      self: volume.identity.peer,
      ask: (peer, request, signal) => this.#ask(peer, request, signal),
      makeReady: (found, signal) => this.#fetchPast(decodeEntry(found.value.entry), found, signal),
      known: () => this.voter.accepted,
      nameOf: (peer) => volume.membership.nameOf(peer),
      first: this.#first,
    })
  }

  /** From now on what nobody was told the end of is settled, now and then. */
  start(): void {
    const { clock, random } = this.#c.world
    const again = (): void => {
      if (!this.#stop.signal.aborted) this.start()
    }
    this.#timer = clock.timer(SETTLE_MS * (0.5 + random.number()), () => {
      // Without a majority it is tried again.
      this.#settle().then(again, again)
    })
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await Promise.allSettled([this.#last, this.#reading?.now])
  }

  /** False: nobody ever chose who decides. */
  get areVotersNamed(): boolean {
    return this.#c.volume.membership.policy(VOTERS) !== undefined
  }

  /** Who decides, as far as the log here tells. */
  voters(): Voters {
    const policy = this.#c.volume.membership.policy(VOTERS)
    return policy === undefined ? nextVoters(this.#first) : parseVoters(policy)
  }

  async read<Result>(run: () => Result | Promise<Result>, signal: AbortSignal): Promise<Result> {
    await orAborted(this.#refresh(), signal)
    return run()
  }

  write<Result>(run: () => Result, signal: AbortSignal): Promise<Result> {
    return this.#inTurn((within) => this.#write(run, (voters) => [voters], within), signal)
  }

  /**
   * Let others decide from now on. A majority of those who do now and one of those who will must answer.
   * throws as write(), 'usage' for a peer that may not vote, 'EACCES' unless this node is an admin.
   */
  async changeVoters(peers: readonly PeerId[], signal: AbortSignal): Promise<void> {
    const { volume } = this.#c
    const voters = makeVoters(peers)
    for (const peer of voters) checkMayVote(volume, peer)
    const policy = { kind: 'policy', key: VOTERS, value: formatVoters(voters) } as const
    await this.#inTurn(async (within) => {
      await this.#write(
        () => volume.submit(policy),
        (before) => (sameVoters(before, voters) ? [before] : [before, voters]),
        within,
      )
      await this.#register.change([this.voters()], async (base) => settled(base), within)
    }, signal)
  }

  /**
   * Let the others decide without this peer, if it is a voter. Do it while it is a member: it may be needed for that.
   * throws as changeVoters.
   */
  async withoutVoter(peer: PeerId, signal: AbortSignal): Promise<void> {
    const voters = this.voters()
    if (!voters.includes(peer)) return
    const others = voters.filter((voter) => voter !== peer)
    await this.changeVoters(others.length > 0 ? others : [this.#c.volume.identity.peer], signal)
  }

  async #write<Result>(
    run: () => Result,
    groupsAfter: (voters: Voters) => Groups,
    within: AbortSignal,
  ): Promise<Result> {
    const { volume } = this.#c
    const { tentative } = volume
    const held = tentative.hold() ? volume.commit() : undefined
    held?.catch(() => undefined) // told of where it is awaited
    const attempts: Attempt<Result>[] = []
    let ending: Ending<Result> | undefined
    const change: Change = async (base) => {
      if (base !== undefined) await this.#learn(base, within)
      ending = this.#chosenOf(attempts)
      if (ending !== undefined) return undefined
      const trial = tryRun(() => tentative.run(run))
      if ('error' in trial || trial.entry === undefined) {
        ending = trial
        return undefined
      }
      await held
      attempts.push({ entry: trial.entry, result: trial.result })
      const groups = groupsAfter(nextVoters(base?.value.groups ?? this.#first))
      return { groups, entry: encodeEntry(trial.entry) }
    }
    try {
      const newest = await this.#register.change([this.voters()], change, within)
      if (newest !== undefined) await this.#learn(newest, within)
      const mine = this.#chosenOf(attempts)
      // An entry of this call was chosen after all that came before, also of an earlier run of this node.
      if (mine !== undefined) this.#isUnsettled = false
      ending ??= mine
      await volume.commit()
    } catch (error) {
      if (attempts.length > 0) throw this.#uncertain(error)
      throw error
    } finally {
      if (!this.#isUnsettled) tentative.release(attempts.length > 0)
    }
    if (ending === undefined)
      throw new ShoalError('internal', 'a strong write ended without an end')
    if ('error' in ending) throw ending.error
    return ending.result
  }

  /** The attempt that the log here holds: one at most. */
  #chosenOf<Result>(attempts: readonly Attempt<Result>[]): Attempt<Result> | undefined {
    return attempts.find(({ entry }) => this.#c.volume.tentative.holds(entry))
  }

  #uncertain(cause: unknown): ShoalError {
    this.#isUnsettled = true
    return new ShoalError(
      'timeout',
      `the voters were asked, but too few have answered: it may have happened or not, look before you do it again (${(cause as Error).message})`,
      { cause },
    )
  }

  /** Hold what the newest value names, and all before it. */
  async #learn(newest: Chosen, signal: AbortSignal): Promise<void> {
    const { tentative } = this.#c.volume
    const entry = decodeEntry(newest.value.entry)
    if (tentative.holds(entry)) return
    await this.#fetchPast(entry, newest, signal)
    const verdict = tentative.learn(entry)
    if (tentative.holds(entry)) return
    throw new ShoalError(
      verdict === 'future-clock' ? verdict : 'missing-past',
      `the newest strong write cannot be taken here: ${verdict}`,
    )
  }

  /** Have all that an entry follows, which those who accepted it hold. */
  async #fetchPast(entry: Entry, { holders }: Chosen, signal: AbortSignal): Promise<void> {
    const { volume, sync } = this.#c
    const isReady = (): boolean =>
      volume.tentative.holds(entry) || volume.tentative.verdictOn(entry) !== 'missing-past'
    let failure: unknown
    for (const peer of holders) {
      if (isReady()) return
      if (peer === volume.identity.peer) continue
      await orAborted(sync(peer), signal).catch((error: unknown) => (failure = error))
      signal.throwIfAborted()
    }
    if (isReady()) return
    throw new ShoalError('missing-past', 'what the newest strong write follows cannot be had', {
      cause: failure,
    })
  }

  async #ask(peer: PeerId, request: StrongRequest, signal: AbortSignal): Promise<StrongReply> {
    const { volume, ask, sync } = this.#c
    if (peer === volume.identity.peer) return this.voter.answer(request)
    try {
      return await ask(peer, request, signal)
    } catch (error) {
      if (request.kind !== 'accept' || !hasCode(error, 'missing-past')) throw error
      await orAborted(sync(peer), signal)
      return ask(peer, request, signal)
    }
  }

  /** A read of the register that begins after the call. Calls while one is under way share the next. */
  #refresh(): Promise<void> {
    const running = this.#reading
    if (running !== undefined) {
      const again = (): Promise<void> => this.#refresh()
      return (running.next ??= running.now.then(again, again))
    }
    const now = this.#within(async (signal) => {
      const newest = await this.#register.read([this.voters()], signal)
      if (newest !== undefined) await this.#learn(newest, signal)
    }, this.#stop.signal).finally(() => (this.#reading = undefined))
    this.#reading = { now, next: undefined }
    return now
  }

  async #settle(): Promise<void> {
    const { tentative } = this.#c.volume
    const isUnlearned = this.voter.unlearned !== undefined
    if (!isUnlearned && !this.#isUnsettled && !tentative.isHolding) return
    if (isUnlearned) await this.#refresh()
    await this.#inTurn(async (within) => {
      if (this.#isUnsettled) {
        // Once the newest value is accepted again, nothing of a lower ballot can become one.
        const newest = await this.#register.change(
          [this.voters()],
          async (base) => base?.value,
          within,
        )
        if (newest !== undefined) await this.#learn(newest, within)
        this.#isUnsettled = false
      }
      tentative.release(false)
    }, this.#stop.signal)
  }

  async #inTurn<Result>(
    run: (within: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const done = this.#last.then(() => this.#within(run, signal))
    this.#last = done.catch(() => undefined)
    return done
  }

  /** Run under a deadline, and no longer than this works. */
  async #within<Result>(
    run: (within: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const late = new AbortController()
    const timer = this.#c.world.clock.timer(CALL_MS, () =>
      late.abort(new ShoalError('timeout', `the voters have not agreed within ${CALL_MS} ms`)),
    )
    try {
      const within = AbortSignal.any([signal, this.#stop.signal, late.signal])
      within.throwIfAborted()
      return await run(within)
    } finally {
      timer.cancel()
    }
  }
}

function tryRun<Result>(run: () => Result): Result | { readonly error: unknown } {
  try {
    return run()
  } catch (error) {
    return { error }
  }
}

/** What comes after a value when the old voters are to have no more say; undefined if they have none. */
function settled(base: Chosen | undefined): Value | undefined {
  if (base?.value.groups.length !== 2) return undefined
  return { groups: [nextVoters(base.value.groups)], entry: base.value.entry }
}

async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
