// The locks of one volume that this node holds for its processes, by leases of a majority of the
// voters (protocol/locks/lock-voter.ts says why no two nodes hold conflicting locks). Invariants:
//   a lock that is held was claimed of the voters less than TRUSTED_MS ago by this node's clock
//   when a claim returns, this node has all writes made under released locks of the file: before a
//     release, a majority of the voters has this node's log; a claim gets the logs of a majority
import { mergeVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { toHex } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { LOCKS_MAX } from '../../protocol/limits.ts'
import { LEASE_MS, TRUSTED_MS } from '../../protocol/locks/claim.ts'
import type { FileLocks } from '../../protocol/locks/claim.ts'
import { includes } from '../../protocol/locks/held-locks.ts'
import type { HeldLock } from '../../protocol/locks/held-locks.ts'
import { LockVoter, isSameFile } from '../../protocol/locks/lock-voter.ts'
import type { LockHolder } from '../../protocol/locks/lock-voter.ts'
import { mayWrite } from '../../protocol/roles.ts'
import { formatVoters } from '../../protocol/strong/voters.ts'
import type { Voters } from '../../protocol/strong/voters.ts'
import type { Instant } from '../../protocol/units.ts'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'
import type { Timer, World } from '../world/world.ts'
import { askVoters } from './lock-round.ts'
import type { Round } from './lock-round.ts'
import type { StrongVolume } from './strong.ts'
import type { Volume } from '../log/volume.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

const RENEW_MS: number = LEASE_MS / 5
/** After how long voters that are silent after a start are asked again, and given up. */
const AGAIN_MS = 200
const PATIENCE_MS: number = 1.5 * LEASE_MS
/** For a majority of the voters to say who they are, and to have the log of this node. */
const READ_MS = 2000
const SPREAD_MS = 3000
/** A voter that has not answered by then counts as one that does not. */
const ASK_MS = 1500

const NOBODY: Round = { kind: 'no-quorum', answered: 0, isGrantedBySome: false }
const ANEW: Round = { ...NOBODY, kind: 'starting' }

export interface LockClaimsComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly volume: Volume
  readonly strong: Pick<StrongVolume, 'read' | 'voters'>
  /** Ask another voter of the volume. */
  readonly ask: (peer: PeerId, request: LockRequest, signal: AbortSignal) => Promise<LockReply>
  /** Exchange logs with a member. */
  readonly sync: (peer: PeerId) => Promise<void>
  /** Wait until this node holds these entries. */
  readonly waitFor: (seen: VersionVector, signal: AbortSignal) => Promise<void>
  readonly log: WriteLog
}

export class LockClaims {
  readonly #c: LockClaimsComponents
  readonly #voter: LockVoter
  readonly #stop = new AbortController()
  #session: string
  #number = 0
  /** The locks held; `#late`: of these, those that should be released and could not be yet. */
  #held: readonly FileLocks[] = []
  #late: readonly FileLocks[] = []
  #voters: Voters = []
  /** When the voters were last asked who they are, after which they granted all that is held. */
  #confirmedAt: Instant | undefined
  /** Some say that others are the voters. */
  #isDoubted = false
  readonly #silent = new Set<PeerId>()
  /** The last entry of this node that a majority of the voters has. */
  #spreadSeq = 0
  readonly #queue = new SerialQueue()
  #renewal: Timer | undefined
  #expiry: Timer | undefined
  #onLost: (lost: readonly FileLocks[]) => void = () => undefined

  constructor(components: LockClaimsComponents) {
    this.#c = components
    this.#session = this.#newSession()
    this.#voter = new LockVoter(this.#votersHere(), components.world.clock.now())
  }

  /** Tells of locks that this node does not have any more, though it did not give them up. */
  onLost(listener: (lost: readonly FileLocks[]) => void): void {
    this.#onLost = listener
  }

  async stop(): Promise<void> {
    this.#renewal?.cancel()
    this.#expiry?.cancel()
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    await this.#queue.idle()
  }

  /** All holders and their locks, as this node knows as a voter. */
  holders(): readonly LockHolder[] {
    const { strong, volume, world } = this.#c
    if (!strong.voters().includes(volume.identity.peer)) return []
    return this.#voter.holders(world.clock.now())
  }

  /** Answer a member, as a voter. */
  async answer(request: LockRequest, peer: PeerId): Promise<LockReply> {
    const { volume, world } = this.#c
    const now = world.clock.now()
    if (request.kind === 'test') {
      const { session, wanted } = request
      const [lock] = this.#voter.inTheWay(session, peer, wanted, now)?.held ?? []
      return lock === undefined ? { kind: 'free' } : { kind: 'held', lock }
    }
    const verdict = this.#voter.answer(
      request.claim,
      { peer, isReader: !this.#mayWrite(peer) },
      this.#votersHere(),
      now,
    )
    if (verdict.kind !== 'granted') return verdict
    const committed = volume.commit()
    const log = volume.actors.headVector()
    await committed
    return { kind: 'granted', log }
  }

