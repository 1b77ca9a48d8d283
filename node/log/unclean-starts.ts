// How often this node has ended within minutes of its start, and not because it was stopped. After
// some such starts in a row it is careful with what it takes from others (stopped-entry.ts): one of
// them may be what ends it.
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { startsKey } from '../store/keys.ts'
import type { Kv } from '../store/kv.ts'
import type { Clock, Timer } from '../world/world.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** A node that has run for this long does not end at its start. */
const SURVIVED_MS: number = 10 * MINUTE_MS
const UNCLEAN_MAX = 3

export class UncleanStarts {
  readonly isCareful: boolean
  readonly #kv: Kv
  readonly #timer: Timer

  private constructor(kv: Kv, clock: Clock, before: number) {
    this.#kv = kv
    this.isCareful = before >= UNCLEAN_MAX
    this.#timer = clock.timer(SURVIVED_MS, () => {
      void ignoreFailure(this.#forget(), 'the node is careful once more than it needs to be')
    })
  }

  /** Count a start, durably. */
  static async count({ kv, clock }: { kv: Kv; clock: Clock }): Promise<UncleanStarts> {
    const key = startsKey()
    const bytes = kv.get(key)
    const before = bytes === undefined ? 0 : decodeCount(bytes)
    await kv.write([{ kind: 'put', key, value: encodeCbor({ n: before + 1 }) }], { sync: true })
    return new UncleanStarts(kv, clock, before)
  }

  /** The node stops as it should. */
  async stop(): Promise<void> {
    this.#timer.cancel()
    await this.#forget()
  }

  #forget(): Promise<void> {
    return this.#kv.write([{ kind: 'delete', key: startsKey() }], { sync: false })
  }
}

function decodeCount(bytes: Uint8Array): number {
  return new Fields(decodeCbor(bytes, 'count of starts', 8), 'count of starts').integer('n')
}
