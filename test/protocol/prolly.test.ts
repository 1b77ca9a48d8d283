// The tree of records whose root follows from the records alone. Keys of about 900 bytes make trees
// of three levels from a few hundred records.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toByteString, toHex, utf8 } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { blake3, deriveKey } from '../../protocol/hash.ts'
import { ProllyTree, childrenOf, nodeHash } from '../../protocol/prolly/prolly.ts'
import { decodeNode, encodeNode, keyAt, lastKey, valueAt } from '../../protocol/prolly/node.ts'
import { TREE_KEY, cutStart, isNaturalEnd, itemSize, slowRoot } from './slow-prolly.ts'
import { assertRefusal, assertRefusesOnly } from './hostile.ts'
import { MemoryNodes, bytesOf, leavesBelowLast, levels, reachable } from './memory-nodes.ts'
import { checkVectors, xorshiftBytes } from './vectors.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { TreeRecord } from './slow-prolly.ts'
import type { NodeHash, ProllyNodes } from '../../protocol/prolly/prolly.ts'
import { tries } from '../effort.ts'

type Change = readonly [ByteString, Uint8Array | undefined]

const POOL = 700

/** The pool's i-th key in order, of 2 to 907 bytes, all but a few long. */
const longKey = (i: number): ByteString =>
  String.fromCharCode(i >> 8, i & 0xff) + 'k'.repeat(i % 97 === 0 ? 0 : 900 + (i % 6))

const treeOn = (nodes: ProllyNodes, key = TREE_KEY): ProllyTree =>
  new ProllyTree({ nodes, key }, { keptMax: 8 })

