// Keeps from being swept what this node is about to need. A stripe that somebody condemned is
// recorded anew, which takes that back, if an open write has touched a chunk of it, or an open file
// reaches one, and the chunk surely lies in no other. It is recorded as soon as the `condemn` is
// applied, before anything else happens: so no claim of this node covers the `condemn` but not the
// objection, and whoever finds the `condemn` stable has seen the objection too. A member that may
// not write to the log fetches the chunks into its own store instead.
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { ChunkFetcher } from '../stripes/chunk-fetcher.ts'
import type { MapEvent, StripeMap } from '../shard-map/stripe-map.ts'
import type { InFlightReferences } from '../content/in-flight-references.ts'
import type { Store } from '../store/store.ts'
import type { OpenContent } from './open-content.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface ResurrectionParts {
  readonly map: StripeMap
  readonly store: Pick<Store, 'chunks'>
  readonly fetcher: Pick<ChunkFetcher, 'fetch'>
  readonly dedupCheck: Pick<DedupCheck, 'isKnown'>
  readonly inFlight: InFlightReferences
  readonly held: OpenContent
  readonly mayWrite: () => boolean
  readonly log: WriteLog
}

export class Resurrection {
  readonly #parts: ResurrectionParts
  readonly #stopped = new AbortController()
  #unlisten: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(parts: ResurrectionParts) {
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
    const { inFlight, held } = this.#parts
    const isReached = held.reach()
    return (chunk) => inFlight.has(chunk) || isReached(chunk)
  }

  #changed(event: MapEvent): void {
    if (event.kind !== 'condemned') return
    const isNeeded = this.needs()
    const needed = event.stripes.flatMap((id) => this.#neededOf(id, isNeeded))
    this.#parts.inFlight.startGeneration()
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
    const { map, dedupCheck } = this.#parts
    const known = map.stripe(id)
    if (known === undefined || !known.isCondemned) return []
    return known.header.chunks.flatMap(({ id: chunk }) =>
      isNeeded(chunk) && !dedupCheck.isKnown(chunk, known.class) ? [{ stripe: id, chunk }] : [],
    )
  }

  async #record(map: StripeMap, id: StripeId): Promise<void> {
    const known = map.stripe(id)
    if (known !== undefined) await map.recordStripe(known.headerBytes, [])
  }

  /** Those that are needed still, now that it is known of each. */
  async #fetch(chunks: readonly ChunkId[]): Promise<void> {
    const { fetcher, store } = this.#parts
    const { signal } = this.#stopped
    for (const chunk of chunks) {
      if (!this.needs()(chunk) || store.chunks.has(chunk)) continue
      await store.chunks.put(chunk, await fetcher.fetch(chunk, { hints: [], signal }))
    }
  }

  #failed(error: unknown): void {
    if (this.#stopped.signal.aborted || hasCode(error, 'aborted')) return
    const { code, message } = asShoalError(error)
    this.#parts.log('gc.open-file-at-risk', { code, message })
  }
}
