// After a pin was set or taken away: packs anew, for the class that they are to be in now, the chunks of all files below.
// What it does not get done, or what is moved meanwhile, the next collection of garbage finds (collect.ts), which also
// gives up the stripes of the old class.
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ChunkId, NodeId } from '../../protocol/ids.ts'
import { STRIPE_CHUNKS_MAX, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import { readInode } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { nodeCache } from '../data/cache.ts'
import type { ChunkReader } from '../data/chunk-io.ts'
import { ManifestTree, chunksOf } from '../data/manifest-tree.ts'
import type { StripeMap } from '../data/stripe-map.ts'
import type { PinnedClasses } from '../files/pinned-classes.ts'
import type { Namespace } from '../namespace/namespace.ts'
import type { Clock } from '../world/world.ts'
import type { PackAnew, SealedChunk } from './pack-anew.ts'
import { classText } from './repack.ts'
import type { ClassOf } from './repack.ts'

/** Chunks looked at before others have their turn. */
const PACE = 256
const NODE_CACHE_ITEMS = 10_000

export interface RepinParts {
  readonly namespace: Namespace
  readonly map: StripeMap
  readonly classes: PinnedClasses
  readonly reader: () => ChunkReader
  readonly packAnew: Pick<PackAnew, 'place'>
  readonly clock: Clock
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Repin {
  readonly #parts: RepinParts
  readonly #stopped = new AbortController()
  #work: Promise<void> = Promise.resolve()

  constructor(parts: RepinParts) {
    this.#parts = parts
  }

  /** A folder or file has another class: see to it in the background, after what was asked before. */
  add(target: ViewTarget): void {
    this.#work = this.#work
      .then(() => new Walk(this.#parts, this.#stopped.signal).run(target))
      .catch((error: unknown) => {
        if (this.#stopped.signal.aborted) return
        const { code, message } = asShoalError(error)
        this.#parts.log('data is not in its new class yet', { code, message })
      })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#work
  }
}

interface OpenStripe {
  readonly class: ClassOf
  readonly chunks: Map<ChunkId, SealedChunk>
  bytes: number
}

class Walk {
  readonly #parts: RepinParts
  readonly #signal: AbortSignal
  readonly #nodes = nodeCache(NODE_CACHE_ITEMS)
  /** What is to go into the next stripe of each class. */
  readonly #open = new Map<string, OpenStripe>()
  #steps = 0

  constructor(parts: RepinParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  async run(target: ViewTarget): Promise<void> {
    const folders: NodeId[] = []
    const see = async (one: ViewTarget): Promise<void> => {
      if (one.kind === 'dir') folders.push(one.id)
      else await this.#file(one.id)
    }
    await see(target)
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      try {
        for await (const entry of this.#parts.namespace.list(folder)) await see(entry.target)
      } catch (error) {
        // Removed meanwhile.
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }
    for (const { class: cls, chunks } of this.#open.values()) await this.#place(cls, chunks)
  }

  async #file(id: NodeId): Promise<void> {
    const { namespace, classes, reader } = this.#parts
    const versions = readInode(namespace.volume.view, id)?.versions ?? []
    for (const { content, size } of versions) {
      if (content.kind !== 'chunks') continue
      const manifest = { size, root: content.root, depth: content.depth }
      const tree = new ManifestTree(manifest, { chunks: reader(), nodes: this.#nodes })
      for await (const chunk of chunksOf(tree, { signal: this.#signal }))
        for (const cls of classes.ofFile(id)) await this.#chunk(chunk, cls)
    }
  }

  async #chunk(id: ChunkId, cls: ClassOf): Promise<void> {
    const { map, clock } = this.#parts
    if (++this.#steps % PACE === 0) await clock.sleep(1, { signal: this.#signal })
    const found = map.locate(id)
    // In none yet: whoever wrote it packs it.
    const length =
      found === undefined ? undefined : map.stripe(found.stripe)?.header.chunks[found.index]?.length
    if (length === undefined || map.isPlaced(id, cls)) return
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
