// Keeps the stripes of one volume as redundant as their class says, with nobody asking for it:
// looks what is to be done (repair-planner.ts) when members, their presence or the shard map
// change, and does it stripe by stripe, a few at a time, the most urgent group first. What fails is
// tried again after a while, also while other work goes on; nothing that is half done needs to be
// remembered.
import { asShoalError, assertNever } from '../../protocol/errors.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { UpkeepReport } from '../control/status.ts'
import { inParallel, untilAborted } from '../stripes/in-parallel.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Detector } from '../peers/detector.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import { RepairPlanner } from './repair-planner.ts'
import type { RepairPlannerOptions, RepairTask, RepairTaskKind } from './repair-planner.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import type { Budget } from '../world/budget.ts'
import { ClusterObserver } from './cluster-view.ts'
import { drainOf } from './drain.ts'
import type { Drain } from './drain.ts'
import { Job } from '../jobs/background-job.ts'
import type { Quarantine } from './quarantine.ts'
import { Rebalance } from './rebalance.ts'
import { countOutdated, Recode } from './recode.ts'
import { ShardTrimming } from './shard-trimming.ts'
import { Repair } from './shard-repair.ts'
import { ShardTransfer } from './shard-transfer.ts'
import { BackoffTable } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Stripes worked on at a time, each with all its shards in memory. */
const STRIPES_MAX = 2
/** A look even if nothing seems to have changed: free space is told by nobody. */
const EVERY_MS: number = MINUTE_MS
/** Changes come in crowds: one look for all within this time. */
const LOOK_MS: number = SECOND_MS
/** For a stripe with which something failed, before it is tried again. */
const FAILED_STRIPES: Pauses = { firstMs: 15 * SECOND_MS, longestMs: 30 * MINUTE_MS }

export interface RepairLoopParts {
  readonly store: Store
  readonly map: StripeMap
  readonly client: ShardClient
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  readonly detector: Pick<Detector, 'liveness' | 'silentMs' | 'onChange'>
  /** For all that is not urgent. */
  readonly budget: Pick<Budget, 'take'>
  readonly quarantine: Quarantine
  /** After how long a silence a peer is taken for lost. */
  readonly graceMs: () => number
  /**
   * The sealed chunk, from wherever it is. throws ShoalError 'chunk-unavailable'. Undefined where
   * there are no tiers.
   */
  readonly fetch?: (chunk: ChunkId, signal: AbortSignal) => Promise<Uint8Array>
  readonly dedupCheck: Pick<DedupCheck, 'verified' | 'noteTaken'>
  /** May a member condemn stripes? */
  readonly mayCondemn: (peer: PeerId) => boolean
  readonly log: WriteLog
}

export interface RepairLoopOptions extends RepairPlannerOptions {
  /** See EVERY_MS and LOOK_MS. */
  readonly everyMs?: number | undefined
  readonly lookMs?: number | undefined
}

interface Task extends RepairTask {
  readonly stripe: StripeId
}

export class RepairLoop {
  readonly #parts: RepairLoopParts
  readonly #clusterView: ClusterObserver
  readonly #planner: RepairPlanner
  readonly #repair: Repair
  readonly #rebalance: Rebalance
  readonly #recode: Recode
  readonly #trimming: ShardTrimming
  readonly #backoff: BackoffTable<StripeId>
  readonly #job: Job
  readonly #lookMs: number
  readonly #active = new Map<StripeId, Task>()
  readonly #subscriptions: (() => void)[] = []
  #due: readonly RepairTask[] = []
  #hasChanged = false
  /** When the first stripe that failed is to be tried again, which may be past in a pass. */
  #retryAt = Infinity
  /** The next pass does without waiting for calm what falls to this node. */
  #isHurried = false
  readonly #timer: DebounceTimer

  constructor(parts: RepairLoopParts, options: RepairLoopOptions = {}) {
    this.#parts = parts
    const { clock, random, network, log, map, budget } = parts
    const { everyMs = EVERY_MS, lookMs = LOOK_MS } = options
    this.#lookMs = lookMs
    const clusterView = (this.#clusterView = new ClusterObserver(parts))
    const transfer = new ShardTransfer(parts)
    this.#planner = new RepairPlanner(
      { map, network, clock, clusterView, mayRecode: parts.mayCondemn },
      options,
    )
    const onFalse = (stripe: StripeId): void => parts.dedupCheck.verified.refute(stripe)
    this.#repair = new Repair({ ...parts, clusterView, transfer, onFalse })
    this.#rebalance = new Rebalance({ ...parts, clusterView, transfer })
    this.#recode = new Recode({ ...parts, clusterView, transfer, budget })
    this.#trimming = new ShardTrimming({ ...parts, self: network.self })
    this.#backoff = new BackoffTable(clock, FAILED_STRIPES)
    const run = (signal: AbortSignal): Promise<void> => this.#pass(signal)
    this.#job = new Job({ clock, random, log, run, name: 'upkeep', everyMs })
    this.#timer = new DebounceTimer(clock, () => this.#job.wake())
  }

