// Nodes of the real code (node/node.ts), each on a simulated machine, on one network and in one
// virtual time. What a scenario asks of a node that is killed meanwhile ends with 'stopped', as it
// would for a client of that node.
import { parseTierLocation } from '../protocol/cold/location.ts'
import { ShoalError } from '../protocol/errors.ts'
import { Node } from '../node/node.ts'
import { Recorder } from '../node/traces/recorder.ts'
import { HOUR_MS } from '../protocol/units.ts'
import { VirtualClock } from './clock.ts'
import { SimulatedMount } from './mount.ts'
import { SimulatedNetwork } from './network.ts'
import { ColdStores } from './object-tier.ts'
import { SimulatedProcess } from './process.ts'
import { NEVER_UNLUCKY, SeededRandom } from './random.ts'
import { Machine } from './world.ts'
import type { OnWrite } from './kv.ts'
import type { EndedSpan } from '../node/traces/recorder.ts'
import type { UnluckyRates } from './random.ts'
import type { NetworkOptions } from './network.ts'
import type { ColdStore } from './object-tier.ts'
import type { Scheduler } from './scheduler.ts'
import type { Images } from './world.ts'
import type { Clock } from '../node/world/world.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { FileSystem } from '../node/mount/file-system.ts'
import type { SecurityEvent } from '../node/observe/security.ts'
import type { CheckpointOptions } from '../node/checkpoint/checkpoint-schedule.ts'
import type { PeerId } from '../protocol/ids.ts'

const CHECKPOINTS: CheckpointOptions = { entries: 32, everyMs: HOUR_MS }
/** Bounds of what a wall clock is wrong by. */
const CLOCK_OFFSET_MS = 2000
const CLOCK_DRIFT_PPM = 100
const MOUNT_FOLDER = '/mount'
/** The name and location of the one cold tier. */
export const TIER_NAME = 'attic'
export const TIER_URL = 's3://simulated/tier'
const TIER_LOCATION = parseTierLocation(TIER_URL)

export interface ClusterOptions {
  readonly nodeCount: number
  /** The name that all nodes have in their settings; default: that of their machine. */
  readonly called?: string | undefined
  readonly network?: Partial<NetworkOptions>
  /** Default: as nodes have it. */
  readonly beaconMs?: number | undefined
  /** Default: often, so that much happens above and below a cut. */
  readonly checkpoints?: CheckpointOptions | undefined
  /** Default: NEVER_UNLUCKY, for tests of one thing. */
  readonly unlucky?: UnluckyRates | undefined
  /** Given what the nodes log. */
  readonly log?: (line: string) => void
  /** Make traces of requests, of which none is chosen, and none too slow. */
  readonly traced?: boolean
  /** Told what nodes record of their security. */
  readonly security?: (node: string, event: SecurityEvent) => void
  /** As OnWrite, of the ordered store of a node. */
  readonly onWrite?: (node: string, ...write: Parameters<OnWrite>) => void
}

export class Cluster {
  readonly scheduler: Scheduler
  readonly network: SimulatedNetwork
  /** The cold tiers that all nodes reach. */
  readonly cold: ColdStores = new ColdStores()
  /** The clock of the simulation itself: true time. */
  readonly clock: Clock
  readonly nodes: readonly ClusterNode[]
  readonly #options: ClusterOptions

  /** Machines whose nodes are not started yet. */
  constructor(scheduler: Scheduler, options: ClusterOptions) {
    this.scheduler = scheduler
    this.#options = options
    this.network = new SimulatedNetwork(scheduler, options.network)
    this.clock = new VirtualClock(new SimulatedProcess(scheduler, 'conductor'))
    this.nodes = Array.from({ length: options.nodeCount }, (_, index) => this.newNode(`n${index}`))
  }

  /** The one cold tier that there is. */
  get tier(): ColdStore {
    return this.cold.at(TIER_LOCATION)
  }

