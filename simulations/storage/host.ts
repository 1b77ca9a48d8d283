// One machine of a simulated swarm that stores. What outlives the runs of its node: the disk, the
// ordered store, and what it knows of the shard map.
import { segmentPath } from '../../node/store/segment-files.ts'
import { SHARD_PREFIX, decodePointers, shardKey } from '../../node/store/keys.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { SIMULATION_START } from '../clock.ts'
import { signReceipts } from '../../protocol/stripe/receipt.ts'
import { Machine } from '../world.ts'
import { MapLog } from './map-log.ts'
import { MapTable } from './map-table.ts'
import { StorageNode } from './storage-node.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { Receipt, ShardName } from '../../protocol/stripe/receipt.ts'
import type { MapOp } from './map-log.ts'
import type { Lie } from './plan.ts'
import type { Swarm } from './swarm.ts'

type Death = 'killed' | 'power loss'

/** A machine that drops what it was given does so after this. */
const DROP_MS: number = 5 * MINUTE_MS

export class Host {
  readonly name: string
  readonly zone: string
  readonly ordinal: number
  readonly machine: Machine
  readonly log: MapLog = new MapLog()
  readonly table: MapTable = new MapTable()
  /** Undefined while none runs. */
  node: StorageNode | undefined
  /** Gone for good. */
  isLost = false
  lie: Lie | undefined
  /** When it was last switched off or cut off. */
  leftAtMs: number = -Infinity
  readonly #swarm: Swarm
  #death: Death | undefined
  #slowness = 1

  constructor(swarm: Swarm, { ordinal, zone }: { ordinal: number; zone: string }) {
    this.#swarm = swarm
    this.ordinal = ordinal
    this.name = `n${ordinal}`
    this.zone = zone
    const onWrite = (batch: readonly KvWrite[]): void => this.#written(batch)
    const { unlucky } = swarm
    this.machine = new Machine(swarm, { name: this.name, unlucky, onWrite })
  }

  get peer(): PeerId {
    return this.machine.identity.peer
  }

  /** No node runs, and none is on its way. */
  get isOff(): boolean {
    return this.#death !== undefined && !this.isLost
  }

  /** Every call to its disk takes this many times as long. */
  set slowness(factor: number) {
    this.#slowness = factor
    this.machine.disk.slowness = factor
  }

  /**
   * Boot it, after its end on what that left on disk. Does not resolve if it is killed meanwhile.
   */
  async start(): Promise<void> {
    const death = this.#death
    this.#death = undefined
    if (death !== undefined) {
      await this.machine.restart(death)
      if (death === 'power loss') await this.#swarm.truth.recovered(this.peer, this.machine.kv)
    }
    this.slowness = this.#slowness
    const node = await StorageNode.open(this, this.#swarm)
    this.node = node
    await node.start()
    this.#swarm.started(this)
  }

  kill(death: Death): void {
    this.node = undefined
    if (!this.machine.process.alive) return
    this.machine.kill(death)
    this.#death = death
    this.leave()
  }

  /** Nobody, or not everybody, reaches it from now on. */
  leave(): void {
    this.leftAtMs = this.#swarm.scheduler.nowMs
    this.#swarm.repairTimes.left()
  }

  /** Its disk fails: it never comes back. */
  lose(): void {
    this.isLost = true
    this.kill('power loss')
    this.#swarm.truth.died(this.peer)
  }

  /**
   * From now on it keeps nothing whole. Its node neither looks after its own disk nor after
   * anything else.
   */
  beginToLie(how: Lie): void {
    this.lie = how
    this.node?.neglect()
    this.#swarm.truth.lies(this.peer)
    this.#betray()
  }

  /** Damage a shard that it has, in a bit of chance. */
  rot(stripe: StripeId, index: number): void {
    const value = this.machine.kv.get(shardKey(stripe))
    const pointer = decodePointers(value ?? new Uint8Array(0)).find((each) => each.index === index)
    if (pointer === undefined) return
    const { address, prefixBytes } = pointer
    const offset = address.offset + prefixBytes
    const at = offset + this.#swarm.random.below(address.length - prefixBytes)
    this.machine.disk.rot(segmentPath(address.segment), at)
    this.#swarm.truth.damage(this.peer, stripe, index)
  }

  /** Sign for shards that are durable here, by the clock of the log. */
  sign(volume: VolumeId, shards: readonly ShardName[]): readonly Receipt[] {
    const stamp = this.log.stampAt(this.#swarm.scheduler.nowMs)
    const hlc = ((BigInt(SIMULATION_START) << 16n) + BigInt(stamp)) as Hlc
    return signReceipts(this.machine.identity, { volume, hlc }, shards)
  }

  /** Log an entry of this machine's node and apply it here. */
  append(op: MapOp): ReturnType<MapTable['apply']> {
    const entry = this.log.append(this.peer, this.ordinal, op, this.#swarm.scheduler.nowMs)
    this.#swarm.appended(this, entry)
    const events = this.table.apply(entry)
    if (op.kind === 'member' || op.kind === 'remove') this.node?.map.membersChanged()
    return events
  }

  /** Take over what another knows of the map. */
  pull(source: Host): void {
    this.node?.detector.heard(source.peer)
    for (const entry of this.log.pull(source.log)) {
      const events = this.table.apply(entry)
      if (entry.op.kind === 'member' || entry.op.kind === 'remove') this.node?.map.membersChanged()
      this.node?.map.tell(events)
    }
  }

  #written(batch: readonly KvWrite[]): void {
    this.#swarm.truth.written(this.peer, batch)
    if (this.lie === undefined || !batch.some(({ key }) => key.startsWith(SHARD_PREFIX))) return
    this.machine.process.after(DROP_MS, 'betrays', () => this.#betray())
  }

  #betray(): void {
    const { truth } = this.#swarm
    for (const [stripe, index] of truth.shardsOf(this.peer)) {
      if (this.lie === 'drop') this.node?.drop(stripe, index)
      else this.rot(stripe, index)
    }
  }
}
