// The redundancy class that data is written for: of the nearest pin, of the file itself or of a folder above it.
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { ROOT, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { pinOf } from '../namespace/pins.ts'

/** Undefined stands for the volume's class. cost of each call: O(depth of the folder). */
export class PinnedClasses {
  readonly #view: StateStore

  constructor({ view }: { readonly view: StateStore }) {
    this.#view = view
  }

  /** Of what is made in a folder. */
  ofFolder(dir: NodeId): RedundancyClass | undefined {
    for (let at = dir; ;) {
      const pin = pinOf(this.#view, at)
      if (pin !== undefined) return parseClass(pin)
      const parent = at === ROOT ? undefined : readDir(this.#view, at)?.parent
      if (parent === undefined) return undefined
      at = parent
    }
  }

  /** Of a file: one, or several if it has names in places that are pinned to others. */
  ofFile(id: NodeId): readonly [RedundancyClass | undefined, ...(RedundancyClass | undefined)[]] {
    const pin = pinOf(this.#view, id)
    if (pin !== undefined) return [parseClass(pin)]
    const links = readInode(this.#view, id)?.links ?? []
    const folders = links.flatMap((link) => readLink(this.#view, link)?.parent ?? [])
    const classes = folders.map((folder) => this.ofFolder(folder))
    const distinct = new Map(classes.map((cls) => [cls && formatClass(cls), cls]))
    const [first, ...others] = distinct.values()
    return [first, ...others]
  }
}