  /**
   * A machine that is none of `nodes`, and has nothing on its disk; its node is not started yet.
   */
  newNode(name: string): ClusterNode {
    const random = new SeededRandom(this.scheduler.seed, `cluster ${name}`)
    const spread = (bound: number): number => (2 * random.number() - 1) * bound
    const offsetMs = spread(CLOCK_OFFSET_MS)
    const driftPpm = spread(CLOCK_DRIFT_PPM)
    const unlucky = this.#options.unlucky ?? NEVER_UNLUCKY
    const onWrite: OnWrite = (...write) => this.#options.onWrite?.(name, ...write)
    const machine = new Machine(this, { name, offsetMs, driftPpm, unlucky, onWrite })
    return new ClusterNode(machine, this.#options)
  }

  /** Those that belong to the volume. */
  get members(): readonly ClusterNode[] {
    return this.nodes.filter((node) => node.isMember)
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }
}

type NodeSettings = Pick<
  ClusterOptions,
  'called' | 'log' | 'security' | 'beaconMs' | 'checkpoints' | 'traced'
>
export type Death = 'killed' | 'power loss'

/** One node through all its runs. */
export class ClusterNode {
  readonly machine: Machine
  /** Admitted to the volume, and not removed. */
  isMember = false
  readonly #options: NodeSettings
  #node: Node | undefined
  #mount = new SimulatedMount()
  #died = Promise.withResolvers<never>()
  #death: Death | undefined
  #toldCount = 0

  constructor(machine: Machine, options: NodeSettings = {}) {
    this.machine = machine
    this.#options = options
  }

  get name(): string {
    return this.machine.name
  }

  get peer(): PeerId {
    return this.machine.identity.peer
  }

  /** Spans that it would have told a collector, of requests that its peers made. */
  get toldCount(): number {
    return this.#toldCount
  }

  get running(): boolean {
    return this.#node !== undefined
  }

  /**
   * Start the node; after its end, on what that left of its disk, or on other images. throws
   * 'stopped' if killed.
   */
  async start(images?: Images): Promise<void> {
    if (this.#death !== undefined) await this.machine.restart(this.#death, images)
    this.#death = undefined
    this.#died = Promise.withResolvers<never>()
    this.#died.promise.catch(() => undefined) // nobody may be waiting
    const { world, kv, identity, process } = this.machine
    const mount = (this.#mount = new SimulatedMount())
    const { mounter } = mount
    const node = await this.#whileAlive(
      Node.open(
        {
          world,
          kv,
          identity,
          mounter,
          tracer: this.#options.traced === true ? this.#tracer() : undefined,
          log: (message, fields) => this.#note(message, fields),
          onSecurity: (event) => this.#options.security?.(this.name, event),
        },
        {
          name: this.#options.called ?? this.name,
          zone: undefined,
          capacityBytes: undefined,
          home: `/${this.name}`,
          version: 'simulated',
          pid: 1,
          beaconMs: this.#options.beaconMs,
          checkpoints: this.#options.checkpoints ?? CHECKPOINTS,
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

  /** Stop cleanly. The node can be started again. */
  async stop(): Promise<void> {
    const node = this.#node
    if (node === undefined) return
    this.#node = undefined
    await this.#whileAlive(node.stop())
    if (this.machine.process.alive) this.kill('killed')
  }

  /**
   * Ask something of the node. throws 'stopped' if it does not run, or is killed before it answers.
   */
  async ask<Answer>(question: (api: NodeApi) => Promise<Answer>): Promise<Answer> {
    if (this.#node === undefined) throw new ShoalError('stopped', `${this.name} does not run`)
    return await this.#whileAlive(question(this.#node.api))
  }

  /** As ask(), of the file system that it mounts. */
  async askMount<Answer>(question: (fileSystem: FileSystem) => Promise<Answer>): Promise<Answer> {
    const mount = this.#mount
    if (mount.fileSystem === undefined) await this.ask((api) => api.mount(MOUNT_FOLDER))
    const { fileSystem } = mount
    if (fileSystem === undefined) throw new ShoalError('stopped', `${this.name} has no mount`)
    return await this.ask(() => question(fileSystem))
  }

  #tracer(): Recorder {
    const { clock, random } = this.machine.world
    const take = (spans: readonly EndedSpan[]): void => {
      // What fails by a fault of the node is told.
      this.#toldCount += spans.filter(({ code }) => code !== 'internal').length
    }
    return new Recorder({ clock, random, take }, { sample: 0, slowMs: Infinity })
  }

  #whileAlive<Answer>(work: Promise<Answer>): Promise<Answer> {
    return Promise.race([work, this.#died.promise])
  }

  #note(message: string, fields: Record<string, unknown>): void {
    const line = `${this.name} log: ${message} ${JSON.stringify(fields)}`
    this.machine.process.scheduler.note(line)
    this.#options.log?.(line)
  }
}
