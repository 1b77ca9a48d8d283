// The faults of the nodes of a run, and how each ends: every fault is whole by itself. A node has
// one at a time that ends or restarts it; another that comes meanwhile passes it by.
import { covers } from '../protocol/clock/vector-clock.ts'
import { utf8 } from '../protocol/bytes.ts'
import { ShoalError, hasCode } from '../protocol/errors.ts'
import { CLOCK_AHEAD_MS } from '../protocol/limits.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { readVolume } from './inspection.ts'
import { inParts } from './user.ts'
import type { Cluster, ClusterNode } from './cluster.ts'
import type { Inspector } from './inspector.ts'
import type { TierWeather } from './object-tier.ts'
import type { Oracle } from './oracle.ts'
import type { Action } from './script.ts'
import type { Images } from './world.ts'
import type { PeerId } from '../protocol/ids.ts'
import type { VersionVector } from '../protocol/clock/vector-clock.ts'

/** A node that waits for nothing, or is asked for no write, crashes after this anyway. */
const CRASH_WITHIN_MS = { now: 3 * SECOND_MS, ack: 10 * SECOND_MS } as const
/** Between two attempts to join, or to have a member removed. */
const RETRY_MS: number = MINUTE_MS
/**
 * So many members may be removed: what they held is not replaced yet, and files must stay readable.
 */
const REMOVED_MAX = 2

export type Fault = Exclude<Action, { do: 'op' | 'try' | 'duel' }>
type Of<Kind extends Fault['do']> = Extract<Fault, { do: Kind }>

export interface FaultsComponents {
  readonly cluster: Cluster
  readonly oracle: Oracle
  readonly inspector: Inspector
}

export class Faults {
  readonly #c: FaultsComponents
  /** How many cuts there are of each direction. */
  readonly #cuts = new Map<string, number>()
  /** Nodes that something ends or restarts. */
  readonly #busy = new Set<ClusterNode>()
  #removedCount = 0
  /** The tier's weather while nothing changes it, and what does. */
  #fairTier: TierWeather | undefined
  readonly #tierChanges = new Set<Partial<TierWeather>>()

  constructor(components: FaultsComponents) {
    this.#c = components
  }

  /** Let it come, and pass. */
  async inflict(fault: Fault): Promise<void> {
    const { scheduler } = this.#c.cluster
    scheduler.note(`fault ${fault.do}`)
    switch (fault.do) {
      case 'cut':
        return this.#cut(fault)
      case 'reset':
        return this.#reset(fault)
      case 'weather':
        return this.#weather(fault)
      case 'crash':
        return this.#alone(fault.node, (node) => this.#crash(node, fault))
      case 'away':
        return this.#alone(fault.node, (node) => this.#away(node, fault))
      case 'jump':
        return this.#jump(fault)
      case 'join':
        return this.#join(this.#node(fault.node))
      case 'leave':
        return this.#leave(this.#node(fault.node))
      case 'restore':
        return this.#restore(fault)
      case 'clone':
        return this.#alone(fault.node, (node) => this.#clone(node, fault))
      case 'tier':
        return this.#tierWeather(fault)
      case 'deny':
        return this.#deny(this.#node(fault.node), fault)
    }
  }

  /** Whatever else changes it meanwhile goes on to. */
  async #tierWeather({ weather, forMs }: Of<'tier'>): Promise<void> {
    const { tier } = this.#c.cluster
    const fair = (this.#fairTier ??= tier.weather)
    const change = (): void => {
      tier.weather = Object.assign({ ...fair }, ...this.#tierChanges)
    }
    this.#tierChanges.add(weather)
    change()
    await this.#sleep(forMs)
    this.#tierChanges.delete(weather)
    change()
  }

  async #deny({ name }: ClusterNode, { forMs }: Of<'deny'>): Promise<void> {
    const { denied } = this.#c.cluster.tier
    denied.add(name)
    await this.#sleep(forMs)
    denied.delete(name)
  }

