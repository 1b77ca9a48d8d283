// After a pin was set or taken away: packs anew, for the class that they are to be in now, the
// chunks of all files below. What it does not get done, or what is moved meanwhile, the next
// collection of garbage finds (collect.ts), which also gives up the stripes of the old class.
import { asShoalError } from '../../protocol/errors.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { STRIPE_CHUNKS_MAX, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import { Walk } from '../volume/file-walk.ts'
import type { PinnedClasses } from '../volume/pinned-classes.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Clock } from '../world/world.ts'
import type { Repacker, SealedChunk } from './repacking.ts'
import { classText } from './repack-candidates.ts'
import type { ClassOf } from './repack-candidates.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { WriteLog } from '../observe/log-events.ts'

export interface RepinParts {
  readonly namespace: Namespace
  readonly map: StripeMap
  readonly classes: PinnedClasses
  readonly reader: () => ChunkReader
  readonly packAnew: Pick<Repacker, 'place'>
  readonly dedupCheck: Pick<DedupCheck, 'isKnown'>
  readonly clock: Clock
  readonly log: WriteLog
}

export class Repin {
  readonly #parts: RepinParts
  readonly #stopped = new AbortController()
  readonly #queue = new SerialQueue()

  constructor(parts: RepinParts) {
    this.#parts = parts
  }

  /**
   * A folder or file has another class: see to it in the background, after what was asked before.
   */
  add(target: ViewTarget): void {
    this.#queue
      .run(() => new Repacking(this.#parts, this.#stopped.signal).run(target))
      .catch((error: unknown) => {
        if (this.#stopped.signal.aborted) return
        const { code, message } = asShoalError(error)
        this.#parts.log('gc.class-pending', { code, message })
      })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#queue.idle()
  }
}

interface OpenStripe {
  readonly class: ClassOf
  readonly chunks: Map<ChunkId, SealedChunk>
  bytes: number
}

class Repacking {
  readonly #parts: RepinParts
  readonly #signal: AbortSignal
  /** The content of the next stripe of each class. */
  readonly #open = new Map<string, OpenStripe>()

  constructor(parts: RepinParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  async run(target: ViewTarget): Promise<void> {
    const { namespace, classes, reader, clock } = this.#parts
    const walk = new Walk({ namespace, reader: reader(), clock }, this.#signal)
    for await (const file of walk.filesBelow(target)) {
      for await (const chunk of walk.chunksOfFile(file))
        for (const cls of classes.ofFile(file)) await this.#chunk(chunk, cls)
    }
    for (const { class: cls, chunks } of this.#open.values()) await this.#place(cls, chunks)
  }

  async #chunk(id: ChunkId, cls: ClassOf): Promise<void> {
    const { map, dedupCheck } = this.#parts
    const [found] = map.locations(id)
    // In none yet: whoever wrote it packs it.
    const length =
      found === undefined ? undefined : map.stripe(found.stripe)?.header.chunks[found.index]?.length
    if (length === undefined || dedupCheck.isKnown(id, cls)) return
    const key = classText(cls)
    const open = this.#open.get(key) ?? { class: cls, chunks: new Map(), bytes: 0 }
    this.#open.set(key, open)
    if (open.chunks.has(id)) return
    open.chunks.set(id, { id, length })
    open.bytes += length
    if (open.bytes < STRIPE_DATA_TARGET && open.chunks.size < STRIPE_CHUNKS_MAX) return
    this.#open.delete(key)
    await this.#place(cls, open.chunks)
  }

  async #place(cls: ClassOf, chunks: ReadonlyMap<ChunkId, SealedChunk>): Promise<void> {
    await this.#parts.packAnew.place([...chunks.values()], cls, this.#signal)
  }
}
