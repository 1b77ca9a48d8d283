// Performs a script: members gather, every step comes in its time; then all faults end, the nodes
// are left alone, and what must be so is checked (inspector.ts while it goes on, checkers.ts and
// oracle.ts in the end).
import { hasCode } from '../protocol/errors.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { CheckError } from './check-error.ts'
import { chooseDuel } from './choice.ts'
import {
  checkContents,
  checkCuts,
  checkStripes,
  checkTrees,
  quiesce,
  statusOf,
} from './checkers.ts'
import { Cluster } from './cluster.ts'
import { TierRun } from './cold/tier-run.ts'
import { Contents } from './content.ts'
import { Faults } from './faults.ts'
import { readVolume } from './inspection.ts'
import { Inspector } from './inspector.ts'
import { LogWatch } from './log-watch.ts'
import { FAIR_NETWORK } from './network.ts'
import { Oracle } from './oracle.ts'
import { checkPast } from './past-check.ts'
import { OFTEN_UNLUCKY, SeededRandom } from './random.ts'
import { checkReplay } from './replay.ts'
import { Attestations } from '../node/replica/attestations.ts'
import { volumeIdOf } from '../protocol/membership/genesis.ts'
import { Scheduler } from './scheduler.ts'
import { describeAction } from './script.ts'
import { MadeSnapshots } from './snapshot-check.ts'
import { StrongHistory } from './strong-calls.ts'
import { contentsButClones } from './shown.ts'
import { User } from './user.ts'
import type { ClusterNode } from './cluster.ts'
import type { Action, Script, Step, UserOp } from './script.ts'
import type { Sighting } from './sightings.ts'
import type { UnluckyRates } from './random.ts'
import type { UnluckyCounts } from './unlucky-tally.ts'
import type { Tally } from './user.ts'

/** How often stores are looked into. */
const LOOKS = 12
/**
 * Periods of the beacon after which nodes that are left alone have found each other and are equal.
 */
const QUIET_BEACONS = 24
/** Nodes that started find each other within this. */
const RECONNECT_MS: number = 2 * MINUTE_MS
/**
 * People add machines by and by: of many nodes, so many join at a time, and the next after that.
 */
const JOINERS_AT_ONCE = 16
const JOIN_PAUSE_MS: number = 20 * SECOND_MS
/** Virtual time that a run may take beside its duration. */
const RUN_LIMIT_MS: number = 24 * HOUR_MS
/** With a cold tier that archives. */
const COLD_LIMIT_MS: number = 360 * HOUR_MS

export interface PerformOptions {
  /** Given each line of the trace. */
  readonly record?: ((line: string) => void) | undefined
  /** Given what the nodes log and what is done to them. */
  readonly tell?: ((line: string) => void) | undefined
  /** Default: OFTEN_UNLUCKY. */
  readonly unlucky?: UnluckyRates | undefined
  /** Given each step as it was decided. */
  readonly decided?: ((step: Step) => void) | undefined
}

export interface RunResult {
  readonly virtualMs: number
  readonly eventCount: number
  readonly opCount: number
  readonly refusedCount: number
  readonly entryCount: number
  readonly traceHash: string
  readonly sightings: Readonly<Partial<Record<Sighting, number>>>
  readonly unlucky: UnluckyCounts
}

/** throws CheckError, or whatever went wrong. */
export async function perform(script: Script, options: PerformOptions = {}): Promise<RunResult> {
  const { record } = options
  const scheduler = new Scheduler(script.seed, record === undefined ? {} : { record })
  const run = new Run(script, scheduler, options)
  const limitMs = script.cold === undefined ? RUN_LIMIT_MS : COLD_LIMIT_MS
  await scheduler.finish(run.conduct(), script.durationMs + limitMs)
  const { opCount, refusedCount } = run.tally
  scheduler.sightings.add('op refused', refusedCount)
  return {
    virtualMs: scheduler.nowMs,
    eventCount: scheduler.eventCount,
    opCount,
    refusedCount,
    entryCount: run.entryCount,
    traceHash: scheduler.traceHash(),
    sightings: scheduler.sightings.counts(),
    unlucky: scheduler.luck.counts(),
  }
}