  /** Make a node a member by a ticket of the founder; as often as it takes. */
  async #join(node: ClusterNode): Promise<void> {
    const [founder] = this.#c.cluster.nodes
    while (!node.isMember) {
      try {
        if (!node.running) await node.start()
        const invitation = await founder?.ask((api) => api.invite({}))
        if (invitation === undefined) return
        await node.ask((api) => api.join(invitation.ticket))
        node.isMember = true
        this.#c.cluster.scheduler.sightings.add('member came late')
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        await this.#sleep(RETRY_MS)
      }
    }
  }

  /** A removed node writes on: whoever it still reaches, none of that shows. */
  async #writeOn(node: ClusterNode): Promise<void> {
    const path = `/written by ${node.name} after all`
    this.#c.oracle.bans(path)
    try {
      await node.ask((api) => api.writeFile(path, inParts(utf8(path)), {}))
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }

  async #leave(node: ClusterNode): Promise<void> {
    const { cluster, oracle } = this.#c
    const [founder] = cluster.nodes
    if (founder === undefined || !node.isMember || this.#removedCount >= REMOVED_MAX) return
    this.#removedCount++
    // From here on it may hear at any time that it is none.
    node.isMember = false
    oracle.forgets(node.name)
    for (;;) {
      try {
        await founder.ask((api) => api.removePeer(node.peer))
        cluster.scheduler.sightings.add('member removed')
        return await this.#writeOn(node)
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        if (hasCode(error, 'no-such-peer')) return
        await this.#sleep(RETRY_MS)
      }
    }
  }

  async #cut({ from, to, oneWay, forMs }: Of<'cut'>): Promise<void> {
    const { network, scheduler } = this.#c.cluster
    scheduler.sightings.add(oneWay ? 'one-way cut' : 'two-way cut')
    const pairs = from.flatMap((a) => to.map((b) => [this.#peer(a), this.#peer(b)] as const))
    const directions = oneWay ? pairs : [...pairs, ...pairs.map(([a, b]) => [b, a] as const)]
    for (const [a, b] of directions) {
      this.#cuts.set(`${a}>${b}`, (this.#cuts.get(`${a}>${b}`) ?? 0) + 1)
      network.cut(a, b)
    }
    await this.#sleep(forMs)
    for (const [a, b] of directions) {
      const left = (this.#cuts.get(`${a}>${b}`) ?? 1) - 1
      this.#cuts.set(`${a}>${b}`, left)
      if (left === 0) network.mend(a, b)
    }
  }

  async #reset({ nodes: [a, b] }: Of<'reset'>): Promise<void> {
    this.#c.cluster.scheduler.sightings.add('connection reset')
    this.#c.cluster.network.reset(this.#peer(a), this.#peer(b))
  }

  async #weather({ network: changed, forMs }: Of<'weather'>): Promise<void> {
    const { network } = this.#c.cluster
    const fair = network.options
    network.options = { ...fair, ...changed }
    await this.#sleep(forMs)
    network.options = fair
  }

  /** As often as said; again while it starts. */
  async #crash(node: ClusterNode, fault: Of<'crash'>): Promise<void> {
    if (!node.running) return
    let started = Promise.resolve()
    for (let time = 0; time < fault.times; time++) {
      await this.#crashOnce(node, time === 0 ? fault : { ...fault, since: 'now' })
      await this.#sleep(fault.downMs)
      started = this.#start(node)
      await this.#sleep(1)
    }
    await started
  }

  /** Resolves once the node is dead. */
  async #crashOnce(node: ClusterNode, { death, since, afterEvents }: Of<'crash'>): Promise<void> {
    const { oracle, cluster } = this.#c
    const { process } = node.machine
    const dead = Promise.withResolvers<void>()
    const die = (): void => {
      if (!process.alive) return
      cluster.scheduler.sightings.add(death)
      if (!node.running) cluster.scheduler.sightings.add('crash while starting')
      if ((cluster.tier.putting.get(process) ?? 0) > 0)
        cluster.scheduler.sightings.add('crash while an object is put')
      node.kill(death)
      oracle.crashed(node.name, death, cluster.clock.now())
      dead.resolve()
    }
    process.trap(afterEvents, die, since)
    cluster.scheduler.after(CRASH_WITHIN_MS[since], `${node.name} crashes`, die)
    await dead.promise
  }

  async #away(node: ClusterNode, { forMs }: Of<'away'>): Promise<void> {
    if (!node.running) return
    await node.stop()
    if (forMs >= HOUR_MS) this.#c.cluster.scheduler.sightings.add('member away for hours')
    await this.#sleep(forMs)
    await this.#start(node)
  }

  async #jump({ node, byMs, forMs }: Of<'jump'>): Promise<void> {
    const { wallError } = this.#node(node).machine
    const { sightings } = this.#c.cluster.scheduler
    if (byMs < 0) sightings.add('clock set back')
    if (byMs > CLOCK_AHEAD_MS) sightings.add('clock beyond what others accept')
    wallError.jump(byMs)
    await this.#sleep(forMs)
    // What is still refused for its clock is looked for while the clock is wrong.
    await this.#c.inspector.look()
    wallError.jump(-byMs)
  }

  /** The disk becomes what it was: nothing is promised of what only this node had since. */
  async #restore({ node: index, image, forMs }: Of<'restore'>): Promise<void> {
    const images = this.#node(index).machine.copy({ image })
    await this.#sleep(forMs)
    await this.#alone(index, async (node) => {
      if (!node.running) return
      const { oracle, inspector, cluster } = this.#c
      await node.stop()
      const kept = [await vectorIn(images, node)]
      for (const other of cluster.members)
        if (other !== node) kept.push(await vectorIn(other.machine, other))
      oracle.rewound(node.name, ({ actor, seq }) =>
        kept.some((vector) => covers(vector, actor, seq)),
      )
      inspector.log.mayFork(node.peer)
      await this.#start(node, images)
    })
  }

  /** Keeps the images of both the node and its copy, each on its own disk. */
  async #clone(node: ClusterNode, { image, turnMs, turns }: Of<'clone'>): Promise<void> {
    if (!node.running) return
    let resting: Images = node.machine.copy({ image })
    for (let turn = 0; turn < turns; turn++) {
      await node.stop()
      const images = resting
      resting = node.machine.images
      this.#c.inspector.log.mayFork(node.peer)
      await this.#start(node, images)
      await this.#sleep(turnMs)
    }
  }

  /** Start a node, unless it is killed meanwhile. */
  async #start(node: ClusterNode, images?: Images): Promise<void> {
    try {
      await node.start(images)
    } catch (error) {
      if (!hasCode(error, 'stopped')) throw error
    }
  }

  async #alone(index: number, run: (node: ClusterNode) => Promise<void>): Promise<void> {
    const node = this.#node(index)
    if (this.#busy.has(node)) return
    this.#busy.add(node)
    try {
      await run(node)
    } finally {
      this.#busy.delete(node)
    }
  }

  #node(index: number): ClusterNode {
    const node = this.#c.cluster.nodes[index]
    if (node === undefined) throw new RangeError(`there is no node ${index}`)
    return node
  }

  #peer(index: number): PeerId {
    return this.#node(index).peer
  }

  #sleep(forMs: number): Promise<void> {
    return this.#c.cluster.clock.sleep(forMs)
  }
}

/** The version vector of the log in a store. */
async function vectorIn(
  { kv }: Pick<Images, 'kv'>,
  { machine: { identity } }: ClusterNode,
): Promise<VersionVector> {
  return (await readVolume(kv, identity))?.replica.actors.vector() ?? new Map()
}
