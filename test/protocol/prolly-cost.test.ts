// The cost of what is done with a tree of records, counted in nodes that are read and made. Keys of
// about 900 bytes make trees of three levels from a few thousand records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hexToByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { ProllyTree, childrenOf } from '../../protocol/prolly/prolly.ts'
import type { ProllyNodes } from '../../protocol/prolly/prolly.ts'
import { freshFileId } from '../../protocol/tree/file-ids.ts'
import { MemoryNodes, bytesOf, levels } from './memory-nodes.ts'
import { TREE_KEY } from './slow-prolly.ts'
import type { TreeRecord } from './slow-prolly.ts'
import { xorshiftBytes } from './vectors.ts'

const treeOn = (nodes: ProllyNodes): ProllyTree =>
  new ProllyTree({ nodes, key: TREE_KEY }, { keptMax: 8 })

test('one change reads and makes a path of nodes, whatever the size of the tree', () => {
  const nodes = new MemoryNodes()
  const records = pool(5000)
  const root = treeOn(nodes).update(undefined, records)
  assert.ok(levels(nodes, root) >= 3)
  for (const i of [0, 1, 2500, 4999]) {
    const key = records[i]?.[0] ?? ''
    for (const change of [
      [key, undefined],
      [key, new Uint8Array(9)],
      [`${key}+`, new Uint8Array(99)],
    ] as const) {
      nodes.gets = []
      nodes.puts = []
      treeOn(nodes).update(root, [change])
      assert.ok(new Set(nodes.gets).size <= 10, `${new Set(nodes.gets).size} read`)
      assert.ok(nodes.puts.length <= 8, `${nodes.puts.length} put`)
    }
  }
})

test('between two steps of an update few nodes are made', () => {
  const nodes = new MemoryNodes()
  const records = pool(5000)
  const tree = treeOn(nodes)
  const root = tree.update(undefined, records)
  const few = deletes(records.filter((_, i) => i % 50 === 0))
  for (const steps of [tree.updating(undefined, records), tree.updating(root, few)]) {
    let most = 0
    nodes.puts = []
    for (let step = steps.next(); step.done !== true; step = steps.next()) {
      most = Math.max(most, nodes.puts.length)
      nodes.puts = []
    }
    assert.ok(most > 0 && most <= 20, `${most} nodes in a step`)
  }
})

test('what is made together lies in few nodes, whatever was there before', () => {
  const random = { bytes: (count: number) => xorshiftBytes(++seed, count) }
  let seed = 0
  const file = (atMs: number): TreeRecord => [
    `i${hexToByteString(freshFileId(random, atMs))}`,
    new Uint8Array(150),
  ]
  const nodes = new MemoryNodes()
  const tree = treeOn(nodes)
  const old = Array.from({ length: 20_000 }, (_, i) => file(1e12 + i)).sort(byKey)
  const root = tree.update(undefined, old)
  nodes.puts = []
  tree.update(root, Array.from({ length: 1000 }, () => file(1.1e12)).sort(byKey))
  assert.ok(nodes.puts.length <= 16, `${nodes.puts.length} nodes for 170 KB`)
})

test('new nodes are found without reading a leaf or what is the same', () => {
  const nodes = new MemoryNodes()
  const records = pool(5000)
  const old = treeOn(nodes).update(undefined, records)
  const root = treeOn(nodes).update(old, [[records[77]?.[0] ?? '', new Uint8Array(5)]])
  nodes.gets = []
  const found = [...treeOn(nodes).newNodes(old, root)]
  assert.ok(found.length <= 4)
  assert.ok(new Set(nodes.gets).size <= 8)
  assert.ok(nodes.gets.every((id) => childrenOf(bytesOf(nodes, id)).length > 0))
})

/** Records in key order, of keys of about 900 bytes. */
function pool(count: number): TreeRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const key = String.fromCharCode(i >> 8, i & 0xff) + 'k'.repeat(900 + (i % 6))
    return [key, new Uint8Array(i % 2000).fill(9)] as const
  })
}

function deletes(records: readonly TreeRecord[]): (readonly [ByteString, undefined])[] {
  return records.map(([key]) => [key, undefined])
}

function byKey([a]: TreeRecord, [b]: TreeRecord): number {
  return a < b ? -1 : 1
}
