// Reading a Prolly tree (prolly.ts): nodes are decoded once while they stay among the last used,
// and a cursor goes over the nodes of one level from left to right without reading them. A node
// that is not what its parent says of it (one level lower, the last key, no key of another child)
// is refused, so whatever is read is in key order.
import { fromHex, toHex } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import {
  countBelow,
  decodeNode,
  encodeNode,
  itemBytes,
  keyAt,
  lastKey,
  malformed,
  valueAt,
} from './node.ts'
import type { ByteString } from '../bytes.ts'
import type { NodeHash, ProllyNodes } from './prolly.ts'
import type { ProllyNode } from './node.ts'

/** A node, and the key that all its keys are above. */
export interface Place {
  readonly node: ProllyNode
  readonly after: ByteString | undefined
}

interface Step extends Place {
  readonly index: number
}

/** The nodes of trees, decoded; the last used are kept. */
export class NodeReader {
  readonly #nodes: ProllyNodes
  readonly #keptMax: number
  /** The least recently used first. */
  readonly #kept = new Map<NodeHash, ProllyNode>()

  constructor(nodes: ProllyNodes, options: { readonly keptMax: number }) {
    this.#nodes = nodes
    this.#keptMax = options.keptMax
  }

  /**
   * throws ShoalError 'chunk-unavailable' for a node that is not held, 'malformed', 'unsupported'.
   */
  node(id: NodeHash): ProllyNode {
    let node = this.#kept.get(id)
    if (node === undefined) node = this.#read(id)
    else this.#kept.delete(id)
    this.#kept.set(id, node)
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > this.#keptMax) this.#kept.delete(oldest)
    return node
  }

  /** A child of a node. throws as `node` does, and 'malformed' if it is none. */
  child({ node, after }: Place, index: number): Place {
    const child = this.node(childHash(node, index))
    const lower = index > 0 ? keyAt(node, index - 1) : after
    if (
      child.level !== node.level - 1 ||
      lastKey(child) !== keyAt(node, index) ||
      (lower !== undefined && keyAt(child, 0) <= lower)
    ) {
      throw malformed('is not the child its parent tells of')
    }
    return { node: child, after: lower }
  }

  /**
   * A node above a root with nothing else below it, so that roots are children as all nodes are.
   */
  above(root: NodeHash): Place {
    const node = this.node(root)
    const key = lastKey(node)
    const hash = fromHex(root)
    const level = node.level + 1
    const bytes = encodeNode(level, [key], [hash], itemBytes(level, key, hash))
    return { node: decodeNode(bytes), after: undefined }
  }

  #read(id: NodeHash): ProllyNode {
    const bytes = this.#nodes.get(id)
    if (bytes === undefined) {
      throw new ShoalError('chunk-unavailable', `node ${id} of a tree is not held`)
    }
    return decodeNode(bytes)
  }
}

/** Stands on one node after another of one level of a tree, from the first on. */
export class Cursor {
  readonly #reader: NodeReader
  readonly #level: number
  /** The items on the path to the current node, outermost first. Empty past the end. */
  readonly #path: Step[]

  /** The tree has that level. */
  constructor(reader: NodeReader, root: NodeHash, level: number) {
    this.#reader = reader
    this.#level = level
    this.#path = [{ ...reader.above(root), index: 0 }]
    this.#descend('')
  }

  /** The last key of the current node; undefined past the end. */
  get key(): ByteString | undefined {
    const step = this.#path.at(-1)
    return step && keyAt(step.node, step.index)
  }

  /** The hash of the current node. */
  get hash(): NodeHash | undefined {
    const step = this.#path.at(-1)
    return step && childHash(step.node, step.index)
  }

  /** Read the current node. */
  read(): ProllyNode | undefined {
    const step = this.#path.at(-1)
    return step && this.#reader.child(step, step.index).node
  }

  /** Go to the next node. */
  next(): void {
    let step = this.#path.pop()
    while (step !== undefined && step.index + 1 === step.node.count) step = this.#path.pop()
    if (step === undefined) return
    this.#path.push({ ...step, index: step.index + 1 })
    this.#descend('')
  }

  /**
   * Go to the node where `key` is or would be: the first that ends at it or above, else the last.
   * `key` is above the nodes before the current one: there is no way back.
   */
  seek(key: ByteString): void {
    let step = this.#path.pop()
    while (step !== undefined && this.#path.length > 0 && lastKey(step.node) < key) {
      step = this.#path.pop()
    }
    if (step === undefined) return
    this.#path.push({ ...step, index: indexFor(step.node, key) })
    this.#descend(key)
  }

  #descend(key: ByteString): void {
    for (let step = this.#path.at(-1); step !== undefined; step = this.#path.at(-1)) {
      if (step.node.level === this.#level + 1) return
      const place = this.#reader.child(step, step.index)
      this.#path.push({ ...place, index: indexFor(place.node, key) })
    }
  }
}

/** The hash of child `index`. */
export function childHash(node: ProllyNode, index: number): NodeHash {
  return toHex(valueAt(node, index)) as NodeHash
}

function indexFor(node: ProllyNode, key: ByteString): number {
  return Math.min(countBelow(node, key), node.count - 1)
}