describe('prolly', () => {
  test('whatever the order and the batches, the root is that of the rule, and no node is made in vain', () => {
    fc.assert(
      fc.property(fc.array(anyBatch(), { minLength: 1, maxLength: 6 }), (batches) => {
        const nodes = new MemoryNodes()
        const tree = treeOn(nodes)
        const records = new Map<ByteString, Uint8Array>()
        let root: NodeHash | undefined
        for (const batch of batches) {
          const before = reachable(nodes, root)
          nodes.puts = []
          const old = root
          root = tree.update(old, batch)
          for (const [key, value] of batch) {
            if (value === undefined) records.delete(key)
            else records.set(key, value)
          }
          assert.equal(root, slowRoot(sorted(records)))
          const after = reachable(nodes, root)
          assert.deepEqual([...tree.newNodes(old, root)].sort(), minus(after, before))
          assert.deepEqual([...tree.newNodes(root, old)].sort(), minus(before, after))
          assert.deepEqual(minus(new Set(nodes.puts), before), minus(after, before))
        }
        assert.deepEqual([...tree.scan(root)].map(plain), sorted(records).map(plain))
      }),
      { seed: 1, numRuns: tries(8) },
    )
  })

  test('records that are not the same in another tree are found, within a range', () => {
    const anyEnds = fc.tuple(fc.nat(POOL), fc.nat(POOL))
    fc.assert(
      fc.property(anyBatch(), anyBatch(), anyEnds, (first, second, [a, b]) => {
        const nodes = new MemoryNodes()
        const tree = treeOn(nodes)
        const old = tree.update(undefined, first)
        const now = tree.update(old, second)
        const range = { from: longKey(Math.min(a, b)), to: longKey(Math.max(a, b)) }
        for (const [from, to] of [
          [old, now],
          [now, old],
          [undefined, now],
        ] as const) {
          const known = new Set([...tree.scan(from)].map(plain))
          const expected = [...tree.scan(to, range)].map(plain).filter((one) => !known.has(one))
          assert.deepEqual([...tree.newRecords(from, to, range)].map(plain), expected)
        }
      }),
      { seed: 3, numRuns: tries(30) },
    )
  })

  test('a tree that shrinks to one record, level by level, has the root of that record', () => {
    const records = pool(3)
    const alone = treeOn(new MemoryNodes()).update(undefined, records.slice(-1))
    for (const step of [1, 30, POOL - 1]) {
      const nodes = new MemoryNodes()
      const tree = treeOn(nodes)
      let root = tree.update(undefined, records)
      for (let i = 0; i < POOL - 1; i += step) {
        root = tree.update(root, deletes(records.slice(i, Math.min(i + step, POOL - 1))))
      }
      assert.equal(root, alone)
      assert.equal(tree.update(root, deletes(records)), undefined)
    }
  })

  test('if one leaf is left unchanged, it is the root, and no node is made', () => {
    const nodes = new MemoryNodes()
    const tree = treeOn(nodes)
    const records = pool(2)
    let count = 300
    let root = tree.update(undefined, records.slice(0, count))
    // The last node above the leaves has one.
    while (levels(nodes, root) < 3 || leavesBelowLast(nodes, root) > 1) {
      assert.ok(count < POOL)
      root = tree.update(root, records.slice(count, ++count))
    }
    for (const leaf of reachable(nodes, root)) {
      const node = decodeNode(bytesOf(nodes, leaf))
      if (node.level > 0) continue
      const [first, last] = [keyAt(node, 0), lastKey(node)]
      const others = records.slice(0, count).filter(([key]) => key < first || key > last)
      nodes.puts = []
      assert.equal(tree.update(root, deletes(others)), leaf)
      assert.deepEqual(nodes.puts, [])
    }
  })

  test('keys chosen so that none, or every one, is a natural end are cut alike in any order', () => {
    const size = 1600
    for (const wanted of [false, true]) {
      const records: TreeRecord[] = []
      for (let i = 0; records.length < 900; i++) {
        const key = toByteString(blake3(utf8(`${i}`)))
        if (isNaturalEnd(0, key, itemSize(0, key, size)) === wanted)
          records.push([key, filled(i, size)])
      }
      const tree = treeOn(new MemoryNodes())
      let root: NodeHash | undefined
      for (let i = 0; i < records.length; i += 60) {
        root = tree.update(root, records.slice(i, i + 60).sort(byKey))
      }
      assert.equal(root, slowRoot(records.sort(byKey)))
    }
  })

  test('nodes may be deleted as they come, and what is kept stays whole', () => {
    const nodes = new MemoryNodes()
    const tree = new ProllyTree({ nodes, key: TREE_KEY }, { keptMax: 1 })
    const records = pool(5)
    const old = tree.update(undefined, records)
    const kept = tree.update(
      old,
      records.slice(100, 300).map(([key]) => [key, new Uint8Array(7)]),
    )
    for (const id of tree.newNodes(kept, old)) nodes.held.delete(id)
    assert.deepEqual(new Set(nodes.held.keys()), reachable(nodes, kept))
    assert.equal([...tree.scan(kept)].length, POOL)
    for (const id of tree.newNodes(undefined, kept)) nodes.held.delete(id)
    assert.equal(nodes.held.size, 0)
  })

  test('changes that change nothing make no node', () => {
    const nodes = new MemoryNodes()
    const tree = treeOn(nodes)
    const records = pool(4)
    const root = tree.update(undefined, records)
    nodes.puts = []
    assert.equal(tree.update(root, []), root)
    assert.equal(tree.update(root, records.slice(50, 90)), root)
    assert.equal(
      tree.update(root, [
        ['\0', undefined],
        ['absent', undefined],
        ['\xff', undefined],
      ]),
      root,
    )
    assert.deepEqual(nodes.puts, [])
    assert.equal(tree.update(undefined, [['absent', undefined]]), undefined)
  })

  test('a record is read by its key, and no other key has one', () => {
    const tree = treeOn(new MemoryNodes())
    const records = pool(6).filter((_, i) => i % 2 === 1)
    const root = tree.update(undefined, records)
    for (const [key, value] of records) assert.deepEqual(tree.get(root, key), value)
    for (let i = 0; i < POOL; i += 2) assert.equal(tree.get(root, longKey(i)), undefined)
    for (const key of ['', '\0', '\xff'.repeat(9)]) assert.equal(tree.get(root, key), undefined)
    assert.equal(tree.get(undefined, 'a'), undefined)
  })

  test('a scan gives the records of its range', () => {
    const tree = treeOn(new MemoryNodes())
    const records = pool(6)
    const root = tree.update(undefined, records)
    const bound = fc.option(
      fc.nat(POOL + 20).map((i) => longKey(i).slice(0, 2 + (i % 5))),
      { nil: undefined },
    )
    fc.assert(
      fc.property(bound, bound, (from = '', to) => {
        const range = to === undefined ? { from } : { from, to }
        const wanted = records.filter(([key]) => key >= from && (to === undefined || key < to))
        assert.deepEqual([...tree.scan(root, range)].map(plain), wanted.map(plain))
      }),
      { seed: 2, numRuns: tries(15) },
    )
    assert.deepEqual([...tree.scan(undefined)], [])
  })

  test('under another key the same records are cut elsewhere', () => {
    const cuts = (key: Uint8Array): readonly number[] => {
      const lengths: number[] = []
      const nodes: ProllyNodes = {
        get: (id) => held.get(id),
        put: (id, bytes) => void (held.set(id, bytes), lengths.push(bytes.length)),
      }
      const held = new Map<NodeHash, Uint8Array>()
      treeOn(nodes, key).update(undefined, pool(8))
      return lengths
    }
    assert.notDeepEqual(cuts(TREE_KEY), cuts(TREE_KEY.toReversed()))
  })

  test('a node that is missing, or not what its parent tells of, is refused', () => {
    const nodes = new MemoryNodes()
    const records = pool(7)
    const root = treeOn(nodes).update(undefined, records) ?? assert.fail()
    const [first = assert.fail(), second = assert.fail()] = childrenOf(bytesOf(nodes, root))
    const readAll = (): unknown => [...treeOn(nodes).scan(root)]
    const node = decodeNode(bytesOf(nodes, second))
    const ends = [keyAt(node, 0), lastKey(node)] as const
    for (const wrong of [
      bytesOf(nodes, first),
      innerNode(node.level + 1, ends),
      innerNode(node.level, ['\0', ends[1]]),
      innerNode(node.level, [ends[0], `${ends[1]}+`]),
    ]) {
      nodes.held.set(second, wrong)
      assert.throws(readAll, (error) => hasCode(error, 'malformed'))
    }
    nodes.held.delete(second)
    assert.throws(readAll, (error) => hasCode(error, 'chunk-unavailable'))
  })

  test('records out of order, twice, or too large are refused', () => {
    const tree = treeOn(new MemoryNodes())
    const one = new Uint8Array(1)
    for (const keys of ['ba', 'aa']) {
      const changes = keys.split('').map((key) => [key, one] as const)
      assert.throws(
        () => tree.update(undefined, changes),
        (error) => hasCode(error, 'internal'),
      )
    }
    const large: readonly Change[] = [
      ['k'.repeat(1025), one],
      ['k', new Uint8Array(4 * 2 ** 20)],
    ]
    for (const change of large) {
      assert.throws(
        () => tree.update(undefined, [change]),
        (error) => hasCode(error, 'malformed'),
      )
    }
  })
})

