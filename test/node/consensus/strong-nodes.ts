// Members of one volume on simulated machines, each with the parts that strong consistency needs:
// the volume, this node's vote, and the wire. Logs are exchanged only when a part asks for it, in
// one step.
import { ShoalError } from '../../../protocol/errors.ts'
import { decodeEntry } from '../../../protocol/log/entry.ts'
import { nameFromText, nameText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Namespace } from '../../../node/tree/namespace.ts'
import { StrongProtocol } from '../../../node/consensus/voter-protocol.ts'
import { StrongVolume } from '../../../node/consensus/strong.ts'
import { Volumes } from '../../../node/log/volumes.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { SimulatedNetwork } from '../../../simulations/network.ts'
import { Machine } from '../../../simulations/world.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import type { Volume } from '../../../node/log/volume.ts'
import type { KvWrite } from '../../../node/store/kv.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Role } from '../../../protocol/roles.ts'

export type Death = 'killed' | 'power loss'

interface Running {
  readonly volumes: Volumes
  readonly protocol: StrongProtocol
  strong: StrongVolume | undefined
}

/** One member through all its runs. */
export class StrongNode {
  readonly name: string
  readonly machine: Machine
  /** The security events reported to it. */
  readonly events: SecurityEvent[] = []
  readonly #group: StrongGroup
  #running: Running | undefined
  #death: Death | undefined

  constructor(group: StrongGroup, name: string) {
    this.name = name
    this.#group = group
    this.machine = new Machine(group, { name })
  }

  get peer(): PeerId {
    return this.machine.identity.peer
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  get #now(): Running {
    if (this.#running === undefined) throw new ShoalError('stopped', `${this.name} does not run`)
    return this.#running
  }

  get volumes(): Volumes {
    return this.#now.volumes
  }

  get volume(): Volume {
    return this.#now.volumes.find(undefined).volume
  }

  get strong(): StrongVolume {
    const { strong } = this.#now
    if (strong === undefined) throw new ShoalError('no-such-volume', `${this.name} has no volume`)
    return strong
  }

  get namespace(): Namespace {
    return new Namespace({ volume: this.volume, random: this.machine.world.random })
  }

  async start(): Promise<void> {
    if (this.#death !== undefined) await this.machine.restart(this.#death)
    this.#death = undefined
    const { world, kv, identity, process } = this.machine
    const commit = (writes: readonly KvWrite[]): Promise<void> => kv.write(writes, { sync: true })
    const self = { name: this.name, zone: '', capacityBytes: 1000 }
    const volumes = await Volumes.open({ world, store: { kv, commit }, identity }, self)
    if (!process.alive) return
    const answer = (
      ...[volume, from, request]: Parameters<
        ConstructorParameters<typeof StrongProtocol>[0]['answer']
      >
    ): ReturnType<ConstructorParameters<typeof StrongProtocol>[0]['answer']> =>
      volumes.get(volume)?.membership.member(from) && this.strong.answer(request, from)
    const protocol = new StrongProtocol({ world, answer })
    await protocol.start()
    await world.network.start()
    this.#running = { volumes, protocol, strong: undefined }
    if (volumes.all().length > 0) this.host()
  }

  /** Take up the volume that was made or joined. */
  host(): void {
    const { volume } = this
    const { world } = this.machine
    const running = this.#now
    running.strong = new StrongVolume({
      world,
      volume,
      ask: (peer, request, signal) => running.protocol.ask(volume.id, peer, request, signal),
      sync: (peer) => this.#group.exchange(this, peer),
      security: (event) => this.events.push(event),
    })
    running.strong.start()
  }

  kill(death: Death): void {
    this.machine.kill(death)
    this.#death = death
    this.#running = undefined
  }

  /** Make a folder in the root, if there is none of that name; strongly. */
  make(name: string): Promise<unknown> {
    const { namespace } = this
    return this.strong.write(
      () => namespace.makeDir(ROOT, nameFromText(name), {}),
      new AbortController().signal,
    )
  }

  /** Names in the root, read strongly. */
  list(): Promise<readonly string[]> {
    return this.strong.read(() => this.names(), new AbortController().signal)
  }

  async names(): Promise<readonly string[]> {
    const names: string[] = []
    for await (const { name } of this.namespace.list(ROOT)) names.push(nameText(name))
    return names.sort()
  }
}

/** Nodes of one volume, of which the first has made it. */
export class StrongGroup {
  readonly scheduler: Scheduler
  readonly network: SimulatedNetwork
  readonly nodes: StrongNode[] = []

  constructor(seed: number | string) {
    this.scheduler = new Scheduler(seed)
    this.network = new SimulatedNetwork(this.scheduler)
  }

  /** So many writers, all of whom vote. */
  static async of(seed: number | string, count: number): Promise<StrongGroup> {
    const group = new StrongGroup(seed)
    for (let n = 0; n < count; n++) await group.add('writer')
    const [first] = group.nodes
    if (first === undefined || count === 1) return group
    const peers = group.nodes.map(({ peer }) => peer)
    await group.finish(first.strong.changeVoters(peers, new AbortController().signal))
    return group
  }

  async add(role: Role): Promise<StrongNode> {
    const node = new StrongNode(this, `n${this.nodes.length}`)
    await this.finish(node.start())
    const [first] = this.nodes
    this.nodes.push(node)
    for (const other of this.nodes) {
      await other.machine.world.network.learn(node.peer, this.network.addressesOf(node.peer))
      await node.machine.world.network.learn(other.peer, this.network.addressesOf(other.peer))
    }
    if (first === undefined) await this.finish(node.volumes.create('main'))
    else {
      const reply = await this.finish(first.volumes.admit(first.volume.id, node.peer, role))
      await this.finish(node.volumes.adopt(reply, role))
      await this.finish(this.exchange(node, first.peer))
      await this.finish(node.volumes.describeSelf(node.volume))
      await this.finish(this.exchange(node, first.peer))
    }
    node.host()
    await this.exchangeAll()
    return node
  }

  /** Run events until `work` is done. */
  finish<Result>(work: Promise<Result>): Promise<Result> {
    return this.scheduler.finish(work, 10 * 60_000)
  }

  /** Both hold what either held durably. throws ShoalError 'unreachable'. */
  async exchange(a: StrongNode, peer: PeerId): Promise<void> {
    const b = this.nodes.find((node) => node.peer === peer)
    if (b?.running !== true || !this.network.connected(a.peer, peer))
      throw new ShoalError('unreachable', 'it cannot be reached')
    await Promise.all([a.volume.commit(), b.volume.commit()])
    if (!a.running || !b.running) throw new ShoalError('unreachable', 'it cannot be reached')
    give(a.volume, b.volume)
    give(b.volume, a.volume)
    await a.volume.commit()
  }

  async exchangeAll(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (const a of this.nodes) {
        for (const b of this.nodes)
          if (a !== b && a.running && b.running) await this.finish(this.exchange(a, b.peer))
      }
    }
  }
}

/** Entries that `to` lacks, each after its past. */
function give(from: Volume, to: Volume): void {
  const theirs = to.actors.vector()
  const missing = [...from.durableVector()].flatMap(([actor, last]) => {
    const seen = theirs.get(actor) ?? 0
    return Array.from({ length: Math.max(0, last - seen) }, (_, at) => {
      const bytes = from.entries.bytes(actor, seen + 1 + at)
      return decodeEntry(bytes ?? new Uint8Array())
    })
  })
  missing.sort((a, b) => (a.header.hlc < b.header.hlc ? -1 : 1))
  for (const entry of missing) to.receive(entry)
}
