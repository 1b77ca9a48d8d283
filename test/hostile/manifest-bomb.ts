// A file of petabytes from a few chunks: each node of its list of chunks holds the one below it a
// thousand times.
import assert from 'node:assert/strict'
import { encodeCbor } from '../../protocol/cbor.ts'
import { encodeManifestNode, endsNode } from '../../protocol/chunk/manifest.ts'
import { sealChunk } from '../../protocol/chunk/seal.ts'
import { chunkIdBytes, cidDigest } from '../../protocol/ids.ts'
import { MANIFEST_ITEMS_MAX } from '../../protocol/limits.ts'
import { chunkSecret } from '../../protocol/membership/members.ts'
import type { ChunkKeys, ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { Volume } from '../../node/log/volume.ts'

export interface Bomb {
  /** Plain bytes of its chunks: whoever puts a file of such bytes stores that chunk. */
  readonly pieces: readonly Uint8Array[]
  readonly size: number
  readonly root: ChunkRef
  readonly depth: number
  /** The node that lists data. */
  readonly leaf: ChunkRef
  /** One of a later version. */
  readonly later: ChunkRef
}

/** More than travels in the log. */
const DATA_BYTES = 2049
const DEPTH = 3

/** One that keeps all rules of the format. */
export function bombOf({ id, membership, genesis }: Volume): Bomb {
  const { epoch } = membership
  const secret = membership.secret(epoch)
  assert(secret !== undefined, 'who may read has a key')
  const keys = { volume: id, chunkSecret: chunkSecret(secret), epoch, hash: genesis.hash }
  for (let seed = 0; ; seed++) {
    const bomb = build(keys, seed)
    if (bomb !== undefined) return bomb
  }
}

/** Undefined where one of its chunks ends a node before it is full. */
function build(keys: ChunkKeys, seed: number): Bomb | undefined {
  const pieces: Uint8Array[] = []
  const seal = (plain: Uint8Array): ChunkRef => {
    pieces.push(plain)
    return sealChunk(keys, plain).ref
  }
  const fill = <Item>(item: Item): Item[] => Array.from({ length: MANIFEST_ITEMS_MAX }, () => item)
  let below = seal(Buffer.alloc(DATA_BYTES, `${seed} `))
  if (endsNode(cidDigest(chunkIdBytes(below.id)), MANIFEST_ITEMS_MAX - 1)) return undefined
  let size = DATA_BYTES
  let leaf: ChunkRef | undefined
  for (let level = 0; level <= DEPTH; level++) {
    const child = { ref: below, size, allocated: size }
    const node: ManifestNode =
      level === 0
        ? { level: 0, extents: fill({ kind: 'chunk', ref: below }) }
        : { level, children: fill(child) }
    below = seal(encodeManifestNode(node))
    leaf ??= below
    size *= MANIFEST_ITEMS_MAX
    const ends = endsNode(cidDigest(chunkIdBytes(below.id)), MANIFEST_ITEMS_MAX - 1)
    if (ends && level < DEPTH) return undefined
  }
  assert(leaf !== undefined, 'there is a leaf')
  const later = seal(encodeCbor({ v: 2, level: 0, items: [], new: new Uint8Array(DATA_BYTES) }))
  return { pieces, size, root: below, depth: DEPTH, leaf, later }
}
