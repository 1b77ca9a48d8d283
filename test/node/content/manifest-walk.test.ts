// Walks through manifests: each node once, sums as if each were listed as often as it is, and an
// end to all that is false.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeManifestNode, endsNode } from '../../../protocol/chunk/manifest.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import { FILE_SIZE_MAX, MANIFEST_ITEMS_MAX } from '../../../protocol/limits.ts'
import { nodeCache } from '../../../node/content/decoded-cache.ts'
import { ManifestTree } from '../../../node/content/manifest-tree.ts'
import {
  SeenNodes,
  chunksOf,
  refsWithin,
  sumOf,
  walk,
} from '../../../node/content/manifest-walk.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import type { Extent, Manifest, ManifestNode } from '../../../protocol/chunk/manifest.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import type { ChunkRef } from '../../../protocol/chunk/seal.ts'
import type { ChunkReader } from '../../../node/content/chunk-io.ts'

const { signal } = new AbortController()

/** Chunks in memory, by the bytes themselves. */
class Pieces {
  readonly #bytes = new Map<string, Uint8Array>()
  reads = 0

  readonly reader: ChunkReader = {
    read: (ref) => this.#read(ref),
    readOnce: (ref) => this.#read(ref),
    isNear: () => true,
  }

  add(bytes: Uint8Array, length = bytes.length): ChunkRef {
    const digest = blake3(bytes)
    const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, digest))
    this.#bytes.set(id, bytes)
    return { id, plainHash: digest, length, codec: 0, epoch: 1 }
  }

  node(node: ManifestNode): ChunkRef {
    return this.add(encodeManifestNode(node))
  }

  tree(manifest: Manifest): ManifestTree {
    return new ManifestTree(manifest, { chunks: this.reader, nodes: nodeCache(100_000) })
  }

  async #read({ id }: ChunkRef): Promise<Uint8Array> {
    this.reads++
    return this.#bytes.get(id) ?? assert.fail(`no chunk ${id}`)
  }
}

/** A chunk of `length` bytes after which no node ends before it is full. */
function data(pieces: Pieces, length: number): ChunkRef {
  for (let seed = 0; ; seed++) {
    const ref = pieces.add(Uint8Array.of(seed), length)
    if (!isEnd(ref)) return ref
  }
}

function isEnd({ plainHash }: ChunkRef): boolean {
  return endsNode(plainHash, MANIFEST_ITEMS_MAX - 1)
}

