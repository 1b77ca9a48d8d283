// Nodes of a manifest: what is encoded is decoded, what a peer may send is refused, ends follow
// from content.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeManifestNode,
  encodeManifestNode,
  endsNode,
  extentLength,
  nodeAllocated,
} from '../../protocol/chunk/manifest.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdBytes,
  chunkIdFromCid,
  cidDigest,
  encodeCid,
} from '../../protocol/ids.ts'
import { CHUNK_PLAIN_MAX, MANIFEST_ITEMS_MAX, MANIFEST_NODE_MAX } from '../../protocol/limits.ts'
import type { ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import { xorshiftBytes } from './vectors.ts'

describe('manifest', () => {
  test('a node decodes to what was encoded', () => {
    fc.assert(
      fc.property(nodes(), (node) => {
        assert.deepEqual(plain(decodeManifestNode(encodeManifestNode(node))), plain(node))
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('the largest node is within its bound', () => {
    const children = Array.from({ length: MANIFEST_ITEMS_MAX }, () => ({
      ref: { ...refOf(1), length: CHUNK_PLAIN_MAX, epoch: Number.MAX_SAFE_INTEGER },
      size: 2 ** 42,
      allocated: 2 ** 42 - 1,
    }))
    assert.ok(encodeManifestNode({ level: 7, children }).length < MANIFEST_NODE_MAX)
  })

  test('a node says of those below how much of them is holes, if any', () => {
    const whole = { ref: refOf(1), size: 5, allocated: 5 }
    const sparse = { ref: refOf(2), size: 5, allocated: 0 }
    const node: ManifestNode = { level: 1, children: [whole, sparse] }
    const items = fieldsOf(node)['items'] as readonly unknown[][]
    assert.deepEqual(
      items.map((item) => item.slice(5)),
      [[5], [5, 0]],
    )
    assert.equal(nodeAllocated(node), 5)
    const extents = [
      { kind: 'chunk' as const, ref: refOf(3) },
      { kind: 'hole' as const, length: 9 },
    ]
    assert.equal(nodeAllocated({ level: 0, extents }), refOf(3).length)
  })

  test('fields of a later version are skipped', () => {
    const fields = fieldsOf({ level: 0, extents: [{ kind: 'chunk', ref: refOf(1) }] })
    const items = [
      [...((fields['items'] as readonly unknown[][])[0] ?? []), 'new'],
      [7, 'new'],
    ]
    const node = decodeManifestNode(encodeCbor({ ...fields, items, new: true }))
    assert.ok('extents' in node)
    assert.deepEqual(node.extents.map(extentLength), [refOf(1).length, 7])
  })

  test('a value out of bounds is malformed, a later version or codec unsupported', () => {
    const item = [...encodedItem()]
    const ended = item.with(0, encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, new Uint8Array(32)))
    const bad = (code: string, fields: Record<string, unknown>): void => {
      const whole = { v: 1, level: 0, items: [item], ...fields }
      assert.throws(() => decodeManifestNode(encodeCbor(whole)), { code }, JSON.stringify(fields))
    }
    bad('unsupported', { v: 2 })
    bad('unsupported', { items: [item.with(3, 2)] })
    bad('malformed', { level: 8 })
    bad('malformed', { level: 1, items: [] })
    bad('malformed', { level: 1, items: [item] })
    bad('malformed', { level: 1, items: [[...item, 0]] })
    bad('malformed', { level: 1, items: [[...item, 5, 6]] })
    bad('malformed', { level: 1, items: [[...item, 5, 'none']] })
    bad('malformed', { items: 'none' })
    bad('malformed', { items: [5] })
    bad('malformed', { items: [[]] })
    bad('malformed', { items: [[0]] })
    bad('malformed', { items: [[-1]] })
    bad('malformed', { items: [[Number.MAX_SAFE_INTEGER], [1]] })
    bad('malformed', { items: [item.with(0, new Uint8Array(36))] })
    bad('malformed', { items: [item.with(1, new Uint8Array(31))] })
    bad('malformed', { items: [item.with(2, 0)] })
    bad('malformed', { items: [item.with(2, CHUNK_PLAIN_MAX + 1)] })
    bad('malformed', { items: [item.with(4, -1)] })
    bad('malformed', { items: [[5], [5]] })
    bad('malformed', { items: Array.from({ length: 33 }, () => ended) })
    bad('malformed', { level: 1, items: Array.from({ length: 33 }, () => [...ended, 9]) })
    bad('malformed', { items: Array.from({ length: MANIFEST_ITEMS_MAX + 1 }, () => [1]) })
    assert.throws(() => decodeManifestNode(new Uint8Array(MANIFEST_NODE_MAX + 1)), {
      code: 'malformed',
    })
  })

  test('no bytes make the decoder throw anything but a ShoalError', () => {
    const good = encodeManifestNode({ level: 0, extents: [{ kind: 'chunk', ref: refOf(1) }] })
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
        const bytes = Uint8Array.from(good.subarray(0, end))
        if (at < end) bytes[at] = byte
        try {
          decodeManifestNode(bytes)
        } catch (error) {
          assert.ok(
            error instanceof ShoalError && ['malformed', 'unsupported'].includes(error.code),
          )
        }
      }),
      { seed: 2, numRuns: 500 },
    )
  })

  test('nodes have 256 items on average, at least 32 and at most 1024', () => {
    const ends: number[] = []
    let count = 0
    for (let item = 0; item < 200_000; item++) {
      count++
      const start = Buffer.alloc(32)
      start.writeUInt32BE((item * 2_654_435_761) % 2 ** 32)
      if (!endsNode(blake3(start), count)) continue
      ends.push(count)
      count = 0
    }
    const average = ends.reduce((sum, n) => sum + n, 0) / ends.length
    assert.ok(average > 230 && average < 280, `${average} items`)
    assert.ok(Math.min(...ends) >= 32 && Math.max(...ends) <= MANIFEST_ITEMS_MAX)
  })

  test('a hole ends only a full node', () => {
    assert.ok(!endsNode(undefined, MANIFEST_ITEMS_MAX - 1))
    assert.ok(endsNode(undefined, MANIFEST_ITEMS_MAX))
    assert.ok(endsNode(new Uint8Array(32), 32))
    assert.ok(!endsNode(new Uint8Array(32), 31))
  })
})

function refOf(seed: number): ChunkRef {
  const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, xorshiftBytes(seed, 32)))
  return {
    id,
    plainHash: xorshiftBytes(seed + 1, 32),
    length: 1 + seed,
    codec: seed % 2 === 0 ? 0 : 1,
    epoch: seed,
  }
}