  /** Drops locks after TRUSTED_MS, even if no timer could: the process may have been stopped. */
  expire(): void {
    if (this.#confirmedAt === undefined) return
    if (this.#c.world.clock.now() - this.#confirmedAt < TRUSTED_MS) return
    const lost = this.#held
    this.#confirmedAt = undefined
    if (lost.length === 0) return
    this.#session = this.#newSession()
    this.#held = []
    this.#late = []
    this.#c.log('locks.lost', { volume: this.#c.volume.id, files: lost.length })
    this.#onLost(lost)
  }

  /** Does this node hold this, for sure? */
  holds(locks: FileLocks): boolean {
    this.expire()
    return includes(this.#heldOf(locks)?.held ?? [], locks.held)
  }

  /**
   * Holds this of a file, no less than what it held before. returns false if another node has it.
   * isPatient: the caller tries again soon. throws 'ENOLCK', 'EACCES', the reason of `signal`.
   */
  async claim(wanted: FileLocks, isPatient: boolean, signal: AbortSignal): Promise<boolean> {
    const isExclusive = wanted.held.some(({ kind }) => kind === 'exclusive')
    if (isExclusive && !this.#mayWrite(this.#c.volume.identity.peer))
      throw new ShoalError('EACCES', 'this node may only read the volume and take shared locks')
    const { clock } = this.#c.world
    const begunAt = clock.now()
    for (;;) {
      signal.throwIfAborted()
      const before = this.#heldOf(wanted) ?? { ...wanted, held: [] }
      const round = await this.#inTurn(() => this.#take(wanted, isPatient))
      if (round.kind === 'granted') {
        await this.#catchUp(before, round.logs, signal)
        return true
      }
      if (round.kind === 'busy') return false
      if (round.kind === 'no-quorum' || clock.now() - begunAt > PATIENCE_MS)
        throw this.#noQuorum(round)
      await clock.sleep(AGAIN_MS, { signal })
    }
  }

  /** Releases all but this of a file. Voters that are not reached are told later. Never fails. */
  async giveUp(left: FileLocks): Promise<void> {
    this.#late = this.#late.filter((one) => !isSameFile(one, left))
    try {
      if (this.#heldOf(left) !== undefined) await this.#spread()
      await this.#inTurn(async () => {
        if (this.#heldOf(left) === undefined) return
        this.#held = withFile(this.#held, left)
        await this.#round(this.#held, undefined, false)
      })
    } catch (error) {
      this.#say(error)
      this.#late = [...this.#late, left]
    }
  }

  /** A conflicting lock of another node; undefined if a majority knows of none. throws 'ENOLCK'. */
  async test(wanted: FileLocks): Promise<HeldLock | undefined> {
    const request = { kind: 'test', session: this.#session, wanted } as const
    const answers = await Promise.allSettled(
      this.#c.strong.voters().map((peer) => this.#ask(peer, request)),
    )
    const known = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const free = known.filter(({ kind }) => kind === 'free').length
    if (free > answers.length / 2) return undefined
    for (const answer of known) if (answer.kind === 'held') return answer.lock
    throw new ShoalError('ENOLCK', 'too few voters of the volume are reachable')
  }

  async #take(wanted: FileLocks, isPatient: boolean): Promise<Round> {
    this.#late = this.#late.filter((one) => !isSameFile(one, wanted))
    const locks = withFile(this.#held, wanted)
    if (locks.reduce((sum, { held }) => sum + held.length, 0) > LOCKS_MAX)
      throw new ShoalError('ENOLCK', `this node has ${LOCKS_MAX} locks in the volume already`)
    const round = await this.#round(locks, wanted, isPatient)
    if (round.kind === 'granted') this.#held = locks
    // Whoever has granted it is told that it is not held after all.
    else if (round.isGrantedBySome) await this.#round(this.#held, undefined, false)
    this.#renewLater()
    return round
  }

  /** Have the voters grant this, all that this node is to hold. In turn. */
  async #round(
    locks: readonly FileLocks[],
    wanted: FileLocks | undefined,
    isPatient: boolean,
  ): Promise<Round> {
    const session = this.#session
    const now = this.#c.world.clock.now()
    const isFresh =
      this.#confirmedAt !== undefined && now - this.#confirmedAt < RENEW_MS && !this.#isDoubted
    if (!isFresh) {
      const voters = await this.#readVoters()
      this.expire()
      if (session !== this.#session) return ANEW
      if (voters === undefined) return NOBODY
      this.#voters = voters
    }
    const at = locks.findIndex((one) => wanted !== undefined && isSameFile(one, wanted))
    const round = await askVoters(
      this.#voters,
      {
        session,
        number: ++this.#number,
        voters: formatVoters(this.#voters),
        locks,
        wanted: at < 0 ? undefined : at,
        isFirst: false,
        isPatient,
      },
      {
        ask: (peer, request) => this.#ask(peer, request),
        onStale: (peer) => {
          this.#isDoubted = true
          void ignoreFailure(this.#c.sync(peer), 'gossip brings it later')
        },
        silent: this.#silent,
      },
    )
    this.expire()
    if (session !== this.#session) return ANEW // the claimed locks may be lost by now
    if (round.kind === 'granted' && !isFresh) this.#confirm(now)
    return round
  }

  /** The voters by their own account; undefined if too few answer. */
  async #readVoters(): Promise<Voters | undefined> {
    const { strong, world } = this.#c
    const signal = world.clock.timeout(READ_MS, this.#stop.signal)
    try {
      return await strong.read(() => strong.voters(), signal)
    } catch (error) {
      this.#say(error)
      return undefined
    }
  }

  #confirm(at: Instant): void {
    const { clock } = this.#c.world
    this.#confirmedAt = at
    this.#isDoubted = false
    this.#expiry?.cancel()
    // A timer may fire a moment early.
    const leftMs = at + TRUSTED_MS - clock.now()
    this.#expiry = clock.timer(leftMs + 1, () => this.expire())
  }

  #renewLater(): void {
    if (this.#renewal !== undefined || this.#stop.signal.aborted || this.#held.length === 0) return
    this.#renewal = this.#c.world.clock.timer(RENEW_MS, () => {
      void this.#renew().finally(() => {
        this.#renewal = undefined
        this.#renewLater()
      })
    })
  }

  async #renew(): Promise<void> {
    const late = this.#late
    await this.#inTurn(() => this.#round(this.#held, undefined, false)).catch((error: unknown) =>
      this.#say(error),
    )
    for (const left of late) await this.giveUp(left)
  }

  /** Replicates this node's log to a majority of the voters. throws 'NO_QUORUM', or as commit(). */
  async #spread(): Promise<void> {
    const { volume, strong, sync } = this.#c
    await volume.commit()
    const seq = volume.actors.get(volume.actor)?.seq ?? 0
    if (seq <= this.#spreadSeq) return
    const voters = strong.voters()
    const others = voters.filter((peer) => peer !== volume.identity.peer)
    const needed = Math.floor(voters.length / 2) + 1 - (voters.length - others.length)
    const done = Promise.withResolvers<void>()
    let [have, failed] = [0, 0]
    const heard = (): void => {
      if (have >= needed) done.resolve()
      else if (others.length - failed < needed)
        done.reject(new ShoalError('NO_QUORUM', 'too few voters can accept what was written'))
    }
    const late = this.#c.world.clock.timer(SPREAD_MS, () => {
      failed = others.length
      heard()
    })
    for (const peer of others) {
      sync(peer).then(
        () => (have++, heard()),
        () => (failed++, heard()),
      )
    }
    heard()
    await done.promise.finally(() => late.cancel())
    this.#spreadSeq = seq
  }

  /** Have what was written under earlier locks. If it cannot be had, the lock is of no use. */
  async #catchUp(
    before: FileLocks,
    logs: readonly VersionVector[],
    signal: AbortSignal,
  ): Promise<void> {
    const seen = logs.reduce<VersionVector>((all, log) => mergeVectors(all, log), new Map())
    try {
      await this.#c.waitFor(seen, signal)
    } catch (error) {
      await this.giveUp(before)
      signal.throwIfAborted()
      this.#say(error)
      throw new ShoalError('ENOLCK', 'changes written under this lock cannot be fetched now', {
        cause: error,
      })
    }
  }

  async #ask(peer: PeerId, request: LockRequest): Promise<LockReply> {
    const { volume, ask, world } = this.#c
    if (peer === volume.identity.peer) return this.answer(request, peer)
    return ask(peer, request, world.clock.timeout(ASK_MS, this.#stop.signal))
  }

  #heldOf(locks: FileLocks): FileLocks | undefined {
    return this.#held.find((one) => isSameFile(one, locks))
  }

  #mayWrite(peer: PeerId): boolean {
    const role = this.#c.volume.membership.roleOf(peer)
    return role !== undefined && mayWrite(role)
  }

  #votersHere(): string {
    return formatVoters(this.#c.strong.voters())
  }

  #newSession(): string {
    return toHex(this.#c.world.random.bytes(SHORT_ID_BYTES))
  }

  #noQuorum({ answered }: { readonly answered: number }): ShoalError {
    const error = new ShoalError(
      'ENOLCK',
      `the lock cannot be taken: ${answered} of ${this.#c.strong.voters().length} voters of ` +
        'the volume answered, and a majority is required',
    )
    this.#say(error)
    return error
  }

  #say(error: unknown): void {
    if (this.#stop.signal.aborted) return
    const { code, message } = asShoalError(error)
    this.#c.log('locks.failed', { volume: this.#c.volume.id, code, message })
  }

  async #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(() => {
      this.#stop.signal.throwIfAborted()
      return run()
    })
  }
}

/** The locks held after replacing those of one file. */
function withFile(all: readonly FileLocks[], locks: FileLocks): readonly FileLocks[] {
  const others = all.filter((one) => !isSameFile(one, locks))
  return locks.held.length === 0 ? others : [...others, locks]
}
