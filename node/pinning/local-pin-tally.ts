// How much of each file that is to lie on this node does, and in all below each pin. In memory: a
// record for each file.
import type { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'

/** A file as it was last seen; replaced by another object when it has changed. */
export interface KeptFile {
  /** Changes with its versions. */
  readonly key: string
  /** Those that it is kept for, at least one. */
  readonly pins: ReadonlySet<NodeId>
  readonly wantedBytes: number
  actualBytes: number
  /** All its chunks are known. */
  isListed: boolean
  /** Why it was not whole when it was last tried. */
  failure: ShoalError | undefined
}

export interface Kept {
  readonly wantedBytes: number
  readonly actualBytes: number
}

const NOTHING: Kept = { wantedBytes: 0, actualBytes: 0 }

export class LocalPinTally {
  readonly #files = new Map<NodeId, KeptFile>()
  readonly #totals = new Map<NodeId, Kept>()
  readonly #incomplete = new Set<NodeId>()

  /** Files that are not whole. */
  get incomplete(): ReadonlySet<NodeId> {
    return this.#incomplete
  }

  get files(): ReadonlyMap<NodeId, KeptFile> {
    return this.#files
  }

  /** Below a pin. */
  of(pin: NodeId): Kept {
    return this.#totals.get(pin) ?? NOTHING
  }

  get wantedBytes(): number {
    let sum = 0
    for (const { wantedBytes } of this.#totals.values()) sum += wantedBytes
    return sum
  }

  /** A file as it is from now on, not whole yet. */
  set(id: NodeId, file: KeptFile): void {
    this.delete(id)
    this.#files.set(id, file)
    this.#count(file, file.wantedBytes, file.actualBytes)
    this.#incomplete.add(id)
  }

  delete(id: NodeId): void {
    const file = this.#files.get(id)
    if (file === undefined) return
    this.#files.delete(id)
    this.#incomplete.delete(id)
    this.#count(file, -file.wantedBytes, -file.actualBytes)
  }

  /** So much of a file is here; nothing happens if it is another by now. */
  put(id: NodeId, file: KeptFile, actualBytes: number): void {
    if (this.#files.get(id) !== file) return
    this.#count(file, 0, actualBytes - file.actualBytes)
    file.actualBytes = actualBytes
  }

  /** All of a file is here; nothing happens if it is another by now. */
  whole(id: NodeId, file: KeptFile): void {
    if (this.#files.get(id) !== file) return
    this.#incomplete.delete(id)
  }

  #count({ pins }: KeptFile, wanted: number, actual: number): void {
    for (const pin of pins) {
      const { wantedBytes, actualBytes } = this.of(pin)
      const sum = { wantedBytes: wantedBytes + wanted, actualBytes: actualBytes + actual }
      this.#totals.set(pin, sum)
    }
  }
}