class Run {
  readonly tally: Tally = { opCount: 0, refusedCount: 0 }
  readonly #script: Script
  readonly #options: PerformOptions
  readonly #scheduler: Scheduler
  readonly #cluster: Cluster
  readonly #contents: Contents
  readonly #oracle = new Oracle()
  readonly #history: StrongHistory
  readonly #snapshots = new MadeSnapshots()
  readonly #inspector: Inspector
  readonly #faults: Faults
  readonly #tier: TierRun | undefined
  readonly #users: readonly User[]
  readonly #random: SeededRandom
  /** Steps under way. */
  readonly #tasks: Promise<void>[] = []
  readonly #failure = Promise.withResolvers<never>()

  constructor(script: Script, scheduler: Scheduler, options: PerformOptions) {
    this.#script = script
    this.#options = options
    this.#scheduler = scheduler
    const { network, beaconMs, checkpoints } = script
    const joiners = script.steps.filter((step) => step.do === 'join').map(({ node }) => node + 1)
    const nodeCount = Math.max(script.nodeCount, ...joiners)
    const log = options.tell ?? ((): void => undefined)
    const watch = new LogWatch()
    this.#cluster = new Cluster(scheduler, {
      nodeCount,
      network,
      beaconMs,
      checkpoints,
      unlucky: options.unlucky ?? OFTEN_UNLUCKY,
      log,
      security: (node, { kind, message }) => {
        if (kind !== 'backup-lost' && kind !== 'backup-false') return
        const invariant = 'nobody is falsely accused'
        this.#failure.reject(new CheckError(invariant, `${node}: ${message}`))
      },
      onWrite: (node, ...write) => {
        watch.written(node, write[0])
        this.#tier?.watch.written(node, ...write)
      },
    })
    const fail = this.#failure.reject
    if (script.cold !== undefined)
      this.#tier = new TierRun(this.#cluster, { setting: script.cold, fail })
    this.#contents = new Contents(script.seed)
    this.#inspector = new Inspector(this.#cluster, watch)
    const nowMs = (): number => scheduler.nowMs
    this.#history = new StrongHistory({ contents: this.#contents, nowMs })
    const parts = {
      oracle: this.#oracle,
      contents: this.#contents,
      log: watch,
      history: this.#history,
      snapshots: this.#snapshots,
    }
    const { clock } = this.#cluster
    this.#faults = new Faults({
      cluster: this.#cluster,
      oracle: this.#oracle,
      inspector: this.#inspector,
    })
    this.#users = this.#cluster.nodes.map(
      (node, _, nodes) => new User({ ...parts, node, nodes, clock, tally: this.tally }),
    )
    this.#random = new SeededRandom(script.seed, 'run')
    this.#failure.promise.catch(() => undefined)
  }

  get entryCount(): number {
    return this.#inspector.log.entryCount
  }

  async conduct(): Promise<void> {
    await this.#gather()
    await Promise.race([this.#act(), this.#failure.promise])
    await Promise.race([this.#end(), this.#failure.promise])
    await this.#cluster.stop()
  }

  async #end(): Promise<void> {
    await this.#calm()
    await this.#judge()
  }

  /** The founder makes a volume, and the others join it. */
  async #gather(): Promise<void> {
    const { nodes, clock } = this.#cluster
    const first = nodes.slice(0, this.#script.nodeCount)
    await Promise.all(first.map((node) => node.start()))
    const [founder, ...others] = first
    if (founder === undefined) throw new RangeError('a cluster has at least one node')
    const uses = Math.max(1, others.length)
    const role = this.#tier === undefined ? this.#script.role : 'admin'
    const { ticket, volume } = await founder.ask((api) => api.invite({ uses, role }))
    founder.isMember = true
    for (let joined = 0; joined < others.length; joined += JOINERS_AT_ONCE) {
      const wave = others.slice(joined, joined + JOINERS_AT_ONCE)
      await Promise.all(wave.map((node) => this.#admit(node, ticket)))
      if (joined + wave.length < others.length) await clock.sleep(JOIN_PAUSE_MS)
    }
    for (const path of ['/own', '/docs', '/music', '/strong'])
      await founder.ask((api) => api.makeFolder(path))
    await clock.sleep(RECONNECT_MS)
    await this.#tier?.begin(founder)
    await founder.ask((api) => api.setVolume(volume, this.#script.settings))
    this.#say('all have joined')
  }

  /**
   * In bad weather the answer may not come in time; asking again with the same ticket is all a user
   * has to do.
   */
  async #admit(node: ClusterNode, ticket: string): Promise<void> {
    while (!node.isMember) {
      try {
        await node.ask((api) => api.join(ticket))
        node.isMember = true
      } catch (error) {
        if (!hasCode(error, 'timeout') && !hasCode(error, 'unreachable')) throw error
      }
    }
  }

  /** Every step in its time, to the end of the last. */
  async #act(): Promise<void> {
    const { steps, durationMs } = this.#script
    const startMs = this.#scheduler.nowMs
    const until = async (atMs: number): Promise<void> => {
      const restMs = startMs + atMs - this.#scheduler.nowMs
      if (restMs > 0) await this.#cluster.clock.sleep(restMs)
    }
    let lookMs = 0
    for (const step of steps) {
      for (; lookMs < step.atMs; lookMs += durationMs / LOOKS) {
        await until(lookMs)
        await this.#inspector.look()
      }
      await until(step.atMs)
      this.#begin(step)
    }
    await until(durationMs)
    await Promise.all(this.#tasks)
  }

  /** A step goes on beside the others; its failure ends the run. */
  #begin({ atMs, ...action }: Step): void {
    this.#say(describeAction(action))
    const decided = (node: number, op: UserOp): void =>
      this.#options.decided?.({ atMs, do: 'op', node, op })
    const task = this.#take(action, decided)
    task.catch((error: unknown) => this.#failure.reject(error))
    this.#tasks.push(task)
    if (action.do !== 'try' && action.do !== 'op' && action.do !== 'duel')
      this.#options.decided?.({ atMs, ...action })
  }

  async #take(action: Action, decided: (node: number, op: UserOp) => void): Promise<void> {
    switch (action.do) {
      case 'op':
      case 'try':
        return this.#users[action.node]?.act(action, (op) => decided(action.node, op))
      case 'duel':
        return this.#duel(action, decided)
      default:
        return this.#faults.inflict(action)
    }
  }

  async #duel(
    { nodes, kind, draw }: Extract<Action, { do: 'duel' }>,
    decided: (node: number, op: UserOp) => void,
  ): Promise<void> {
    const able = nodes.filter((index) => {
      const node = this.#cluster.nodes[index]
      return node?.running === true && node.isMember
    })
    const [first] = able.map((index) => this.#cluster.nodes[index])
    if (first === undefined) return
    const random = new SeededRandom(this.#script.seed, `duel ${draw}`)
    const contents = this.#contents
    const nodeCount = this.#cluster.nodes.length
    const ops = await first.ask((api) =>
      chooseDuel(kind, able.length, { api, random, contents, nodeCount }).catch(() => []),
    )
    await Promise.all(
      able.map(async (node, index) => {
        const op = ops[index]
        if (op !== undefined)
          await this.#users[node]?.act({ do: 'op', node, op }, (done) => decided(node, done))
      }),
    )
  }

  /** No more faults: everything is up, and the network a good one. */
  async #calm(): Promise<void> {
    const { network, members, clock } = this.#cluster
    network.heal()
    network.options = FAIR_NETWORK
    this.#tier?.calm()
    for (const node of members) if (!node.running) await node.start()
    this.#say('quiesce')
    const { beaconMs } = this.#script
    const readTimeouts = { limitMs: QUIET_BEACONS * beaconMs + HOUR_MS, lookMs: beaconMs / 5 }
    const limitMs = readTimeouts.limitMs + this.#aheadMs()
    await quiesce(this.#cluster, { ...readTimeouts, limitMs })
    const [founder] = members
    if (this.#tier !== undefined && founder !== undefined) {
      await this.#tier.settle(founder)
      await quiesce(this.#cluster, { ...readTimeouts, limitMs })
    }
    await clock.sleep(SECOND_MS)
  }

  /** How far ahead entries may be that others have not taken yet. */
  #aheadMs(): number {
    return Math.max(0, ...this.#script.steps.map((step) => (step.do === 'jump' ? step.byMs : 0)))
  }

  async #judge(): Promise<void> {
    const { members, clock } = this.#cluster
    this.#say('check')
    const tree = await checkTrees(members)
    this.#scheduler.note(`tree ${tree}`)
    this.#history.check()
    await checkCuts(members)
    const { lines, xattrs } = (await this.#inspector.look()) ?? { lines: [], xattrs: [] }
    const reader = this.#random.pick(members)
    this.#oracle.judge(await reader.ask(contentsButClones))
    if (this.#snapshots.clones.count === 0) this.#oracle.judgeXattrs(xattrs)
    await this.#replay(lines)
    const isReadable = (size: number): boolean => this.#oracle.isReadable(size)
    await checkContents(reader, this.#contents, isReadable, clock)
    const keepsPast = this.#script.settings['versions'] !== 'off'
    for (const node of keepsPast ? members : [])
      await checkPast(node, this.#contents, isReadable, { clock, random: this.#random })
    await this.#snapshots.check(members, this.#contents, { clock, isReadable })
    if (this.#tier !== undefined) return this.#tier.rebuild(tree, this.#contents)
    if (!this.#script.loses || this.#cluster.nodes.some((node) => !node.isMember)) return
    await checkStripes(members)
    await this.#lose(tree)
  }

  async #replay(lines: readonly string[]): Promise<void> {
    const [founder] = this.#cluster.nodes
    if (founder === undefined) return
    const { kv, identity } = founder.machine
    const volume = await readVolume(kv, identity)
    if (volume === undefined) return
    const { genesis, view } = volume
    const entries = this.#inspector.log.inRandomOrder(this.#random, volume)
    const attestations = (await Attestations.open(view, volumeIdOf(genesis))).all()
    await checkReplay({ genesis, identity, entries, attestations }, this.#random, lines)
  }

  /**
   * Lose as many nodes as may be, for good. The others start anew, so that no cache helps them to
   * read.
   */
  async #lose(tree: string): Promise<void> {
    const { members, clock } = this.#cluster
    const [founder] = members
    if (founder === undefined) return
    const { tolerates } = await statusOf(founder)
    const shuffled = members
      .map((node) => ({ node, key: this.#random.word() }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ node }) => node)
    const left = shuffled.slice(tolerates)
    this.#say(`lose ${nameAll(shuffled.slice(0, tolerates))}`)
    for (const node of shuffled) node.kill('killed')
    await Promise.all(left.map((node) => node.start()))
    await clock.sleep(RECONNECT_MS)
    const found = await checkTrees(left)
    const invariant = '11 tolerated losses lose nothing'
    if (found !== tree) throw new CheckError(invariant, 'the remaining nodes show another tree')
    const [reader] = left
    if (reader !== undefined) await checkContents(reader, this.#contents, () => true, clock)
    this.#scheduler.sightings.add('loss survived', tolerates)
  }

  #say(what: string): void {
    this.#scheduler.note(what)
    this.#options.tell?.(`${(this.#scheduler.nowMs / SECOND_MS).toFixed(3)} s: ${what}`)
  }
}

function nameAll(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ name }) => name).join(' ')
}
