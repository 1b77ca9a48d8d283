// Keeps from being swept what this node is about to need. A stripe that somebody condemned is recorded anew, which takes
// that back, if an open write has touched a chunk of it, or an open file reaches one, and the chunk surely lies in no other. It
// is recorded as soon as the `condemn` is applied, before anything else happens: so no claim of this node covers the
// `condemn` but not the objection, and whoever finds the `condemn` stable has seen the objection too.
// A member that may not write to the log fetches the chunks into its own store instead.
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { Elsewhere } from '../data/elsewhere.ts'
import type { Gatherer } from '../data/gather.ts'
import type { MapEvent, StripeMap } from '../data/stripe-map.ts'
import type { Touched } from '../data/touched.ts'
import type { Store } from '../store/store.ts'
import type { HeldContent } from './held-content.ts'

export interface ObjectionParts {
  readonly map: StripeMap
  readonly store: Pick<Store, 'chunks'>
  readonly gatherer: Pick<Gatherer, 'fetch'>
  readonly elsewhere: Pick<Elsewhere, 'isKnown'>
  readonly touched: Touched
  readonly held: HeldContent
  readonly mayWrite: () => boolean
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Objections {
  readonly #parts: ObjectionParts
  readonly #stopped = new AbortController()
  #unlisten: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(parts: ObjectionParts) {
    this.#parts = parts
  }

  start(): void {
    this.#unlisten = this.#parts.map.onChange((event) => this.#changed(event))
  }

  async stop(): Promise<void> {
    this.#unlisten?.()
    this.#stopped.abort()
    await this.#work
  }

  /** Tells of a chunk whether what is open now needs it. */
  needs(): (chunk: ChunkId) => boolean {
    const { touched, held } = this.#parts
    const isReached = held.reach()
    return (chunk) => touched.has(chunk) || isReached(chunk)
  }

  #changed(event: MapEvent): void {
    if (event.kind !== 'condemned') return
    const isNeeded = this.needs()
    const needed = event.stripes.flatMap((id) => this.#neededOf(id, isNeeded))
    this.#parts.touched.startGeneration()
    if (needed.length === 0) return
    const { map, mayWrite } = this.#parts
    const isWriter = mayWrite()
    const recorded = isWriter
      ? [...new Set(needed.map(({ stripe }) => stripe))].map((id) => this.#record(map, id))
      : []
    this.#work = Promise.all([this.#work, ...recorded])
      .then(() => this.#parts.held.learn(this.#stopped.signal))
      .then(() => (isWriter ? undefined : this.#fetch(needed.map(({ chunk }) => chunk))))
      .catch((error: unknown) => this.#failed(error))
  }

  #neededOf(
    id: StripeId,
    isNeeded: (chunk: ChunkId) => boolean,
  ): { stripe: StripeId; chunk: ChunkId }[] {
    const { map, elsewhere } = this.#parts
    const known = map.stripe(id)
    if (known === undefined || !known.isCondemned) return []
    return known.header.chunks.flatMap(({ id: chunk }) =>
      isNeeded(chunk) && !elsewhere.isKnown(chunk, known.class) ? [{ stripe: id, chunk }] : [],
    )
  }

  async #record(map: StripeMap, id: StripeId): Promise<void> {
    const known = map.stripe(id)
    if (known !== undefined) await map.recordStripe(known.headerBytes, [])
  }

  /** Those that are needed still, now that it is known of each. */
  async #fetch(chunks: readonly ChunkId[]): Promise<void> {
    const { gatherer, store } = this.#parts
    const { signal } = this.#stopped
    for (const chunk of chunks) {
      if (!this.needs()(chunk) || store.chunks.has(chunk)) continue
      await store.chunks.put(chunk, await gatherer.fetch(chunk, { hints: [], signal }))
    }
  }

  #failed(error: unknown): void {
    if (this.#stopped.signal.aborted || hasCode(error, 'aborted')) return
    const { code, message } = asShoalError(error)
    this.#parts.log('a file that is open may lose data that others gave up', { code, message })
  }
}
