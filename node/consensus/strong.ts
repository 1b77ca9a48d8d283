// Strong consistency of one volume: strong reads and writes, on any node, are one sequence in real
// time (linearizable: Herlihy and Wing, TOPLAS 1990), renames included. They go through a register
// held by the volume's voters, whose values are entries of the log. Invariants:
//   an entry is applied anywhere only once the voters chose it, each after those chosen before
//   without a majority of voters there is no answer: never an older one
// Other writes take their place eventually, as always, and are not part of the sequence.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { StrongReply, StrongRequest } from '../../protocol/strong/acceptor.ts'
import { groupsAfter } from '../../protocol/strong/grounds.ts'
import { VOTERS_POLICY, formatOffice, nextOffice } from '../../protocol/strong/office.ts'
import type { Office } from '../../protocol/strong/office.ts'
import { lastGroup, makeVoters } from '../../protocol/strong/voters.ts'
import type { Voters } from '../../protocol/strong/voters.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Timer, World } from '../world/world.ts'
import { checkMayVote } from '../log/electorate.ts'
import { Liars } from './strong-liars.ts'
import { StrongLog, nameOf } from './strong-log.ts'
import { StrongPast, orAborted } from './strong-past.ts'
import { Register } from './strong-register.ts'
import type { Change, Chosen } from './strong-register.ts'
import { StrongVoter } from './strong-voter.ts'
import type { Volume } from '../log/volume.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** For one strong read or write, once its turn has come. */
const CALL_MS: number = 10 * SECOND_MS
/** Writes with an unknown outcome are settled in about this time. */
const SETTLE_MS: number = 15 * SECOND_MS
/** The same, where somebody asks for it. */
const HURRY_MS = 100
/** For those who are to be voters to say what they have written. */
const SYNC_MS: number = 3 * SECOND_MS
/** Between two looks at a value that others are to settle. */
const LOOK_MS = 50

/** Reads and writes of a volume that are one sequence, the same for all nodes. */
export interface StrongAccess {
  /**
   * Runs `run` on a state that has all strong writes before the call.
   * throws 'NO_QUORUM', naming the voters that are missing, 'timeout', and what `run` throws.
   */
  read<Result>(run: () => Result | Promise<Result>, signal: AbortSignal): Promise<Result>
  /**
   * Writes what `run` submits, with no strong write between what `run` saw and that. It is run on
   * trial, perhaps several times, and must not wait for anything. Durable at a majority of voters
   * and on this node. throws what `run` throws, or 'NO_QUORUM': nothing has changed; 'timeout': the
   * outcome is unknown, where it says so.
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
  readonly security: RecordSecurity
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
  readonly liars: Liars
  readonly #c: StrongComponents
  readonly #log: StrongLog
  readonly #past: StrongPast
  readonly #register: Register
  readonly #stop = new AbortController()
  /** Writes, one after the other. */
  readonly #queue = new SerialQueue()
  #reading: { now: Promise<void>; next: Promise<void> | undefined } | undefined
  /** An entry of this node may be under way of which nobody was told the end. */
  #isUnsettled: boolean
  #isHurried = false
  #timer: Timer | undefined

