// A run in phases: nodes join one volume by tickets; all write; the network is cut in two and both sides
// go on, in conflict; one node crashes and returns; the network heals; once quiet, all nodes must be equal. Then as many
// nodes as may be lost are, and those that remain must still read every byte.
import { HOUR_MS } from '../protocol/units.ts'
import {
  CheckError,
  checkAcknowledged,
  checkStripes,
  checkTrees,
  quiesce,
  statusOf,
} from './checkers.ts'
import { Cluster } from './cluster.ts'
import { SeededRandom } from './random.ts'
import { Scheduler } from './scheduler.ts'
import { User, prepareTree } from './workload.ts'
import type { ClusterNode } from './cluster.ts'
import type { Tally } from './workload.ts'

/** Operations of each user in each phase. */
const OPS = { together: 15, cut: 25, healing: 10 } as const
/** A node that crashed stays down for up to this. */
const DOWN_MS = 3000
/** Nodes that started find each other within this. */
const RECONNECT_MS = 10_000
/** Virtual time after which a run is stuck. */
const RUN_LIMIT_MS: number = HOUR_MS

export interface RunOptions {
  readonly nodeCount: number
  /** Given each line of the trace. */
  readonly record?: (line: string) => void
  /** Given what the nodes log and what is done to them. */
  readonly tell?: (line: string) => void
}

export interface RunResult {
  readonly virtualMs: number
  readonly eventCount: number
  readonly opCount: number
  readonly refusedCount: number
  readonly entryCount: number
  readonly traceHash: string
}

/** Run the scenario of one seed. throws CheckError, or whatever went wrong. */
export async function runSeed(seed: string, options: RunOptions): Promise<RunResult> {
  const { record, tell = () => undefined } = options
  const scheduler = new Scheduler(seed, record === undefined ? {} : { record })
  const cluster = new Cluster(scheduler, { nodeCount: options.nodeCount, log: tell })
  const run = new Run(cluster, tell)
  const entries = await scheduler.finish(run.conduct(), RUN_LIMIT_MS)
  const { opCount, refusedCount } = run.tally
  return {
    virtualMs: scheduler.nowMs,
    eventCount: scheduler.eventCount,
    opCount,
    refusedCount,
    entryCount: entries,
    traceHash: scheduler.traceHash(),
  }
}

class Run {
  readonly tally: Tally = { opCount: 0, refusedCount: 0, acknowledged: new Map() }
  readonly #cluster: Cluster
  readonly #random: SeededRandom
  readonly #users: readonly User[]
  readonly #tell: (line: string) => void

  constructor(cluster: Cluster, tell: (line: string) => void) {
    const { clock, scheduler, nodes } = cluster
    this.#cluster = cluster
    this.#random = new SeededRandom(scheduler.seed, 'scenario')
    this.#users = nodes.map((node) => new User({ node, clock, tally: this.tally }))
    this.#tell = tell
  }

  /** All phases. returns how many entries the log has in the end. */
  async conduct(): Promise<number> {
    const { scheduler } = this.#cluster
    await this.#gather()
    await this.#everybody((user) => user.work(OPS.together))
    await this.#cutAndCrash()
    this.#say('heal')
    this.#cluster.network.heal()
    await this.#everybody((user) => user.work(OPS.healing))
    this.#say('quiesce')
    await quiesce(this.#cluster)
    this.#say('check')
    const tree = await checkTrees(this.#cluster.nodes)
    scheduler.note(`tree ${tree}`)
    await checkStripes(this.#cluster.nodes)
    await checkAcknowledged(this.#first, this.tally)
    const { entries, tolerates } = await statusOf(this.#first)
    await this.#lose(tolerates, tree)
    await this.#cluster.stop()
    return entries
  }

  /** Lose `count` nodes for good. The others start anew, so that no cache helps them to read. */
  async #lose(count: number, tree: string): Promise<void> {
    const shuffled = this.#shuffle()
    const left = shuffled.slice(count)
    this.#say(`lose ${nameAll(shuffled.slice(0, count))}`)
    for (const node of shuffled) node.kill('killed')
    await Promise.all(left.map((node) => node.start()))
    await this.#cluster.clock.sleep(RECONNECT_MS)
    const found = await checkTrees(left)
    if (found !== tree) throw new CheckError('what remained shows another tree than all did')
  }

  /** Every node becomes a member of one volume that the first one makes. */
  async #gather(): Promise<void> {
    const { nodes } = this.#cluster
    await Promise.all(nodes.map((node) => node.start()))
    const others = nodes.slice(1)
    const { ticket } = await this.#first.ask((api) => api.invite({ uses: others.length }))
    await Promise.all(others.map((node) => node.ask((api) => api.join(ticket))))
    this.#say('all have joined')
    await prepareTree(this.#first)
    await quiesce(this.#cluster)
  }

  async #cutAndCrash(): Promise<void> {
    const { nodes, clock } = this.#cluster
    const side = this.#shuffle().slice(0, 1 + this.#random.below(nodes.length - 1))
    this.#say(`cut ${nameAll(side)} from the others`)
    this.#cluster.partition(side)
    const working = this.#everybody(async (user) => {
      await user.provoke()
      await user.work(OPS.cut)
    })
    await clock.sleep(this.#random.number() * 1000)
    const crashing = this.#crash(this.#random.pick(nodes))
    await Promise.all([working, crashing])
  }

  async #crash(node: ClusterNode): Promise<void> {
    const death = this.#random.chance(0.5) ? 'killed' : 'power loss'
    this.#say(`${node.name}: ${death}`)
    node.kill(death)
    await this.#cluster.clock.sleep(this.#random.number() * DOWN_MS)
    this.#say(`${node.name} starts again`)
    await node.start()
  }

  get #first(): ClusterNode {
    const [first] = this.#cluster.nodes
    if (first === undefined) throw new RangeError('a cluster has at least one node')
    return first
  }

  /** All nodes in random order. */
  #shuffle(): readonly ClusterNode[] {
    const keyed = this.#cluster.nodes.map((node) => ({ node, key: this.#random.word() }))
    return keyed.toSorted((a, b) => a.key - b.key).map(({ node }) => node)
  }

  async #everybody(act: (user: User) => Promise<void>): Promise<void> {
    await Promise.all(this.#users.map(act))
  }

  #say(what: string): void {
    this.#cluster.scheduler.note(what)
    this.#tell(`${Math.round(this.#cluster.scheduler.nowMs)} ms: ${what}`)
  }
}

function nameAll(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ name }) => name).join(' ')
}