describe('prolly-node', () => {
  const leaf = encodeNode(0, ['a', 'bb'], [utf8('one'), new Uint8Array()], 2 * 6 + 3 + 3)
  const inner = encodeNode(1, ['k', 'kk'], [TREE_KEY, TREE_KEY.toReversed()], 2 * 2 + 3 + 64)

  test('whatever bytes come, they are refused, or are the one form of a node', () => {
    const nodes = new MemoryNodes()
    treeOn(nodes).update(undefined, pool(2, 40))
    const canonical = (bytes: Uint8Array): void => {
      const node = decodeNode(bytes)
      const indices = Array.from({ length: node.count }, (_, i) => i)
      const keys = indices.map((i) => keyAt(node, i))
      const values = indices.map((i) => valueAt(node, i))
      assert.deepEqual(
        Buffer.from(encodeNode(node.level, keys, values, bytes.length - 4)),
        Buffer.from(bytes),
      )
      assert.deepEqual(keys, [...new Set(keys)].sort())
    }
    assertRefusesOnly(canonical, [leaf, inner, ...[...nodes.held.values()].slice(0, 3)], {
      cbor: false,
    })
    const whole = fc
      .uint8Array({ maxLength: 40 })
      .map((rest) => Uint8Array.from([1, 0, 0, ...rest]))
    fc.assert(
      fc.property(whole, (bytes) => assertRefusal(() => canonical(bytes))),
      { seed: 3 },
    )
  })

  test('a node that is empty, unsorted, of a later version, too high, too long or goes on when full is refused', () => {
    const full = [new Uint8Array(131_072), new Uint8Array(1)]
    const cases = [
      ['malformed', encodeNode(0, [], [], 0)],
      ['malformed', encodeNode(0, ['b', 'a'], [TREE_KEY, TREE_KEY], 2 * 6 + 2 + 64)],
      ['malformed', encodeNode(0, ['a', 'a'], [TREE_KEY, TREE_KEY], 2 * 6 + 2 + 64)],
      ['malformed', encodeNode(64, ['a'], [TREE_KEY], 2 + 1 + 32)],
      ['malformed', encodeNode(0, ['a', 'b'], full, 2 * 6 + 2 + 131_073)],
      ['malformed', encodeNode(0, ['a'.repeat(1025)], [TREE_KEY], 6 + 1025 + 32)],
      ['malformed', encodeNode(0, ['a'], [new Uint8Array(2 ** 22)], 6 + 1 + 2 ** 22)],
      ['unsupported', leaf.with(0, 2)],
    ] as const
    for (const [code, bytes] of cases) {
      assert.throws(
        () => childrenOf(bytes),
        (error) => hasCode(error, code),
        toHex(bytes.subarray(0, 40)),
      )
    }
  })

  test('golden vectors', () => {
    const nodes = new MemoryNodes()
    const records = Array.from({ length: 400 }, (_, i) => {
      const key = toByteString(utf8(`d${String(i).padStart(3, '0')}`))
      return [key, xorshiftBytes(i + 1, 100 + (i % 50))] as const
    })
    const root = treeOn(nodes).update(undefined, records) ?? assert.fail()
    checkVectors('checkpoint', {
      key: toHex(TREE_KEY),
      leaf: toHex(leaf),
      leafHash: nodeHash(TREE_KEY, leaf),
      inner: toHex(inner),
      cutKey: toHex(deriveKey('shoal 2026 tree cut v1', TREE_KEY)),
      cut: cutStart(0, 'a'),
      tree: {
        root,
        leaves: childrenOf(bytesOf(nodes, root)).map((id) => ({
          hash: id,
          length: bytesOf(nodes, id).length,
        })),
      },
    })
  })
})