  constructor(components: StrongComponents) {
    this.#c = components
    const { world, volume, security, sync } = components
    const log = (this.#log = new StrongLog(volume))
    const ask = (...args: Parameters<StrongComponents['ask']>): Promise<StrongReply> =>
      this.#ask(...args)
    this.liars = new Liars({ volume, log, security, ask })
    const onUnsettled = (): void => this.#hurry()
    const parts = { world, volume, log, liars: this.liars, security, onUnsettled }
    this.voter = new StrongVoter(parts)
    this.#past = new StrongPast({ world, volume, log, voter: this.voter, sync })
    this.#isUnsettled = volume.tentative.heldClaim !== undefined
    this.#register = this.#makeRegister()
  }

  #makeRegister(): Register {
    const { world, volume } = this.#c
    const { liars, voter } = this
    const self = volume.identity.peer
    return new Register({
      world,
      self,
      ask: (peer, request, signal) => this.#ask(peer, request, signal),
      account: (newest, signal) => this.#past.account(newest, signal),
      entryOf: (chosen) => this.#past.entryOf(chosen),
      office: () => this.#log.office,
      accepted: () => voter.accepted?.value.groups,
      mayPropose: () => this.#log.mayWrite(self),
      heard: (statement) => liars.heard(statement),
      isOut: (peer) => this.#whyOut(peer),
      isRight: (statement) => voter.isRight(statement),
      onDoubted: (peer, signal) => liars.compareWith(peer, signal),
      nameOf: (peer) => volume.membership.nameOf(peer),
      first: [this.#log.first],
    })
  }

  #whyOut(peer: PeerId): ShoalError | undefined {
    if (this.liars.has(peer)) return new ShoalError('malformed', 'it gave contradictory answers')
    if (this.#log.mayVote(peer)) return undefined
    return new ShoalError('not-a-member', 'it has no permission to vote any more')
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
    this.voter.introduce()
  }

  /** Settle it soon, since somebody waits who cannot. */
  #hurry(): void {
    if (this.#isHurried || this.#stop.signal.aborted) return
    this.#isHurried = true
    const { clock, random } = this.#c.world
    const done = (): unknown => (this.#isHurried = false)
    clock.timer(HURRY_MS * random.number(), () => this.#settle().then(done, done))
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await Promise.allSettled([this.#queue.idle(), this.#reading?.now])
  }

  /** False: nobody ever chose who decides. */
  get areVotersNamed(): boolean {
    return this.#log.office.number > 0
  }

  /** The voters, as far as the log here tells. */
  voters(): Voters {
    return this.#log.office.voters
  }

  /** Answer another member. throws as StrongVoter. */
  async answer(request: StrongRequest, from: PeerId): Promise<StrongReply> {
    if (request.kind !== 'proofs') return this.voter.answer(request, from)
    this.liars.learn(request.proofs)
    return { kind: 'proofs', proofs: this.liars.proofs }
  }

  async read<Result>(run: () => Result | Promise<Result>, signal: AbortSignal): Promise<Result> {
    await orAborted(this.#refresh(), signal)
    return run()
  }

  async write<Result>(run: () => Result, signal: AbortSignal): Promise<Result> {
    if (!this.#log.mayWrite(this.#c.volume.identity.peer))
      throw new ShoalError(
        'EACCES',
        'this node is not a writer of the volume and has no permission to do this',
      )
    return this.#inTurn((within) => this.#write(run, within, () => this.#log.office), signal)
  }

  /**
   * Changes the voters. A majority of the present ones and one of the new ones must answer.
   * throws as write(), 'usage' for a peer that may not vote, 'EACCES' unless this node is an admin.
   */
  async changeVoters(peers: readonly PeerId[], signal: AbortSignal): Promise<void> {
    const { volume } = this.#c
    const voters = makeVoters(peers)
    for (const peer of voters) checkMayVote(volume, peer)
    const name = (before: Voters): Office => nextOffice(this.#log.office, before, voters)
    const submit = (office: Office): unknown =>
      volume.submit({ kind: 'policy', key: VOTERS_POLICY, value: formatOffice(office) })
    // A node restored from an old copy is known by its new incarnation then.
    const taken = voters.filter((peer) => !this.voters().includes(peer))
    await this.#syncAll(taken, signal)
    await this.#inTurn(async (within) => {
      // One change at a time: those of before the last one would have to be heard as well.
      await this.#leaveOldVoters(within)
      await this.#write(submit, within, name)
      await this.#leaveOldVoters(within)
    }, signal)
  }

  async #syncAll(peers: readonly PeerId[], signal: AbortSignal): Promise<void> {
    const { world, volume, sync } = this.#c
    const others = peers.filter((peer) => peer !== volume.identity.peer)
    const within = world.clock.timeout(SYNC_MS, signal)
    await Promise.allSettled(others.map((peer) => orAborted(sync(peer), within)))
    signal.throwIfAborted()
  }

  async #leaveOldVoters(within: AbortSignal): Promise<void> {
    const change: Change = async (base) => {
      if (base?.groups.length !== 2) return undefined
      await this.#past.learn(base, within)
      const entry = this.#past.entryOf(base)
      return entry && { groups: [lastGroup(base.groups)], name: base.name, entry }
    }
    await this.#register.change([this.voters()], change, within)
  }

  /**
   * Removes a peer from the voters, if it is one. Call it while the peer is a member: its vote may
   * be needed. throws as changeVoters().
   */
  async withoutVoter(peer: PeerId, signal: AbortSignal): Promise<void> {
    const voters = this.voters()
    if (!voters.includes(peer)) return
    const others = voters.filter((voter) => voter !== peer)
    await this.changeVoters(others.length > 0 ? others : [this.#c.volume.identity.peer], signal)
  }

  /** officeAfter: who is in office then, by who decides until then. */
  async #write<Result>(
    run: (office: Office) => Result,
    within: AbortSignal,
    officeAfter: (before: Voters) => Office,
  ): Promise<Result> {
    const { volume } = this.#c
    const { tentative } = volume
    const held = tentative.hold() ? volume.commit() : undefined
    if (held !== undefined) void ignoreFailure(held, 'it is thrown where it is awaited')
    const attempts: Attempt<Result>[] = []
    let ending: Ending<Result> | undefined
    const change: Change = async (base) => {
      if (base !== undefined) await this.#past.learn(base, within)
      ending = this.#chosenOf(attempts)
      if (ending !== undefined) return undefined
      const voters = base === undefined ? this.#log.first : lastGroup(base.groups)
      const office = officeAfter(voters)
      const trial = tryRun(() => tentative.run(() => run(office)))
      if ('error' in trial || trial.entry === undefined) {
        ending = trial
        return undefined
      }
      await held
      attempts.push({ entry: trial.entry, result: trial.result })
      const groups = groupsAfter(base, this.#log.first, office)
      return { groups, name: nameOf(trial.entry), entry: encodeEntry(trial.entry) }
    }
    try {
      const newest = await this.#register.change([this.voters()], change, within)
      if (newest !== undefined) await this.#past.learn(newest, within)
      const mine = this.#chosenOf(attempts)
      // It was chosen after all that came before, an earlier run of this node included.
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
      throw new ShoalError('internal', 'a strong write ended without a result')
    if ('error' in ending) throw ending.error
    return ending.result
  }

  /** The attempt that the log here holds: one at most. */
  #chosenOf<Result>(attempts: readonly Attempt<Result>[]): Attempt<Result> | undefined {
    return attempts.find(({ entry }) => this.#c.volume.tentative.holds(nameOf(entry)))
  }

  #uncertain(cause: unknown): ShoalError {
    this.#isUnsettled = true
    return new ShoalError(
      'timeout',
      `too few voters answered: outcome unknown; check before retrying (${(cause as Error).message})`,
      { cause },
    )
  }

  async #ask(peer: PeerId, request: StrongRequest, signal: AbortSignal): Promise<StrongReply> {
    const { volume, ask, sync } = this.#c
    if (peer === volume.identity.peer) return this.answer(request, peer)
    try {
      return await ask(peer, request, signal)
    } catch (error) {
      if (!hasCode(error, 'missing-past')) throw error
      await orAborted(sync(peer), signal)
      return ask(peer, request, signal)
    }
  }

  /** Reads the register, from after the call. Calls while a read is under way share the next. */
  #refresh(): Promise<void> {
    const running = this.#reading
    if (running !== undefined) {
      const again = (): Promise<void> => this.#refresh()
      return (running.next ??= running.now.then(again, again))
    }
    const now = this.#within(async (signal) => {
      const newest = await this.#readNewest(signal)
      if (newest !== undefined) await this.#past.learn(newest, signal)
    }, this.#stop.signal).finally(() => (this.#reading = undefined))
    this.#reading = { now, next: undefined }
    return now
  }

  /** The newest value, once there is somebody who may tell what it is. */
  async #readNewest(signal: AbortSignal): Promise<Chosen | undefined> {
    for (;;) {
      const newest = await this.#register.read([this.voters()], signal)
      if (newest === undefined || this.#past.isTold(newest)) return newest
      await this.#c.world.clock.sleep(LOOK_MS, { signal })
    }
  }

  async #settle(): Promise<void> {
    const { tentative } = this.#c.volume
    this.voter.introduce()
    await this.liars.spread(this.#stop.signal)
    const isUnlearned = this.voter.unlearned !== undefined
    if (!isUnlearned && !this.#isUnsettled && !tentative.isHolding) return
    if (isUnlearned) await this.#refresh()
    await this.#inTurn(async (within) => {
      if (this.#isUnsettled) {
        // Once the newest value is accepted again, nothing of a lower ballot can become one.
        const again: Change = async (base) => {
          const entry = base && this.#past.entryOf(base)
          return entry && { groups: base.groups, name: base.name, entry }
        }
        const newest = await this.#register.change([this.voters()], again, within)
        if (newest !== undefined) await this.#past.learn(newest, within)
        this.#isUnsettled = false
      }
      tentative.release(false)
    }, this.#stop.signal)
  }

  async #inTurn<Result>(
    run: (within: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    return this.#queue.run(() => this.#within(run, signal))
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