function nodes(): fc.Arbitrary<ManifestNode> {
  const ref = fc.integer({ min: 1, max: 1_000_000 }).map(refOf)
  const size = fc.integer({ min: 1, max: 2 ** 50 })
  const extent = fc.oneof(
    fc.record({ kind: fc.constant('chunk' as const), ref }),
    fc.record({ kind: fc.constant('hole' as const), length: fc.integer({ min: 1, max: 2 ** 40 }) }),
  )
  const child = fc
    .tuple(ref, size, fc.nat(1024))
    .map(([ref, n, holes]) => ({ ref, size: Math.ceil(n / 1024), holes }))
    .map(({ ref, size, holes }) => ({ ref, size, allocated: Math.max(0, size - holes) }))
  return fc.oneof(
    fc.record({
      level: fc.constant(0 as const),
      extents: fc
        .array(extent, { maxLength: 50 })
        .map((all) => all.filter((one, at) => one.kind === 'chunk' || all[at - 1]?.kind !== 'hole'))
        .filter(
          (all) => !all.slice(0, -1).some((one, at) => one.kind === 'chunk' && ends(one, at)),
        ),
    }),
    fc.record({
      level: fc.integer({ min: 1, max: 7 }),
      children: fc
        .array(child, { minLength: 1, maxLength: 50 })
        .filter((all) => !all.slice(0, -1).some(ends)),
    }),
  )
}

function ends({ ref }: { readonly ref: ChunkRef }, at: number): boolean {
  return endsNode(cidDigest(chunkIdBytes(ref.id)), at + 1)
}

/** Decoded arrays may be views of another class: compare what they hold. */
function plain(node: ManifestNode): unknown {
  return JSON.parse(
    JSON.stringify(node, (_key, value: unknown) =>
      value instanceof Uint8Array ? [...value] : value,
    ),
  )
}

function fieldsOf(node: ManifestNode): Record<string, unknown> {
  return decodeCbor(encodeManifestNode(node), 'node') as Record<string, unknown>
}

function encodedItem(): readonly unknown[] {
  const fields = fieldsOf({ level: 0, extents: [{ kind: 'chunk', ref: refOf(1) }] })
  return (fields['items'] as readonly unknown[][])[0] ?? []
}