/** Puts and deletes of single keys, and of runs of them. Now and then a value that fills a node. */
function anyBatch(): fc.Arbitrary<readonly Change[]> {
  const value = fc.oneof(
    { weight: 40, arbitrary: fc.nat(4000) },
    { weight: 4, arbitrary: fc.constant(17_000) },
    { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 150_000 }) },
  )
  const change = fc
    .tuple(fc.nat(POOL - 1), fc.oneof(fc.constant(1), fc.nat(POOL)), fc.option(value), fc.nat(255))
    .map(([first, run, length, byte]) =>
      Array.from({ length: Math.min(run, POOL - first) }, (_, i): Change => {
        // Within a run lengths vary too, but not the large ones.
        const varied = length === null ? undefined : length > 4000 && i > 0 ? i : length
        return [longKey(first + i), varied === undefined ? undefined : filled(byte, varied)]
      }),
    )
  return fc
    .array(change, { minLength: 1, maxLength: 8 })
    .map((runs) => [...new Map(runs.flat())].sort(byKey))
}

function filled(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte)
}

/** Records of the first `count` keys, ascending. */
function pool(byte: number, count = POOL): TreeRecord[] {
  return Array.from({ length: count }, (_, i) => [longKey(i), filled(byte, i % 2000)] as const)
}

function deletes(records: readonly Change[]): Change[] {
  return records.map(([key]) => [key, undefined])
}

function sorted(records: ReadonlyMap<ByteString, Uint8Array>): TreeRecord[] {
  return [...records].sort(byKey)
}

function byKey([a]: Change, [b]: Change): number {
  return a < b ? -1 : 1
}

function plain([key, value]: TreeRecord): string {
  return `${key} ${toHex(value)}`
}

function minus(all: ReadonlySet<NodeHash>, without: ReadonlySet<NodeHash>): NodeHash[] {
  return [...all.difference(without)].sort()
}

function innerNode(level: number, keys: readonly [ByteString, ByteString]): Uint8Array {
  const hash = filled(1, 32)
  return encodeNode(level, keys, [hash, hash], 2 * (2 + 32) + keys.join('').length)
}
