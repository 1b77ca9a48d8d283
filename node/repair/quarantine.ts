// Peers that failed to prove what they hold. For a while they are given no new shards; what else
// they hold is still read and counted, shard by shard, as audits find it. Not kept over a restart:
// the next audits find out again.
import { DAY_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

const DISTRUSTED_MS: number = DAY_MS

export class Quarantine {
  readonly #clock: Pick<Clock, 'now'>
  readonly #until = new Map<PeerId, Instant>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** It lied, or has dropped what it should hold. */
  quarantine(peer: PeerId): void {
    this.#until.set(peer, (this.#clock.now() + DISTRUSTED_MS) as Instant)
  }

  /** Should it be given no new shards now? */
  isAvoided(peer: PeerId): boolean {
    return (this.#until.get(peer) ?? -Infinity) > this.#clock.now()
  }
}