/** A manifest of `depth` + 1 nodes, each with 1024 items that are the same. */
function bomb(pieces: Pieces, depth: number): Manifest {
  let ref = data(pieces, 1)
  let size = 1
  for (let level = 0; level <= depth; level++) {
    const items = <Item>(item: Item): Item[] =>
      Array.from({ length: MANIFEST_ITEMS_MAX }, () => item)
    const below = { ref, size, allocated: size }
    ref = pieces.node(
      level === 0
        ? { level: 0, extents: items({ kind: 'chunk', ref }) }
        : { level, children: items(below) },
    )
    assert.ok(level === depth || !isEnd(ref), 'try other data')
    size *= MANIFEST_ITEMS_MAX
  }
  return { size, root: ref, depth }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('a walk through a manifest', () => {
  test('reads each node once, and counts it as often as it is listed', async () => {
    const pieces = new Pieces()
    const manifest = bomb(pieces, 4)
    assert.equal(manifest.size, 2 ** 50)
    const tree = pieces.tree(manifest)
    const ids = await all(chunksOf(tree, { signal }))
    assert.equal(pieces.reads, 5)
    assert.equal(new Set(ids).size, 6)
    const bytes = await sumOf(tree, { signal }, async (extents) => extents.length)
    assert.equal(bytes, manifest.size)
    const range = { from: 2 ** 20 + 5, to: 2 ** 49 + 3 }
    assert.equal(
      new Set((await all(refsWithin(tree, range, { signal }))).map(({ id }) => id)).size,
      5,
    )
  })

  test('leaves out nodes that other walks have come through', async () => {
    const pieces = new Pieces()
    const tree = pieces.tree(bomb(pieces, 2))
    const seen = new SeenNodes()
    assert.ok((await all(chunksOf(tree, { signal, seen }))).length > 0)
    assert.deepEqual(await all(chunksOf(tree, { signal, seen })), [])
  })

  test('a walk through the longest file of holes is fast', async () => {
    const pieces = new Pieces()
    const extents: Extent[] = [
      { kind: 'hole', length: FILE_SIZE_MAX - 5 },
      { kind: 'chunk', ref: data(pieces, 5) },
    ]
    const manifest = {
      size: FILE_SIZE_MAX,
      root: pieces.node({ level: 0, extents }),
      depth: 0,
      allocated: 5,
    }
    const tree = pieces.tree(manifest)
    assert.equal((await all(chunksOf(tree, { signal }))).length, 2)
    assert.equal(await tree.seek('data', 0, FILE_SIZE_MAX, { signal }), FILE_SIZE_MAX - 5)
  })

  test('stops at a node that contradicts its parent, or reports and skips it', async () => {
    const pieces = new Pieces()
    const chunk = { kind: 'chunk', ref: data(pieces, 100) } as const
    const leaf = { ref: pieces.node({ level: 0, extents: [chunk] }), size: 100, allocated: 100 }
    const sparse = pieces.node({ level: 0, extents: [{ kind: 'hole', length: 100 }] })
    const full = pieces.node({
      level: 0,
      extents: Array.from({ length: MANIFEST_ITEMS_MAX }, () => chunk),
    })
    const ofFull = { ref: full, size: 102_400, allocated: 102_400 }
    const lies: Readonly<Record<string, Manifest>> = {
      'a size': { size: FILE_SIZE_MAX, root: leaf.ref, depth: 0 },
      'a level': { size: 100, root: leaf.ref, depth: 1 },
      'holes that are none': { size: 100, root: leaf.ref, depth: 0, allocated: 50 },
      'holes that it does not tell of': { size: 100, root: sparse, depth: 0 },
      'a node that is none': { size: 100, root: chunk.ref, depth: 0 },
      'of a child the size': {
        size: 102_900,
        root: pieces.node({ level: 1, children: [ofFull, { ...leaf, size: 500, allocated: 500 }] }),
        depth: 1,
      },
      'a child on its own level': {
        size: 204_800,
        root: pieces.node({
          level: 1,
          children: [ofFull, { ...ofFull, ref: pieces.node({ level: 1, children: [ofFull] }) }],
        }),
        depth: 1,
      },
      'a node in the middle that is not full': {
        size: 102_500,
        root: pieces.node({ level: 1, children: [leaf, ofFull] }),
        depth: 1,
      },
      'two holes side by side': {
        size: 20,
        root: pieces.node({
          level: 0,
          extents: [
            { kind: 'hole', length: 10 },
            { kind: 'hole', length: 10 },
          ],
        }),
        depth: 0,
        allocated: 0,
      },
    }
    for (const [lie, manifest] of Object.entries(lies)) {
      const tree = pieces.tree(manifest)
      await assert.rejects(all(chunksOf(tree, { signal })), { code: 'contradiction' }, lie)
      const told: ShoalError[] = []
      const onFalse = (error: ShoalError): number => told.push(error)
      const ids = await all(chunksOf(tree, { signal, onFalse }))
      assert.equal(told.length, 1, lie)
      assert.equal(ids[0], manifest.root.id)
    }
    const tree = pieces.tree(lies['a size'] ?? assert.fail())
    const restore = plantWeakness('manifest-node')
    assert.equal((await all(chunksOf(tree, { signal }))).length, 2)
    restore()
  })

  test('reports a false node in each file that has it', async () => {
    const pieces = new Pieces()
    const leaf = pieces.node({ level: 0, extents: [{ kind: 'chunk', ref: data(pieces, 100) }] })
    const child = { ref: leaf, size: 7, allocated: 7 }
    const root = pieces.node({ level: 1, children: [child] })
    const seen = new SeenNodes()
    for (let file = 0; file < 2; file++) {
      let told = 0
      const onFalse = (): number => ++told
      await all(chunksOf(pieces.tree({ size: 7, root, depth: 1 }), { signal, seen, onFalse }))
      assert.equal(told, 1)
    }
  })

  test('ends with EFBIG when nodes are forgotten and met again over and over', async () => {
    const pieces = new Pieces()
    const seen = new SeenNodes()
    // As if all had been forgotten each time.
    const forgetful = Object.assign(Object.create(seen) as SeenNodes, {
      weightOf: () => undefined,
      isForgotten: () => true,
      add: () => undefined,
    })
    const tree = pieces.tree(bomb(pieces, 3))
    let nodes = 0
    const walked = (async () => {
      for await (const step of walk(tree, { signal, seen: forgetful })) {
        if (step.kind !== 'node') continue
        step.isLeftOut = step.node.level === 1
        nodes++
      }
    })()
    await assert.rejects(walked, { code: 'EFBIG' })
    assert.ok(nodes < 5000, `${nodes} nodes`)
  })
})
