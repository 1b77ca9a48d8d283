// One pass over files that are to lie on this node: has their chunks in the store, or says why not.
// Once the disk takes no more, or too much was not to be had, the rest is only looked at: what is
// here is counted all the same.
import { extentLength } from '../../protocol/chunk/manifest.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { ChunkId, PeerId } from '../../protocol/ids.ts'
import { dotActor } from '../../protocol/clock/dot.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { MIB } from '../../protocol/units.ts'
import { nodeCache } from '../content/decoded-cache.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { sumOf } from '../content/manifest-walk.ts'
import { contentOf } from '../volume/file-contents.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { Store } from '../store/store.ts'

const FETCHES_MAX = 8
const NODES_MAX = 1000
/** Each takes until all who may have it were asked. */
const UNAVAILABLE_MAX = 16
const COMMIT_BYTES: number = 64 * MIB

export interface LocalPinPassParts {
  readonly hosted: Pick<HostedVolume, 'namespace' | 'fetcher' | 'chunks'>
  readonly store: Pick<Store, 'chunks' | 'commit'>
  /** Told of each chunk before it is stored. */
  readonly name: (chunk: ChunkId) => void
}

/** The state of one file: why chunks are missing, if any are. */
interface Found {
  failure: ShoalError | undefined
}

export class LocalPinPass {
  readonly #parts: LocalPinPassParts
  readonly #signal: AbortSignal
  /** Why nothing more is fetched. */
  #refusal: ShoalError | undefined
  #unavailable = 0
  #uncommittedBytes = 0

  constructor(parts: LocalPinPassParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /**
   * Have all chunks of these versions here. onKept: told of bytes of them that are. returns why
   * some are not.
   * throws ShoalError 'chunk-unavailable', 'contradiction' where not even which chunks they have
   * can be found out.
   */
  async file(
    versions: readonly Version[],
    onKept: (bytes: number) => void,
  ): Promise<ShoalError | undefined> {
    const found: Found = { failure: undefined }
    for (const version of versions) await this.#version(version, found, onKept)
    return found.failure
  }

  /** Makes the stored chunks durable. */
  async end(): Promise<void> {
    if (this.#uncommittedBytes > 0) await this.#parts.store.commit([])
  }

  async #version(version: Version, found: Found, onKept: (bytes: number) => void): Promise<void> {
    const whole = contentOf(version)
    if (whole.kind !== 'chunks') return onKept(version.size)
    const { chunks, namespace } = this.#parts.hosted
    const author = namespace.volume.actors.get(dotActor(version.dot))?.peer
    const hints = author === undefined ? [] : [author]
    const reader = chunks.reader(hints)
    const keeping: ChunkReader = {
      ...reader,
      readOnce: async (ref, options) => {
        await this.#chunk(ref.id, hints, found)
        return reader.readOnce(ref, options)
      },
    }
    const tree = new ManifestTree(whole.manifest, { chunks: keeping, nodes: nodeCache(NODES_MAX) })
    let told = 0
    const kept = await sumOf(tree, { signal: this.#signal }, async (extents) => {
      let bytes = 0
      await inParallel(each(extents), FETCHES_MAX, async ({ extent }) => {
        const isHere = extent.kind === 'hole' || (await this.#chunk(extent.ref.id, hints, found))
        if (!isHere) return
        bytes += extentLength(extent)
        onKept(extentLength(extent))
      })
      told += bytes
      return bytes
    })
    // Chunks that are listed more than once.
    if (kept > told) onKept(kept - told)
  }

  /** Have a chunk here. returns whether it is. */
  async #chunk(id: ChunkId, hints: readonly PeerId[], found: Found): Promise<boolean> {
    const { store, hosted, name } = this.#parts
    name(id)
    if (store.chunks.has(id)) return true
    found.failure ??= this.#refusal
    if (found.failure !== undefined) return false
    try {
      const sealed = await hosted.fetcher.fetch(id, { hints, signal: this.#signal })
      await store.chunks.put(id, sealed)
      this.#uncommittedBytes += sealed.length
      if (this.#uncommittedBytes >= COMMIT_BYTES) {
        this.#uncommittedBytes = 0
        await store.commit([])
      }
      return true
    } catch (error) {
      this.#signal.throwIfAborted()
      const failure = asShoalError(error)
      found.failure ??= failure
      const isFull = hasCode(failure, 'ENOSPC')
      if (isFull || ++this.#unavailable >= UNAVAILABLE_MAX) this.#refusal ??= failure
      return false
    }
  }
}

function* each<Item>(items: readonly Item[]): Generator<Item, void, undefined> {
  yield* items
}
