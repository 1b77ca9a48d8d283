// Doubts: a member says that another does not hold a shard. That changes nothing by itself: whoever
// holds a shard of the stripe, and so may have to rebuild what is missing, asks the holder in
// question. A holder that shows the shard has it; one that does not is believed no more
// (shard-map/disbelieved-shards.ts). So a doubt costs a question, and those of one member a bounded
// number. A shard that this node itself disbelieves is asked for again when something is said of
// its stripe: it may have been put there again.
import { SECOND_MS, HOUR_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import { enforces } from '../../protocol/trust.ts'
import type { BelievedShard } from '../shard-map/disbelieved-shards.ts'
import { challenge, randomLeaf } from '../stripes/challenge.ts'
import type { MapEvent, StripeMap } from '../shard-map/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'

/**
 * Doubts of one member that are looked into in an hour, and that wait, of all. More are found by
 * audits.
 */
const PER_HOUR = 600
const WAITING_MAX = 4096
/** A question that is not answered is asked so often. */
const ASKED_MAX = 3
const PAUSE_MS: number = SECOND_MS / 10

export interface DoubtsParts {
  readonly map: Pick<StripeMap, 'stripe' | 'believe' | 'disbelieve' | 'disbelieved'>
  readonly store: Pick<Store, 'shards'>
  readonly client: Pick<ShardClient, 'get'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly clock: Pick<Clock, 'now' | 'sleep' | 'timeout'>
  readonly random: Pick<Random, 'number'>
  /** The holder has shown a shard of which this member said that it does not hold it. */
  readonly onRefuted: (by: PeerId | undefined, shard: BelievedShard) => void
}

interface Doubt {
  readonly shard: BelievedShard
  /** Its author: this node, where it asks again about what it does not believe. */
  readonly by: PeerId | undefined
  asked: number
}

export class Doubts {
  readonly #parts: DoubtsParts
  readonly #waiting = new Map<string, Doubt>()
  readonly #counts = new Map<PeerId | undefined, { count: number; from: Instant }>()

  constructor(parts: DoubtsParts) {
    this.#parts = parts
  }

  /** The map has changed. returns whether there is more to look into. */
  changed(event: MapEvent): boolean {
    if (event.kind === 'shards') return this.#lookAgain(event.stripe)
    return event.kind === 'doubted' && this.#onDoubt(event)
  }

  /** Ask about all that waits. Who does not answer is asked again in the next run. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, network } = this.#parts
    const there = new Set(network.peers())
    for (const [key, doubt] of this.#waiting) {
      signal.throwIfAborted()
      // Absent peers are left to the detector.
      if (there.has(doubt.shard.peer) && !(await this.#look(doubt, signal))) continue
      this.#waiting.delete(key)
      await clock.sleep(PAUSE_MS, { signal })
    }
  }

  /**
   * Something else is said of shards of which this node does not believe that they are where the
   * map says.
   */
  #lookAgain(stripe: StripeId): boolean {
    const { map, network } = this.#parts
    if (!enforces('doubt-checked')) return false
    const others = map.disbelieved({ stripe }).filter(({ peer }) => peer !== network.self)
    return this.#add(others, network.self)
  }

  #onDoubt({ stripe, shards, by }: Extract<MapEvent, { kind: 'doubted' }>): boolean {
    const { network, store, map } = this.#parts
    const holders = map.stripe(stripe)?.holders ?? []
    if (by === network.self || store.shards.indices(stripe).length === 0) return false
    const others = shards
      .filter(({ index, peer }) => holders[index]?.includes(peer) === true && peer !== network.self)
      .map((shard) => ({ ...shard, stripe }))
    if (enforces('doubt-checked')) return this.#add(others, by)
    for (const shard of others) map.disbelieve(shard, { isTold: true })
    return false
  }

  /** returns whether that is all. */
  async #look(doubt: Doubt, signal: AbortSignal): Promise<boolean> {
    const { map, network, random, onRefuted } = this.#parts
    const { shard, by } = doubt
    const header = map.stripe(shard.stripe)?.header
    if (header === undefined) return true
    const leaf = randomLeaf(random, header)
    const outcome = await challenge(this.#parts, shard, header, leaf, { signal })
    if (outcome === 'silent') return ++doubt.asked >= ASKED_MAX
    if (outcome !== 'proven') map.disbelieve(shard, { isTold: true })
    else if (by === network.self) map.believe(shard)
    else onRefuted(by, shard)
    return true
  }

  /**
   * Those that are new, as long as their author has not said too much. returns whether there are
   * any.
   */
  #add(shards: readonly BelievedShard[], by: PeerId | undefined): boolean {
    const before = this.#waiting.size
    for (const shard of shards) {
      const key = keyOf(shard)
      if (this.#waiting.has(key)) continue
      if (++this.#countOf(by).count > PER_HOUR || this.#waiting.size >= WAITING_MAX) break
      this.#waiting.set(key, { shard, by, asked: 0 })
    }
    return this.#waiting.size > before
  }

  #countOf(by: PeerId | undefined): { count: number } {
    const now = this.#parts.clock.now()
    const known = this.#counts.get(by)
    if (known !== undefined && now - known.from < HOUR_MS) return known
    const fresh = { count: 0, from: now }
    this.#counts.set(by, fresh)
    return fresh
  }
}

function keyOf({ stripe, index, peer }: BelievedShard): string {
  return `${stripe} ${index} ${peer}`
}