  start(): void {
    const { map, detector } = this.#parts
    this.#subscriptions.push(
      map.onChange((event) => {
        this.#trimming.changed(event)
        this.#lookSoon()
      }),
      detector.onChange(() => this.#lookSoon()),
    )
    this.#job.start()
    this.#lookSoon()
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    for (const end of this.#subscriptions) end()
    this.#timer.cancel()
    await this.#job.stop()
    this.#timer.cancel()
  }

  /** Members, their connections, or policies of the volume have changed. */
  peersChanged(): void {
    this.#planner.lookAnew()
    this.#lookSoon()
  }

  /**
   * Look now, and do all that falls to this node without waiting for calm; resolves when that is
   * done. When the signal aborts it goes on all the same.
   */
  async repairNow(signal: AbortSignal): Promise<void> {
    this.#backoff.clear()
    this.#isHurried = true
    await untilAborted(this.#job.now(), signal)
  }

  report(): UpkeepReport {
    const clusterView = this.#clusterView.take()
    const active = [...this.#active.values()].map(({ kind }) => kind)
    const repairing = active.filter((kind) => kind === 'repair').length
    const dueOf = (...kinds: readonly string[]): number =>
      this.#due.reduce((sum, { kind, group }) => sum + (kinds.includes(kind) ? group.count : 0), 0)
    return {
      repairing,
      queued: Math.max(0, dueOf('repair') - repairing),
      moving: dueOf('give', 'recode'),
      outdated: countOutdated(this.#parts.map, clusterView),
      brake: clusterView.isBraked,
      repairedBytes: this.#repair.writtenBytes,
      movedBytes: this.#rebalance.writtenBytes + this.#recode.writtenBytes,
    }
  }

  /** The remaining work of draining a peer. */
  drainOf(peer: PeerId): Drain {
    return drainOf(peer, this.#parts.map, this.#clusterView.take())
  }

  #lookSoon(): void {
    this.#hasChanged = true
    this.#timer.ringIn(this.#lookMs)
  }

  async #pass(signal: AbortSignal): Promise<void> {
    await inParallel(this.#tasks(signal), STRIPES_MAX, (task) => this.#run(task, signal))
    const releaseAt = await this.#trimming.run(signal)
    const times = [releaseAt, this.#planner.nextAt, this.#backoff.nextAt, this.#clusterView.nextAt]
    const next = Math.min(...times.map((at: Instant | undefined) => at ?? Infinity))
    if (next < Infinity && !signal.aborted)
      this.#timer.ringIn(Math.max(0, next - this.#parts.clock.now()))
  }

  /**
   * Stripe by stripe, each once; but when something has changed, what has become more urgent goes
   * first, and so does what is to be tried again. A pass may take days.
   */
  async *#tasks(signal: AbortSignal): AsyncGenerator<Task, void, undefined> {
    const isHurried = this.#isHurried
    this.#isHurried = false
    const { clock, random } = this.#parts
    const done = new Map<string, StripeId>()
    for (let isInterrupted = true; isInterrupted;) {
      isInterrupted = false
      this.#hasChanged = false
      await this.#trimming.run(signal)
      const lookedAt = clock.now()
      if (lookedAt >= this.#retryAt) forgetRepairs(done)
      if (lookedAt >= this.#retryAt) this.#retryAt = this.#backoff.nextAt ?? Infinity
      this.#due = this.#planner.due({ isHurried })
      const newsAt = Math.min(this.#retryAt, this.#clusterView.nextAt ?? Infinity)
      for (const due of this.#due) {
        for await (const task of this.#tasksOf(due, done)) {
          signal.throwIfAborted()
          yield task
          if (!isHurried && random.unlucky('repair.pass-ends-early')) return this.#lookSoon()
          const hasNews = this.#hasChanged || clock.now() >= newsAt
          isInterrupted =
            (hasNews && clock.now() >= lookedAt + this.#lookMs) ||
            random.unlucky('repair.looks-again')
          if (isInterrupted) break
        }
        if (isInterrupted) break
      }
    }
    if (done.size > 0) this.#due = this.#planner.due()
  }

  async *#tasksOf(
    { kind, group }: RepairTask,
    done: Map<string, StripeId>,
  ): AsyncGenerator<Task, void, undefined> {
    const key = keyOf(kind, group.id)
    const after = done.get(key)
    let count = 0
    for await (const stripe of this.#parts.map.stripesOf(group.id, after && { after })) {
      done.set(key, stripe)
      if (kind === 'recode' && !this.#recode.isOutdated(stripe)) continue
      count++
      if (this.#active.has(stripe) || !this.#backoff.isDue(stripe)) continue
      yield { kind, group, stripe }
    }
    if (kind === 'recode' && after === undefined && count === 0)
      this.#planner.foundUpToDate(group.id)
  }

  async #run(task: Task, signal: AbortSignal): Promise<void> {
    const { stripe, kind } = task
    this.#active.set(stripe, task)
    try {
      await this.#do(task, signal)
      if (this.#parts.random.unlucky('repair.task-twice')) await this.#do(task, signal)
      this.#backoff.succeeded(stripe)
    } catch (error) {
      signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      this.#retryAt = Math.min(this.#retryAt, this.#backoff.failed(stripe))
      this.#hasChanged = true
      this.#parts.log('repair.failed', { task: kind, stripe, code, message })
    } finally {
      this.#active.delete(stripe)
    }
  }

  async #do({ kind, stripe }: Task, signal: AbortSignal): Promise<void> {
    switch (kind) {
      case 'repair':
        return this.#repair.run(stripe, signal)
      case 'drop':
        return this.#rebalance.letGo(stripe, signal)
      case 'give':
        return this.#rebalance.giveAway(stripe, signal)
      case 'recode':
        return this.#recode.run(stripe, signal)
      default:
        return assertNever(kind)
    }
  }
}

function keyOf(kind: RepairTaskKind, group: string): string {
  return `${kind} ${group}`
}

/** Go through the stripes to be repaired again. */
function forgetRepairs(done: Map<string, StripeId>): void {
  for (const key of done.keys()) if (key.startsWith(keyOf('repair', ''))) done.delete(key)
}
