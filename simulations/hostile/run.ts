// A household of honest members and one that lies: its node runs, and what it says is tampered
// with; then whoever attacks has its keys and its log in hand, makes one attack after the other,
// and lets the node run again in between. After each attack nobody may have become more than it
// was, and in the end the honest agree, read all that was acknowledged, and write on.
import { ShoalError } from '../../protocol/errors.ts'
import { plantWeakness } from '../../protocol/trust.ts'
import { GIB, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { Volumes } from '../../node/log/volumes.ts'
import { Store } from '../../node/store/store.ts'
import { CheckError } from '../check-error.ts'
import { checkTrees, quiesce, statusOf } from '../checkers.ts'
import { Cluster } from '../cluster.ts'
import type { ClusterNode } from '../cluster.ts'
import { Contents } from '../content.ts'
import { OFTEN_UNLUCKY, SeededRandom } from '../random.ts'
import { Scheduler } from '../scheduler.ts'
import type { UnluckyCounts } from '../unlucky-tally.ts'
import type { Images } from '../world.ts'
import type { Attack, Look, Stage } from './attack.ts'
import { attackNamed } from './attacks.ts'
import { HonestUser } from './honest-user.ts'
import { Liar } from './liar.ts'
import { joinedBy } from './outsider.ts'
import type { HostilePlan } from './plan.ts'
import { tamperingBy } from './tampering.ts'

const BEACON_MS: number = 10 * SECOND_MS
const CHECKPOINTS = { entries: 48, everyMs: 5 * MINUTE_MS }
/** Nodes that started find each other within this. */
const CONNECT_MS: number = MINUTE_MS
/** In which an attack has what effect it has. */
const EFFECT_MS: number = 20 * SECOND_MS
/**
 * The node of the liar runs, tampered with, for so long before the first attack, and between two.
 */
const TAMPERED_MS: number = 5 * MINUTE_MS
const BETWEEN_MS: number = MINUTE_MS
const LIMIT_MS: number = 24 * HOUR_MS
/** The most that all attacks together may make an honest node store. */
const STORED_MAX: number = 1 * GIB

export interface HostileResult {
  readonly virtualMs: number
  readonly eventCount: number
  readonly traceHash: string
  readonly tamperedCount: number
  readonly attackCount: number
  readonly fileCount: number
  readonly unlucky: UnluckyCounts
}

export interface HostileOptions {
  readonly tell?: ((line: string) => void) | undefined
  readonly record?: ((line: string) => void) | undefined
}

/** throws CheckError, or whatever went wrong. */
export async function performHostile(
  plan: HostilePlan,
  { tell = () => undefined, record }: HostileOptions = {},
): Promise<HostileResult> {
  const scheduler = new Scheduler(plan.seed, record === undefined ? {} : { record })
  const run = new HostileRun(plan, scheduler, tell)
  const restore = plan.planted === undefined ? undefined : plantWeakness(plan.planted)
  try {
    await scheduler.finish(run.conduct(), LIMIT_MS)
  } finally {
    restore?.()
  }
  return {
    virtualMs: scheduler.nowMs,
    eventCount: scheduler.eventCount,
    traceHash: scheduler.traceHash(),
    unlucky: scheduler.luck.counts(),
    ...run.counts,
  }
}

class HostileRun {
  readonly counts = { tamperedCount: 0, attackCount: 0, fileCount: 0 }
  readonly #plan: HostilePlan
  readonly #tell: (line: string) => void
  readonly #scheduler: Scheduler
  readonly #cluster: Cluster
  readonly #random: SeededRandom
  readonly #contents: Contents
  readonly #honest: readonly ClusterNode[]
  readonly #founder: ClusterNode
  readonly #machine: ClusterNode
  readonly #users: readonly HonestUser[]
  /** The disk of a liar that restores it later. */
  #old: Images | undefined

  constructor(plan: HostilePlan, scheduler: Scheduler, tell: (line: string) => void) {
    this.#plan = plan
    this.#tell = tell
    this.#scheduler = scheduler
    const { nodeCount, seed } = plan
    const log = tell
    this.#cluster = new Cluster(scheduler, {
      nodeCount,
      beaconMs: BEACON_MS,
      checkpoints: CHECKPOINTS,
      unlucky: OFTEN_UNLUCKY,
      traced: true,
      log,
    })
    this.#random = new SeededRandom(seed, 'hostile run')
    this.#contents = new Contents(seed)
    const [founder, machine] = [this.#cluster.nodes[0], this.#cluster.nodes.at(-1)]
    if (founder === undefined || machine === undefined) throw new RangeError('nobody is there')
    this.#founder = founder
    this.#machine = machine
    this.#honest = this.#cluster.nodes.slice(0, -1)
    this.#users = this.#honest.map(
      (node) => new HonestUser(node, this.#contents, new SeededRandom(seed, `user ${node.name}`)),
    )
  }

  async conduct(): Promise<void> {
    await this.#gather()
    await this.#tamper()
    for (const name of this.#plan.attacks) {
      const attack = attackNamed(name)
      await this.#attack(attack)
      await this.#checkRights(attack.name)
    }
    await this.#end()
    await this.#cluster.stop()
  }

  async #gather(): Promise<void> {
    const { clock, nodes } = this.#cluster
    await Promise.all(nodes.map((node) => node.start()))
    const founder = this.#founder
    const others = this.#honest.slice(1)
    const { ticket } = await founder.ask((api) => api.invite({ uses: others.length }))
    for (const node of others) await joinedBy(node, ticket)
    const { role } = this.#plan
    const { id } = await statusOf(founder)
    await founder.ask((api) => api.setVolume(id, { class: this.#plan.class }))
    await joinedBy(
      this.#machine,
      (await founder.ask((api) => api.invite({ uses: 1, role }))).ticket,
    )
    for (const node of nodes) node.isMember = true
    for (const { folder } of this.#users) await founder.ask((api) => api.makeFolder(folder))
    await clock.sleep(CONNECT_MS)
    this.#say(`${this.#machine.name} is a ${this.#plan.character}`)
    await this.#live()
  }

  /** The node of the liar runs as it should, and what it says goes out as the plan has it. */
  async #tamper(): Promise<void> {
    const { clock, network, scheduler } = this.#cluster
    const random = new SeededRandom(this.#plan.seed, 'tampering')
    const tampering = tamperingBy(this.#plan.rates, random, () => this.counts.tamperedCount++)
    if (this.#plan.character === 'rewinder') this.#old = this.#machine.machine.copy({ image: true })
    network.tamperWith(this.#machine.peer, tampering)
    scheduler.note('tampering begins')
    const endMs = scheduler.nowMs + TAMPERED_MS
    while (scheduler.nowMs < endMs) {
      await this.#live()
      await this.#lie()
      await clock.sleep(MINUTE_MS)
    }
  }

  /** The actions of honest users. */
  async #live(): Promise<void> {
    await Promise.all(this.#users.map((user) => user.act()))
  }

  /** The node of the liar does something, too. What comes of it is its own affair. */
  async #lie(): Promise<void> {
    const path = `/liar-${this.#random.word()}`
    await this.#machine.ask((api) => api.makeFolder(path)).catch(() => undefined)
  }

  async #attack(attack: Attack): Promise<void> {
    const { clock, network } = this.#cluster
    this.#say(`attack: ${attack.name}`)
    await this.#machine.stop().catch(() => undefined)
    if (this.#machine.running) this.#machine.kill('killed')
    const tampering = network.tamperingOf(this.#machine.peer)
    network.tamperWith(this.#machine.peer)
    const look = await this.#withLiar(async (liar) => {
      const user = this.#random.pick(this.#users)
      const stage: Stage = {
        cluster: this.#cluster,
        honest: this.#honest,
        founder: this.#founder,
        machine: this.#machine,
        liar,
        victim: user.node,
        user,
        random: this.#random,
        wait: (ms) => clock.sleep(ms),
      }
      this.counts.attackCount++
      const attacked = refusedOr(attack.run(stage))
      await this.#live()
      const found = await attacked
      await clock.sleep(EFFECT_MS)
      return found
    })
    await look?.()
    network.tamperWith(this.#machine.peer, tampering)
    await this.#machine.start(this.#rewound())
    await clock.sleep(BETWEEN_MS)
  }

  /** A rewinder puts its disk back to what it was, half of the times. */
  #rewound(): Images | undefined {
    const isRewound = this.#old !== undefined && this.#random.chance(0.5)
    if (isRewound) this.#say('the liar puts its disk back')
    return isRewound ? this.#old : undefined
  }

  async #withLiar<Result>(run: (liar: Liar) => Promise<Result>): Promise<Result> {
    const { machine } = this.#machine
    await machine.restart('killed')
    const { world, kv, identity } = machine
    const { disk, clock, network, random } = world
    const store = await Store.open({ disk, clock, kv }, { capacityBytes: Infinity })
    const self = {
      name: this.#machine.name,
      zone: '',
      capacityBytes: (await disk.space()).totalBytes,
    }
    const volumes = await Volumes.open({ world, store, identity }, self)
    await network.start()
    for (const { peer } of this.#honest)
      await network.dial(peer, { signal: clock.timeout(CONNECT_MS) }).catch(() => undefined)
    try {
      return await run(new Liar({ identity, volumes, network, clock, random }))
    } finally {
      await network.stop()
      this.#machine.kill('killed')
    }
  }

  /** Everybody is what the founder made it. throws CheckError. */
  async #checkRights(after: string): Promise<void> {
    for (const node of this.#honest) {
      const found = await rolesAt(node)
      for (const member of this.#cluster.nodes) {
        const role = this.#roleOf(member)
        if (found.get(member.peer) === role) continue
        const what =
          `after "${after}" ${node.name} takes ${member.name} for ` +
          `${found.get(member.peer) ?? 'nobody'}, not ${role}`
        throw new CheckError('nobody gains a right', what)
      }
      if (found.size === this.#cluster.nodes.length) continue
      throw new CheckError(
        'nobody gains a right',
        `after "${after}" ${node.name} has ${found.size} members`,
      )
    }
  }

  #roleOf(node: ClusterNode): string {
    if (node === this.#machine) return this.#plan.role
    return node === this.#founder ? 'admin' : 'writer'
  }

  /** The liar is gone. */
  async #end(): Promise<void> {
    const { clock, network } = this.#cluster
    if (this.#machine.running) this.#machine.kill('killed')
    network.tamperWith(this.#machine.peer)
    this.#machine.isMember = false
    this.#say('the liar is gone')
    // What they fetched before helps nobody to read.
    for (const node of this.#honest) {
      await node.stop()
      await node.start()
    }
    await clock.sleep(CONNECT_MS)
    for (const node of this.#honest) await this.#checkFiles(node)
    await this.#checkStored()
    await this.#founder.ask((api) => api.removePeer(this.#machine.peer, { now: true }))
    await quiesce(this.#cluster, { limitMs: HOUR_MS, lookMs: 5 * SECOND_MS })
    await checkTrees(this.#honest)
    for (const user of this.#users) await user.write('placed')
    await quiesce(this.#cluster, { limitMs: HOUR_MS, lookMs: 5 * SECOND_MS })
    for (const node of this.#honest) {
      await this.#checkFiles(node)
      const { log } = await statusOf(node)
      if (log.stranded !== undefined)
        throw new CheckError('30 nodes agree in the end', `${node.name} is stranded`)
    }
    this.counts.fileCount = this.#users.reduce((sum, user) => sum + user.acknowledged.size, 0)
  }

  async #checkFiles(node: ClusterNode): Promise<void> {
    for (const { acknowledged } of this.#users) {
      for (const [path, size] of acknowledged) {
        const parts = await node
          .ask((api) => readAll(api, path))
          .catch((cause: unknown) => {
            throw new CheckError(
              '9 acknowledged writes are durable',
              `${node.name} cannot read ${path}: ${String(cause)}`,
              { cause },
            )
          })
        if (this.#contents.isContent(size, parts)) continue
        throw new CheckError('contents are true', `${node.name} reads other bytes at ${path}`)
      }
    }
  }

  async #checkStored(): Promise<void> {
    for (const { machine, name } of this.#honest) {
      const { totalBytes, freeBytes } = await machine.disk.space()
      let bytes = totalBytes - freeBytes
      for await (const [key, value] of machine.kv.readable().scan({ from: '', to: '\xff\xff' }))
        bytes += key.length + value.length
      if (bytes <= STORED_MAX) continue
      throw new CheckError('the cost of a liar is bounded', `${name} stores ${bytes} bytes`)
    }
  }

  #say(what: string): void {
    this.#scheduler.note(what)
    this.#tell(`${(this.#scheduler.nowMs / SECOND_MS).toFixed(3)} s: ${what}`)
  }
}

/**
 * An attack that is refused has ended. Anything else that goes wrong with it is a fault of the
 * attack.
 */
async function refusedOr(attack: Promise<Look | undefined>): Promise<Look | undefined> {
  try {
    return await attack
  } catch (error) {
    if (error instanceof ShoalError && error.code !== 'internal') return undefined
    throw error
  }
}

/** Roles of the members of the volume, as a node has them, by peer. */
async function rolesAt(node: ClusterNode): Promise<ReadonlyMap<string, string>> {
  const { name, role } = await statusOf(node)
  const roles = new Map<string, string>(role === undefined ? [] : [[node.peer, role]])
  for (const { id, volumes } of await node.ask((api) => api.listPeers())) {
    const its = volumes.find((volume) => volume.name === name)
    if (its !== undefined) roles.set(id, its.role)
  }
  return roles
}

async function readAll(
  api: Parameters<Parameters<ClusterNode['ask']>[0]>[0],
  path: string,
): Promise<readonly Uint8Array[]> {
  const parts: Uint8Array[] = []
  const { content } = await api.readFile(path)
  for await (const part of content) parts.push(part.slice())
  return parts
}
