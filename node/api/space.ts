// How much a node may still store: what the disk has free, and what is left of the capacity it was given.
import type { Store } from '../store/store.ts'
import type { Disk } from '../world/world.ts'

export class Space {
  readonly #disk: Pick<Disk, 'space'>
  readonly #store: Pick<Store, 'usage'>
  readonly #capacityBytes: number
  #freeBytes = 0

  constructor(
    { disk, store }: { readonly disk: Pick<Disk, 'space'>; readonly store: Pick<Store, 'usage'> },
    { capacityBytes = Infinity }: { readonly capacityBytes: number | undefined },
  ) {
    this.#disk = disk
    this.#store = store
    this.#capacityBytes = capacityBytes
  }

  /** As last measured. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  get usedBytes(): number {
    return this.#store.usage().segmentBytes
  }

  async measure(): Promise<void> {
    const { freeBytes } = await this.#disk.space()
    this.#freeBytes = Math.max(0, Math.min(freeBytes, this.#capacityBytes - this.usedBytes))
  }
}
