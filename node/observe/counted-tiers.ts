// Cold tiers whose traffic is counted, whoever uses them, as each part of an object goes or comes.
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ObjectTier, TierObject, TierOptions, Tiers } from '../world/world.ts'

export type CountBytes = (bytes: number, direction: 'in' | 'out', location: TierLocation) => void
type CountParts = (bytes: number, direction: 'in' | 'out') => void
type Until = { readonly signal: AbortSignal }

export class CountedTiers implements Tiers {
  readonly #tiers: Tiers
  readonly #count: CountBytes

  constructor(tiers: Tiers, count: CountBytes) {
    this.#tiers = tiers
    this.#count = count
  }

  open(location: TierLocation, options: TierOptions): ObjectTier {
    return new CountedTier(this.#tiers.open(location, options), (bytes, direction) =>
      this.#count(bytes, direction, location),
    )
  }
}

class CountedTier implements ObjectTier {
  readonly #tier: ObjectTier
  readonly #count: CountParts

  constructor(tier: ObjectTier, count: CountParts) {
    this.#tier = tier
    this.#count = count
  }

  put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    options: Until & { readonly storageClass?: string },
  ): Promise<void> {
    return this.#tier.put(key, size, this.#counted(chunks, 'out'), options)
  }

  get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    options: Until,
  ): AsyncIterable<Uint8Array> {
    return this.#counted(this.#tier.get(key, range, options), 'in')
  }

  head(key: string, options: Until): Promise<TierObject | undefined> {
    return this.#tier.head(key, options)
  }

  list(prefix: string, options: Until): AsyncIterable<TierObject & { readonly key: string }> {
    return this.#tier.list(prefix, options)
  }

  remove(keys: readonly string[], options: Until): Promise<void> {
    return this.#tier.remove(keys, options)
  }

  restore(key: string, days: number, options: Until): Promise<void> {
    return this.#tier.restore(key, days, options)
  }

  rollBack(toMs: WallTime, options: Until): Promise<number> {
    return this.#tier.rollBack(toMs, options)
  }

  check(options: Until): Promise<void> {
    return this.#tier.check(options)
  }

  close(): Promise<void> {
    return this.#tier.close()
  }

  async *#counted(
    parts: AsyncIterable<Uint8Array>,
    direction: 'in' | 'out',
  ): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      this.#count(part.byteLength, direction)
      yield part
    }
  }
}
