// Garbage collection of a simulated node: the real collector, told which chunks live by the files of the map's log in
// place of a survey, and what is stable by all logs in place of members' claims. The least member that runs collects.
import { Collector } from '../../node/upkeep/collect.ts'
import { LiveChunks } from '../../node/upkeep/survey.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Volume } from '../../node/namespace/volume.ts'
import type { MapReplica } from './map-replica.ts'
import type { Host } from './host.ts'
import type { Swarm } from './swarm.ts'

export class Collection {
  readonly #host: Host
  readonly #swarm: Swarm
  readonly #collector: Collector

  constructor(host: Host, swarm: Swarm, map: MapReplica) {
    this.#host = host
    this.#swarm = swarm
    const condemnedAt = (id: StripeId): Hlc | undefined => {
      const stamp = host.table.condemnedAt(id)
      return stamp === undefined ? undefined : (BigInt(stamp) as Hlc)
    }
    this.#collector = new Collector({
      // All of a volume that collection by what was found needs.
      volume: { stripes: { condemnedAt } } as unknown as Volume,
      map,
      touched: { has: () => false },
      livenessOf: () => 'online',
      packAnew: { place: () => Promise.reject(new ShoalError('not-placed', 'small stripes stay')) },
      clock: host.machine.world.clock,
      log: () => undefined,
    })
  }

  /** If it is this node's turn: settle what was condemned, and condemn what no file needs. */
  async run(signal: AbortSignal): Promise<void> {
    const { table, peer } = this.#host
    const isFirst = this.#swarm.members().every((other) => other.peer >= peer)
    if (!isFirst || table.member(peer) === undefined) return
    const stable = BigInt(this.#swarm.stableStamp(this.#host)) as Hlc
    const chunks = table.liveChunks()
    const live = new LiveChunks(chunks.length)
    for (const chunk of chunks) live.add(chunk, undefined)
    await this.#collector.settle(live, stable, signal)
    await this.#collector.condemn(live, { bytesMax: Infinity }, signal)
  }
}
