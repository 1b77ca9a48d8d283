// How much a node may still store, of its disk and of the capacity it was given. Asking the disk takes time: what is said
// is what was last measured.
import type { NodeStatus } from '../control/status.ts'
import type { Store } from '../store/store.ts'

export class Space {
  readonly #store: Pick<Store, 'usage' | 'freeBytes'>
  #freeBytes = 0

  constructor(components: { readonly store: Pick<Store, 'usage' | 'freeBytes'> }) {
    this.#store = components.store
  }

  /** As last measured. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  status(): Pick<
    NodeStatus['node'],
    'freeBytes' | 'reclaimableBytes' | 'trashBytes' | 'usedBytes'
  > {
    const { segmentBytes: usedBytes, trashBytes, reclaimableBytes } = this.#store.usage()
    return { usedBytes, freeBytes: this.#freeBytes, trashBytes, reclaimableBytes }
  }

  async measure(): Promise<void> {
    this.#freeBytes = await this.#store.freeBytes()
  }
}
