// Inode numbers: what the kernel calls a directory, file or conflict copy of a mount. A number is
// made from the id, so it is the same at the next mount and on other nodes, short of a rare clash,
// which takes the next free number. A number is kept while the kernel holds it. Memory: O(what the
// kernel holds).
import { LRUCache } from 'lru-cache'
import { utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'

const ROOT_INODE = 1
const LISTED_MAX = 16_384
/**
 * Numbers stay below 2^48, so that they are exact in JavaScript and fit where programs keep 64
 * bits.
 */
const INODE_BITS_BYTES = 6

interface Known {
  readonly target: ViewTarget
  readonly key: string
  lookups: number
}

export class InodeTable {
  readonly #byNumber = new Map<number, Known>()
  readonly #byKey = new Map<string, number>()
  /**
   * Entries of listings that the kernel may come to hold; old ones are of listings long answered.
   */
  readonly #listed = new LRUCache<number, ViewTarget>({ max: LISTED_MAX })
  readonly #root: ViewTarget

  constructor(root: ViewTarget = { kind: 'dir', id: ROOT }) {
    this.#root = root
    this.#byNumber.set(ROOT_INODE, {
      target: root,
      key: keyOf(root),
      lookups: Number.POSITIVE_INFINITY,
    })
    this.#byKey.set(keyOf(root), ROOT_INODE)
  }

  /** The object that a number stands for. throws 'ESTALE'. */
  target(inode: number): ViewTarget {
    const known = this.#byNumber.get(inode)
    if (known === undefined)
      throw new ShoalError('ESTALE', `inode ${inode} is not known to this mount`)
    return known.target
  }

  /** Whatever the kernel holds. */
  *targets(): Generator<ViewTarget> {
    for (const { target } of this.#byNumber.values()) yield target
  }

  /** The number of a target if the kernel holds it. */
  numberOf(target: ViewTarget): number | undefined {
    return this.#byKey.get(keyOf(target))
  }

  /** The number of an entry of a listing, which the kernel may or may not come to hold (retain). */
  list(target: ViewTarget): number {
    const known = this.numberOf(target)
    if (known !== undefined) return known
    const number = this.#free(keyOf(target))
    this.#listed.set(number, target)
    return number
  }

  /** The kernel holds an entry of a listing once more. */
  retain(inode: number): void {
    const target = this.#byNumber.get(inode)?.target ?? this.#listed.get(inode)
    if (target !== undefined) this.hold(target)
  }

  /** A number for a target that is handed to the kernel, which holds it once more. */
  hold(target: ViewTarget): number {
    const key = keyOf(target)
    const number = this.#byKey.get(key) ?? this.#free(key)
    const known = this.#byNumber.get(number)
    if (known === undefined) {
      this.#byNumber.set(number, { target, key, lookups: 1 })
      this.#byKey.set(key, number)
    } else {
      known.lookups++
    }
    return number
  }

  /**
   * The kernel dropped so many lookups. returns what it does not hold any more, if that was all.
   */
  forget(inode: number, count: number): ViewTarget | undefined {
    const known = this.#byNumber.get(inode)
    if (known === undefined || known.target === this.#root) return undefined
    known.lookups -= count
    if (known.lookups > 0) return undefined
    this.#byNumber.delete(inode)
    this.#byKey.delete(known.key)
    return known.target
  }

  #free(key: string): number {
    const hash = Buffer.from(blake3(utf8(key)))
    let number = hash.readUIntBE(0, INODE_BITS_BYTES)
    while (number <= ROOT_INODE || this.#byNumber.has(number)) number++
    return number
  }
}

function keyOf(target: ViewTarget): string {
  return target.kind === 'dir' ? target.id : `${target.id}${target.version ?? ''}`
}
