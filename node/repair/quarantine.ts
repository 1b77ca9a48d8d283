// Peers that failed to prove what they hold, or did not keep a shard that was moved to them. For a
// while they are given no new shards; what else they hold is still read and counted, shard by
// shard, as audits find it. The while doubles each time, so that a disk that keeps nothing is not
// given the same shards every day. Not kept over a restart: the next audits find out again.
import { LRUCache } from 'lru-cache'
import { DAY_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { BelievedShard } from '../shard-map/disbelieved-shards.ts'
import type { Clock } from '../world/world.ts'

const FIRST_MS: number = DAY_MS
/** Not longer: among few peers, stripes have less redundancy meanwhile. */
const LONGEST_MS: number = 8 * DAY_MS
/** After so long without a new failure the next one is a first one. */
const FORGOTTEN_MS: number = 32 * DAY_MS
const MOVED_MAX = 4096

interface Spell {
  readonly lastFailure: Instant
  readonly until: Instant
  readonly lengthMs: number
}

export class Quarantine {
  readonly #clock: Pick<Clock, 'now'>
  /** The last one of each peer. */
  readonly #spells = new Map<PeerId, Spell>()
  /** `<stripe> <index> <peer>` and when it was moved there last. */
  readonly #moved = new LRUCache<string, Instant>({ max: MOVED_MAX })

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** It lied, or has dropped or damaged what it should hold. */
  quarantine(peer: PeerId): void {
    const now = this.#clock.now()
    const lengthMs = nextLength(now, this.#spells.get(peer))
    this.#spells.set(peer, { lastFailure: now, until: (now + lengthMs) as Instant, lengthMs })
  }

  /**
   * A shard of this node was moved to a peer. One that it was moved to before has not kept it: else
   * this node would not have it any more. A repair of one shard twice says less, and cannot wait.
   */
  noteMoved({ stripe, index, peer }: BelievedShard): void {
    const key = `${stripe} ${index} ${peer}`
    const now = this.#clock.now()
    const last = this.#moved.get(key)
    this.#moved.set(key, now)
    if (last !== undefined && now < last + FORGOTTEN_MS) this.quarantine(peer)
  }

  /** Should it be given no new shards now? */
  isAvoided(peer: PeerId): boolean {
    return (this.#spells.get(peer)?.until ?? -Infinity) > this.#clock.now()
  }

  /** Did it fail within the last day? Then it is asked for much of what it should hold. */
  isSuspect(peer: PeerId): boolean {
    const { lastFailure = -Infinity } = this.#spells.get(peer) ?? {}
    return this.#clock.now() - lastFailure < FIRST_MS
  }
}

function nextLength(now: Instant, last: Spell | undefined): number {
  if (last === undefined || now >= last.until + FORGOTTEN_MS) return FIRST_MS
  return now < last.until ? last.lengthMs : Math.min(2 * last.lengthMs, LONGEST_MS)
}
