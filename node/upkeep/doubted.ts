// What members say that others do not hold. It changes nothing by itself: whoever holds a shard of the stripe, and so may
// have to rebuild what is missing, asks the holder in question. Who shows the shard has it, whatever was said; who does not
// is not believed any more (data/beliefs.ts). So a doubt costs a question, and those of one member a bounded number.
import { SECOND_MS, HOUR_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import { enforces } from '../../protocol/trust.ts'
import type { BelievedShard } from '../data/beliefs.ts'
import { challenge, randomLeaf } from '../data/challenge.ts'
import type { MapEvent, StripeMap } from '../data/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'

/** Doubts of one member that are looked into in an hour, and that wait, of all. More are found by audits. */
const PER_HOUR = 600
const WAITING_MAX = 4096
/** A question that is not answered is asked so often. */
const ASKED_MAX = 3
const PAUSE_MS: number = SECOND_MS / 10

export interface DoubtedParts {
  readonly map: Pick<StripeMap, 'stripe' | 'believe' | 'disbelieve'>
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
  readonly by: PeerId | undefined
  asked: number
}

export class Doubted {
  readonly #parts: DoubtedParts
  readonly #waiting = new Map<string, Doubt>()
  readonly #counts = new Map<PeerId | undefined, { count: number; from: Instant }>()

  constructor(parts: DoubtedParts) {
    this.#parts = parts
  }

  /** The map has changed. returns whether there is something to look into. */
  changed(event: MapEvent): boolean {
    if (event.kind !== 'doubted') return false
    const { network, store, map } = this.#parts
    const { stripe, shards, by } = event
    const holders = map.stripe(stripe)?.holders ?? []
    if (by === network.self || store.shards.indices(stripe).length === 0) return false
    for (const { index, peer } of shards) {
      if (holders[index]?.includes(peer) !== true || peer === network.self) continue
      if (!enforces('doubt-checked')) map.disbelieve({ stripe, index, peer }, { isTold: true })
      else if (this.#mayAdd(by))
        this.#waiting.set(keyOf(stripe, index, peer), {
          shard: { stripe, index, peer },
          by,
          asked: 0,
        })
    }
    return this.#waiting.size > 0
  }

  /** Ask about all that waits. Who does not answer is asked again in the next run. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, network } = this.#parts
    const there = new Set(network.peers())
    for (const [key, doubt] of this.#waiting) {
      signal.throwIfAborted()
      // Who is away is for the detector.
      if (there.has(doubt.shard.peer) && !(await this.#look(doubt, signal))) continue
      this.#waiting.delete(key)
      await clock.sleep(PAUSE_MS, { signal })
    }
  }

  /** returns whether that is all. */
  async #look(doubt: Doubt, signal: AbortSignal): Promise<boolean> {
    const { map, random, onRefuted } = this.#parts
    const { shard, by } = doubt
    const header = map.stripe(shard.stripe)?.header
    if (header === undefined) return true
    const leaf = randomLeaf(random, header)
    const outcome = await challenge(this.#parts, shard, header, leaf, { signal })
    if (outcome === 'silent') return ++doubt.asked >= ASKED_MAX
    if (outcome !== 'proven') map.disbelieve(shard, { isTold: true })
    else onRefuted(by, shard)
    return true
  }

  #mayAdd(by: PeerId | undefined): boolean {
    const now = this.#parts.clock.now()
    const known = this.#counts.get(by)
    const current =
      known === undefined || now - known.from >= HOUR_MS ? { count: 0, from: now } : known
    this.#counts.set(by, current)
    return ++current.count <= PER_HOUR && this.#waiting.size < WAITING_MAX
  }
}

function keyOf(stripe: StripeId, index: number, peer: PeerId): string {
  return `${stripe} ${index} ${peer}`
}
