// Garbage collection of a simulated node: the real collector, told which chunks live by the files
// of the map's log in place of a survey, and what is stable by all logs in place of members'
// claims. The least member that runs collects; all see what becomes of what is swept.
import { Collector } from '../../node/gc/collect.ts'
import { LiveChunks } from '../../node/gc/mark.ts'
import { SweptStripes } from '../../node/gc/swept-stripes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { SIMULATION_START } from '../clock.ts'
import { STAMPS_PER_MS } from './map-log.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { DedupCheck } from '../../node/stripes/dedup-check.ts'
import type { Volume } from '../../node/log/volume.ts'
import type { Store } from '../../node/store/store.ts'
import type { MapReplica } from './map-replica.ts'
import type { Host } from './host.ts'
import type { Swarm } from './swarm.ts'

const TRASH_MS: number = DAY_MS

export interface CollectionParts {
  readonly host: Host
  readonly swarm: Swarm
  readonly map: MapReplica
  readonly store: Store
  readonly dedupCheck: DedupCheck
}

export class Collection {
  readonly #host: Host
  readonly #swarm: Swarm
  readonly #collector: Collector
  readonly #sweeps: SweptStripes

  constructor({ host, swarm, map, store, dedupCheck }: CollectionParts) {
    this.#host = host
    this.#swarm = swarm
    const { clock } = host.machine.world
    const condemnedAt = (id: StripeId): Hlc | undefined => {
      const stamp = host.table.condemnedAt(id)
      return stamp === undefined ? undefined : (BigInt(stamp) as Hlc)
    }
    this.#sweeps = this.#newSweeps({ host, swarm, map, store, dedupCheck }, condemnedAt)
    this.#collector = new Collector({
      // All of a volume that collection by what was found needs.
      volume: { stripes: { condemnedAt } } as unknown as Volume,
      map,
      dedupCheck,
      inFlight: { has: () => false },
      livenessOf: () => 'online',
      packAnew: { place: () => Promise.reject(new ShoalError('not-placed', 'small stripes stay')) },
      clock,
      release: async (stripes) => {
        for (const id of stripes) this.#sweeps.release(id)
        await store.commit([])
      },
      log: () => undefined,
    })
    map.onChange((event) => void this.#sweeps.changed(event))
  }

  /**
   * See to what was swept; if it is this node's turn, settle what was condemned, and condemn what
   * no file needs.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { table, peer } = this.#host
    if (this.#sweeps.isDue()) await this.#sweeps.run(signal)
    const isFirst = this.#swarm.members().every((other) => other.peer >= peer)
    if (!isFirst || table.member(peer) === undefined) return
    const stable = BigInt(this.#swarm.stableStamp(this.#host)) as Hlc
    const chunks = table.liveChunks()
    const live = new LiveChunks(chunks.length)
    for (const chunk of chunks) live.add(chunk, undefined)
    await this.#collector.settle(live, stable, {}, signal)
    await this.#collector.condemn(live, { bytesMax: Infinity }, signal)
  }

  #newSweeps(
    { host, swarm, map, store, dedupCheck }: CollectionParts,
    condemnedAt: (id: StripeId) => Hlc | undefined,
  ): SweptStripes {
    const { clock } = host.machine.world
    const references = async (
      wanted: ReadonlySet<ChunkId>,
    ): Promise<ReadonlyMap<ChunkId, undefined>> => {
      const live = host.table.liveChunks().filter((chunk) => wanted.has(chunk))
      return new Map(live.map((chunk) => [chunk, undefined]))
    }
    return new SweptStripes({
      map,
      store,
      dedupCheck,
      clock,
      self: host.peer,
      references,
      isTouched: () => false,
      onLive: () => undefined,
      log: {
        stable: () => BigInt(swarm.stableStamp(host)) as Hlc,
        condemnedAt,
        sweptBy: (id) => {
          const swept = host.table.sweptBy(id)
          if (swept === undefined) return undefined
          const ms = SIMULATION_START + Math.floor(swept.stamp / STAMPS_PER_MS)
          return { peer: swept.author, at: (BigInt(ms) << 16n) as Hlc }
        },
        mayRead: () => true,
        mayWrite: (peer) => host.table.member(peer) !== undefined,
        isElected: () => true,
        keptMs: () => TRASH_MS,
      },
    })
  }
}
