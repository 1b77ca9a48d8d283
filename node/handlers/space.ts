// How much a node may still store, of its disk and of the capacity it was given. Asking the disk
// takes time: what is said is what was last measured.
import type { NodeStatus } from '../control/status.ts'
import { CHUNK_CACHE_BYTES, cacheBytesOnDisk } from '../content/decoded-cache.ts'
import type { Store } from '../store/store.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

type Holds = NodeStatus['node']['holds']
type MeasuredStore = Pick<Store, 'fetched' | 'usage' | 'space' | 'indexBytes'>

export class Space {
  readonly #store: MeasuredStore
  #freeBytes = 0
  #totalBytes = 0
  #indexBytes = 0
  #isMeasuring = false

  constructor(components: { readonly store: MeasuredStore }) {
    this.#store = components.store
  }

  /** As last measured. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** All that the home of this node takes, about. */
  get ownBytes(): number {
    return this.#store.usage().segmentBytes + this.#indexBytes + this.#store.fetched.usage.usedBytes
  }

  /**
   * The free bytes, and the next beacon says what is free by now: others choose by it whom they
   * give shards.
   */
  forBeacon(): number {
    if (!this.#isMeasuring) {
      this.#isMeasuring = true
      void ignoreFailure(this.measure(), 'whoever needs the disk says that it fails').finally(
        () => (this.#isMeasuring = false),
      )
    }
    return this.#freeBytes
  }

  /** parts: as the volumes know them. */
  status(
    parts: Pick<Holds, 'unplacedBytes' | 'wholeBytes'>,
  ): Pick<
    NodeStatus['node'],
    | 'cache'
    | 'capacityBytes'
    | 'freeBytes'
    | 'indexBytes'
    | 'holds'
    | 'reclaimableBytes'
    | 'trashBytes'
    | 'usedBytes'
  > {
    const { segmentBytes: usedBytes, shardBytes, chunkBytes, ...rest } = this.#store.usage()
    const { trashBytes, reclaimableBytes } = rest
    const copyBytes = Math.max(0, chunkBytes - parts.unplacedBytes)
    const holds = { ...parts, shardBytes, copyBytes, ownBytes: this.ownBytes }
    const sizes = { capacityBytes: this.#totalBytes, freeBytes: this.#freeBytes }
    const { limitBytes, ...cached } = this.#store.fetched.usage
    const cache = { ...cached, limitBytes: limitBytes + CHUNK_CACHE_BYTES }
    const indexBytes = this.#indexBytes
    return { usedBytes, holds, indexBytes, ...sizes, trashBytes, reclaimableBytes, cache }
  }

  /**
   * Until the node stops, what is fetched from peers takes at most so much. throws ShoalError
   * 'usage'.
   */
  async limitCache(bytes: number): Promise<void> {
    await this.#store.fetched.resize(cacheBytesOnDisk(bytes))
  }

  async measure(): Promise<void> {
    const { freeBytes, totalBytes } = await this.#store.space()
    this.#freeBytes = freeBytes
    this.#totalBytes = totalBytes
    this.#indexBytes = await this.#store.indexBytes()
  }
}
