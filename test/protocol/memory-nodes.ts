// A store of a Prolly tree's nodes that notes what is asked of it.
import assert from 'node:assert/strict'
import { childrenOf, nodeHash } from '../../protocol/prolly/prolly.ts'
import { TREE_KEY } from './slow-prolly.ts'
import type { NodeHash, ProllyNodes } from '../../protocol/prolly/prolly.ts'

/** Holds the nodes of trees under TREE_KEY in memory, and lists gets and puts. */
export class MemoryNodes implements ProllyNodes {
  readonly held: Map<NodeHash, Uint8Array> = new Map()
  puts: NodeHash[] = []
  gets: NodeHash[] = []

  get(id: NodeHash): Uint8Array | undefined {
    this.gets.push(id)
    return this.held.get(id)
  }

  put(id: NodeHash, bytes: Uint8Array): void {
    assert.equal(id, nodeHash(TREE_KEY, bytes))
    this.puts.push(id)
    this.held.set(id, bytes)
  }
}

/** The bytes of a node that is held. */
export function bytesOf(nodes: MemoryNodes, id: NodeHash): Uint8Array {
  return nodes.held.get(id) ?? assert.fail(`${id} is not held`)
}

/** All nodes of a tree. */
export function reachable(nodes: MemoryNodes, root: NodeHash | undefined): Set<NodeHash> {
  const reached = new Set(root === undefined ? [] : [root])
  for (const id of reached) for (const child of childrenOf(bytesOf(nodes, id))) reached.add(child)
  return reached
}

/** Levels of a tree. */
export function levels(nodes: MemoryNodes, root: NodeHash | undefined): number {
  return root === undefined ? 0 : 1 + levels(nodes, childrenOf(bytesOf(nodes, root))[0])
}

/** How many nodes the last one below the root has below it. */
export function leavesBelowLast(nodes: MemoryNodes, root: NodeHash | undefined): number {
  const last = root && childrenOf(bytesOf(nodes, root)).at(-1)
  return last === undefined ? 0 : childrenOf(bytesOf(nodes, last)).length
}
