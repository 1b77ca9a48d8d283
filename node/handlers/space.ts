// How much a node may still store, of its disk and of the capacity it was given. Asking the disk
// takes time: what is said is what was last measured.
import type { NodeStatus } from '../control/status.ts'
import { CHUNK_CACHE_BYTES, cacheBytesOnDisk } from '../content/decoded-cache.ts'
import { MIB, MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Store } from '../store/store.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { Clock } from '../world/world.ts'

/**
 * A beacon has the disk measured again after so long, or once the store has changed by so much, or
 * by this share of the disk where that is less.
 */
const MEASURED_MS: number = MINUTE_MS
const CHANGED_BYTES: number = 64 * MIB
const CHANGED_SHARE = 0.01

type Holds = NodeStatus['node']['holds']
type MeasuredStore = Pick<Store, 'fetched' | 'usage' | 'space' | 'indexBytes'>

export class Space {
  readonly #store: MeasuredStore
  readonly #clock: Pick<Clock, 'now'>
  #measured: { readonly at: Instant; readonly segmentBytes: number } | undefined
  #freeBytes = 0
  #totalBytes = 0
  #indexBytes = 0
  #isMeasuring = false

  constructor(components: { readonly store: MeasuredStore; readonly clock: Pick<Clock, 'now'> }) {
    this.#store = components.store
    this.#clock = components.clock
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
   * The free bytes, and a later beacon says what is free by now: others choose by it whom they give
   * shards. To measure takes several calls of the disk, so an idle node does that once a minute.
   */
  forBeacon(): number {
    if (!this.#isMeasuring && this.#isOld()) {
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

  #isOld(): boolean {
    if (this.#measured === undefined) return true
    const { at, segmentBytes } = this.#measured
    const changedBytes = Math.abs(this.#store.usage().segmentBytes - segmentBytes)
    const enough = Math.min(CHANGED_BYTES, CHANGED_SHARE * this.#totalBytes)
    return this.#clock.now() >= at + MEASURED_MS || changedBytes > enough
  }

  async measure(): Promise<void> {
    this.#measured = { at: this.#clock.now(), segmentBytes: this.#store.usage().segmentBytes }
    const { freeBytes, totalBytes } = await this.#store.space()
    this.#freeBytes = freeBytes
    this.#totalBytes = totalBytes
    this.#indexBytes = await this.#store.indexBytes()
  }
}
