// Any tier within bounds: so many bytes a second, so many transfers at a time, keys that every kind
// of tier takes, and an end: after close() nothing is underway. Drivers need know nothing of this.
import { concatBytes, equalBytes, toHex, utf8 } from '../../../protocol/bytes.ts'
import { checkTierKey } from '../../../protocol/cold/location.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { Budget } from '../budget.ts'
import { tierError } from './tier-error.ts'
import { Semaphore } from '../semaphore.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Clock, ObjectTier, Random, TierObject, TierOptions } from '../world.ts'
import { ignoreFailure } from '../ignore-failure.ts'

const TRANSFERS_MAX = 4
const PROBE_NAME_BYTES = 8

export class BoundedTier implements ObjectTier {
  readonly #tier: Promise<ObjectTier>
  readonly #name: string
  readonly #random: Random
  readonly #up: Direction
  readonly #down: Direction
  readonly #closing = new AbortController()
  readonly #underway = new Set<Promise<unknown>>()

  constructor(
    components: { tier: ObjectTier | Promise<ObjectTier>; clock: Clock; random: Random },
    options: TierOptions,
  ) {
    const { tier, clock, random } = components
    this.#tier = Promise.resolve(tier)
    // Whoever uses it is told.
    void ignoreFailure(this.#tier, 'it is thrown where it is awaited')
    this.#name = options.name
    this.#random = random
    this.#up = new Direction(clock, options)
    this.#down = new Direction(clock, options)
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void> {
    checkTierKey(key)
    await this.#during(options.signal, async (signal) => {
      const done = await this.#up.turns.take(signal)
      try {
        const paced = this.#up.pace(chunks, signal)
        await (await this.#tier).put(key, size, paced, { ...options, signal })
      } finally {
        done()
      }
    })
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    checkTierKey(key)
    const signal = this.#untilClosed(options.signal)
    const over = Promise.withResolvers<void>()
    this.#underway.add(over.promise)
    let done: (() => void) | undefined
    try {
      done = await this.#down.turns.take(signal)
      yield* this.#down.pace((await this.#tier).get(key, range, { signal }), signal)
    } finally {
      done?.()
      this.#underway.delete(over.promise)
      over.resolve()
    }
  }

  async head(key: string, options: { signal: AbortSignal }): Promise<TierObject | undefined> {
    checkTierKey(key)
    return this.#during(options.signal, async (signal) => (await this.#tier).head(key, { signal }))
  }

  async *list(
    prefix: string,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    const signal = this.#untilClosed(options.signal)
    yield* (await this.#tier).list(prefix, { signal })
  }

  async remove(keys: readonly string[], options: { signal: AbortSignal }): Promise<void> {
    for (const key of keys) checkTierKey(key)
    if (keys.length === 0) return
    await this.#during(options.signal, async (signal) =>
      (await this.#tier).remove(keys, { signal }),
    )
  }

  async restore(key: string, days: number, options: { signal: AbortSignal }): Promise<void> {
    checkTierKey(key)
    await this.#during(options.signal, async (signal) =>
      (await this.#tier).restore(key, days, { signal }),
    )
  }

  async rollBack(toMs: WallTime, options: { signal: AbortSignal }): Promise<number> {
    return this.#during(options.signal, async (signal) =>
      (await this.#tier).rollBack(toMs, { signal }),
    )
  }

  async check(options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#during(options.signal, async (signal) => {
      const tier = await this.#tier
      await tier.check({ signal })
      await this.#probe(tier, signal)
    })
  }

  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('stopped', `cold tier ${this.#name} is closed`))
    await Promise.allSettled(this.#underway)
    await (await this.#tier).close()
  }

  /** Put a small object, get it, and remove it again. */
  async #probe(tier: ObjectTier, signal: AbortSignal): Promise<void> {
    const key = `check-${toHex(this.#random.bytes(PROBE_NAME_BYTES))}`
    const content = utf8(`shoal ${key}`)
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield content
    }
    await tier.put(key, content.length, once(), { signal })
    const parts: Uint8Array[] = []
    for await (const part of tier.get(key, undefined, { signal })) parts.push(part)
    await tier.remove([key], { signal })
    if (equalBytes(concatBytes(parts), content)) return
    throw tierError('cold-corrupt', { tier: this.#name, key }, 'what was put came back changed')
  }

  async #during<T>(signal: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const both = this.#untilClosed(signal)
    both.throwIfAborted()
    const running = run(both)
    this.#underway.add(running)
    try {
      return await running
    } finally {
      this.#underway.delete(running)
    }
  }

  #untilClosed(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#closing.signal])
  }
}

/** The bounds of puts, or of gets. */
class Direction {
  readonly turns: Semaphore
  readonly #budget: Budget | undefined

  constructor(clock: Clock, { bytesPerSecond, transfersMax = TRANSFERS_MAX }: TierOptions) {
    this.turns = new Semaphore(transfersMax)
    this.#budget = bytesPerSecond === undefined ? undefined : new Budget(clock, { bytesPerSecond })
  }

  async *pace(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      await this.#budget?.take(chunk.length, signal)
      yield chunk
    }
  }
}
