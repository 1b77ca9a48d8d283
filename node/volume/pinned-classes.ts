// The redundancy class that data is written for: of the nearest pin, of the file itself or of a
// folder above it.
import { parseClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { pinOfFolder, pinsOfFile } from '../state/pins.ts'
import type { Pin } from '../state/pins.ts'

/** Undefined stands for the volume's class. cost of each call: O(depth of the folder). */
export class PinnedClasses {
  readonly #view: StateStore

  constructor({ view }: { readonly view: StateStore }) {
    this.#view = view
  }

  /** The class of new content in a folder. */
  ofFolder(dir: NodeId): RedundancyClass | undefined {
    return classOf(pinOfFolder(this.#view, dir, 'pin'))
  }

  /** The classes of a file: one, or several if it has names in places that are pinned to others. */
  ofFile(id: NodeId): readonly [RedundancyClass | undefined, ...(RedundancyClass | undefined)[]] {
    const pins = pinsOfFile(this.#view, id, 'pin')
    const [first, ...others] = new Map(pins.map((pin) => [pin?.to, classOf(pin)])).values()
    return [first, ...others]
  }
}

function classOf(pin: Pin | undefined): RedundancyClass | undefined {
  return pin && parseClass(pin.to)
}
