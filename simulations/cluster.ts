// Nodes of the real code (node/node.ts), each on a simulated machine, on one network and in one virtual time. What a
// scenario asks of a node that is killed meanwhile ends with 'stopped', as it would for a client of that node.
import { ShoalError } from '../protocol/errors.ts'
import { Node } from '../node/node.ts'
import { VirtualClock } from './clock.ts'
import { SimulatedNetwork } from './network.ts'
import { SimulatedProcess } from './process.ts'
import { OFTEN_UNLUCKY, SeededRandom } from './random.ts'
import { Machine } from './world.ts'
import type { Scheduler } from './scheduler.ts'
import type { Clock } from '../node/world/world.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { PeerId } from '../protocol/ids.ts'

/** Bounds of what a wall clock is wrong by. */
const CLOCK_OFFSET_MS = 2000
const CLOCK_DRIFT_PPM = 100

export interface ClusterOptions {
  readonly nodeCount: number
  /** Given what the nodes log. */
  readonly log?: (line: string) => void
}

export class Cluster {
  readonly scheduler: Scheduler
  readonly network: SimulatedNetwork
  /** Of whoever conducts the run: true time. */
  readonly clock: Clock
  readonly nodes: readonly ClusterNode[]

  /** Machines whose nodes are not started yet. */
  constructor(scheduler: Scheduler, options: ClusterOptions) {
    this.scheduler = scheduler
    this.network = new SimulatedNetwork(scheduler)
    this.clock = new VirtualClock(new SimulatedProcess(scheduler, 'conductor'))
    const random = new SeededRandom(scheduler.seed, 'cluster')
    const spread = (bound: number): number => (2 * random.number() - 1) * bound
    this.nodes = Array.from({ length: options.nodeCount }, (_, index) => {
      const offsetMs = spread(CLOCK_OFFSET_MS)
      const driftPpm = spread(CLOCK_DRIFT_PPM)
      const unlucky = OFTEN_UNLUCKY
      const machine = new Machine(this, { name: `n${index}`, offsetMs, driftPpm, unlucky })
      return new ClusterNode(machine, options.log)
    })
  }

  /** Cut the network between these nodes and all others. */
  partition(side: readonly ClusterNode[]): void {
    const others = this.nodes.filter((node) => !side.includes(node))
    this.network.partition(side.map(peerOf), others.map(peerOf))
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }
}

type Death = 'killed' | 'power loss'

/** One node through all its runs. */
export class ClusterNode {
  readonly machine: Machine
  readonly #log: (line: string) => void
  #node: Node | undefined
  #died = Promise.withResolvers<never>()
  #death: Death | undefined

  constructor(machine: Machine, log: (line: string) => void = () => undefined) {
    this.machine = machine
    this.#log = log
  }

  get name(): string {
    return this.machine.name
  }

  get running(): boolean {
    return this.#node !== undefined
  }

  /** Start the node; after a kill, on what that left of its disk. */
  async start(): Promise<void> {
    if (this.#death !== undefined) await this.machine.restart(this.#death)
    this.#death = undefined
    this.#died = Promise.withResolvers<never>()
    this.#died.promise.catch(() => undefined) // nobody may be waiting
    const { world, kv, identity, process } = this.machine
    const node = await this.#whileAlive(
      Node.open(
        { world, kv, identity, log: (message, fields) => this.#note(message, fields) },
        {
          name: this.name,
          zone: undefined,
          capacityBytes: undefined,
          home: `/${this.name}`,
          version: 'simulated',
          pid: 1,
        },
      ),
    )
    await this.#whileAlive(node.start())
    if (process.alive) this.#node = node
  }

  kill(death: Death): void {
    this.machine.kill(death)
    this.#death = death
    this.#node = undefined
    this.#died.reject(new ShoalError('stopped', `${this.name}: ${death}`))
  }

  async stop(): Promise<void> {
    const node = this.#node
    this.#node = undefined
    await node?.stop()
  }

  /** Ask something of the node. throws 'stopped' if it does not run, or is killed before it answers. */
  async ask<Answer>(question: (api: NodeApi) => Promise<Answer>): Promise<Answer> {
    if (this.#node === undefined) throw new ShoalError('stopped', `${this.name} does not run`)
    return await this.#whileAlive(question(this.#node))
  }

  #whileAlive<Answer>(work: Promise<Answer>): Promise<Answer> {
    return Promise.race([work, this.#died.promise])
  }

  #note(message: string, fields: Record<string, unknown>): void {
    const line = `${this.name} log: ${message} ${JSON.stringify(fields)}`
    this.machine.process.scheduler.note(line)
    this.#log(line)
  }
}

function peerOf(node: ClusterNode): PeerId {
  return node.machine.identity.peer
}
