// The manifest of a file version: its chunks in order, as a tree of nodes that are sealed chunks
// themselves. Where a node ends is decided by the chunk id of its last item, so two versions share
// every node but those on the paths to what differs (as in a Prolly tree: Noms, "Prolly Trees",
// 2015). This file knows nodes; who stores them builds the tree.
//
// A node is DAG-CBOR {v: 1, level, items}. An extent is [chunk id, plain hash, length, codec,
// epoch], a hole [length]; a child is [chunk id, plain hash, length, codec, epoch, file bytes below
// it], and where these have holes how many of them have none. Unknown map keys and what follows the
// known elements of an item are skipped.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import { CID_BYTES, chunkIdBytes, chunkIdFromCid, cidDigest } from '../ids.ts'
import {
  CHUNK_PLAIN_MAX,
  FILE_SIZE_MAX,
  MANIFEST_ITEMS_MAX,
  MANIFEST_LEVELS_MAX,
  MANIFEST_NODE_MAX,
} from '../limits.ts'
import { enforces } from '../trust.ts'
import { KNOWN_CODECS } from './seal.ts'
import type { ChunkRef } from './seal.ts'

/** A piece of a file: a chunk, or `length` zero bytes that are stored nowhere. */
export type Extent =
  | { readonly kind: 'chunk'; readonly ref: ChunkRef }
  | { readonly kind: 'hole'; readonly length: number }

/** A node one level down, and the file bytes that it covers. */
export interface ManifestChild {
  readonly ref: ChunkRef
  readonly size: number
  /** Bytes of these that are in chunks and not in holes. */
  readonly allocated: number
}

/** Level 0 lists the file's extents, each level above lists the nodes of the one below. */
export type ManifestNode =
  | { readonly level: 0; readonly extents: readonly Extent[] }
  | { readonly level: number; readonly children: readonly ManifestChild[] }

/** The content of a file version that has chunks. */
export interface Manifest {
  /** Bytes of the file. */
  readonly size: number
  readonly root: ChunkRef
  /** Level of the root node. */
  readonly depth: number
  /** Bytes that are in chunks and not in holes; absent: all. */
  readonly allocated?: number
}

const MANIFEST_VERSION = 1
/** In CBOR, of a node with all its items: of each up to 8, and what later versions may add. */
const CBOR_ITEMS: number = 16 * MANIFEST_ITEMS_MAX
const ITEMS_MIN = 32
/** Past ITEMS_MIN one item in this many ends a node: 256 items on average. */
const ITEMS_PER_END = 224

/** Bytes of the file that an extent covers. */
export function extentLength(extent: Extent): number {
  return extent.kind === 'chunk' ? extent.ref.length : extent.length
}

/**
 * Does a node end after this item, its `count`-th? Yes at MANIFEST_ITEMS_MAX, and from ITEMS_MIN on
 * where the item's hash starts with a small number.
 *
 * itemHash: the digest in the item's chunk id; undefined for a hole, which ends only a full node.
 */
export function endsNode(itemHash: Uint8Array | undefined, count: number): boolean {
  if (count >= MANIFEST_ITEMS_MAX) return true
  if (count < ITEMS_MIN || itemHash === undefined) return false
  const start = new DataView(itemHash.buffer, itemHash.byteOffset).getUint32(0)
  return start < Math.floor(2 ** 32 / ITEMS_PER_END)
}

/** Does the last item of a node end it? Only the last node of a level may do without. */
export function isEnded(node: ManifestNode): boolean {
  const extent = 'extents' in node ? node.extents.at(-1) : undefined
  const ref = 'children' in node ? node.children.at(-1)?.ref : refOf(extent)
  const count = 'extents' in node ? node.extents.length : node.children.length
  return endsNode(ref === undefined ? undefined : cidDigest(chunkIdBytes(ref.id)), count)
}

function refOf(extent: Extent | undefined): ChunkRef | undefined {
  return extent?.kind === 'chunk' ? extent.ref : undefined
}

/** The bytes of a node, to be sealed as a chunk. */
export function encodeManifestNode(node: ManifestNode): Uint8Array {
  const items =
    'extents' in node
      ? node.extents.map((extent) =>
          extent.kind === 'chunk' ? refItem(extent.ref) : [extent.length],
        )
      : node.children.map(({ ref, size, allocated }) =>
          allocated === size ? [...refItem(ref), size] : [...refItem(ref), size, allocated],
        )
  return encodeCbor({ v: MANIFEST_VERSION, level: node.level, items })
}

/**
 * Inverse of encodeManifestNode. throws ShoalError 'malformed', also where an item before the last
 * ends the node, or holes stand side by side; 'unsupported' for what a later version wrote.
 */
export function decodeManifestNode(bytes: Uint8Array): ManifestNode {
  if (bytes.length > MANIFEST_NODE_MAX) throw malformed('is too large')
  const fields = new Fields(decodeCbor(bytes, 'manifest node', CBOR_ITEMS), 'manifest node')
  const version = fields.integer('v')
  if (version !== MANIFEST_VERSION) {
    throw new ShoalError('unsupported', `manifest version ${version} is newer than this node`)
  }
  const level = fields.integer('level', 0, MANIFEST_LEVELS_MAX - 1)
  const items = fields.list('items', MANIFEST_ITEMS_MAX).map((item) => {
    if (!Array.isArray(item)) throw malformed('has an item that is not a list')
    return item as readonly unknown[]
  })
  if (level > 0 && items.length === 0) throw malformed('has no children')
  const node: ManifestNode =
    level === 0
      ? { level: 0, extents: items.map(readExtent) }
      : { level, children: items.map(readChild) }
  if (nodeSize(node) > FILE_SIZE_MAX) throw malformed('covers more than a file can have')
  if (enforces('manifest-node')) checkCuts(items)
  return node
}

/**
 * So a node has ITEMS_MIN items unless it is the last of its level, and a leaf chunks in half of
 * its items or more.
 */
function checkCuts(items: readonly (readonly unknown[])[]): void {
  let wasHole = false
  items.forEach(([cid], at) => {
    const hash = cid instanceof Uint8Array ? cidDigest(cid) : undefined
    if (hash === undefined && wasHole) throw malformed('has two holes side by side')
    wasHole = hash === undefined
    if (at + 1 < items.length && endsNode(hash, at + 1)) throw malformed('goes on after its end')
  })
}

/** File bytes that a node covers. */
export function nodeSize(node: ManifestNode): number {
  return 'extents' in node
    ? node.extents.reduce((sum, extent) => sum + extentLength(extent), 0)
    : node.children.reduce((sum, child) => sum + child.size, 0)
}

/** Bytes of a node that are in chunks and not in holes. */
export function nodeAllocated(node: ManifestNode): number {
  return 'extents' in node
    ? node.extents.reduce(
        (sum, extent) => sum + (extent.kind === 'chunk' ? extent.ref.length : 0),
        0,
      )
    : node.children.reduce((sum, child) => sum + child.allocated, 0)
}

/** A reference as it stands in lists. */
export function refItem(ref: ChunkRef): readonly unknown[] {
  return [chunkIdBytes(ref.id), ref.plainHash, ref.length, ref.codec, ref.epoch]
}

function readExtent(item: readonly unknown[]): Extent {
  return typeof item[0] === 'number'
    ? { kind: 'hole', length: integer(item[0], 1, FILE_SIZE_MAX) }
    : { kind: 'chunk', ref: readRef(item) }
}

function readChild(item: readonly unknown[]): ManifestChild {
  const size = integer(item[5], 1, FILE_SIZE_MAX)
  const allocated = item[6] === undefined ? size : integer(item[6], 0, size)
  return { ref: readRef(item), size, allocated }
}

/** Inverse of refItem; what follows is skipped. throws ShoalError 'malformed', 'unsupported'. */
export function readRef([cid, plainHash, length, codec, epoch]: readonly unknown[]): ChunkRef {
  if (!(cid instanceof Uint8Array) || cid.length !== CID_BYTES)
    throw malformed('has a bad chunk id')
  if (!(plainHash instanceof Uint8Array) || plainHash.length !== HASH_BYTES) {
    throw malformed('has a bad plain hash')
  }
  const known = KNOWN_CODECS.find((one) => one === codec)
  if (known === undefined) {
    throw new ShoalError('unsupported', `codec ${String(codec)} is newer than this node`)
  }
  return {
    id: chunkIdFromCid(cid),
    plainHash,
    length: integer(length, 1, CHUNK_PLAIN_MAX),
    codec: known,
    epoch: integer(epoch, 0, Number.MAX_SAFE_INTEGER),
  }
}

function integer(value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
    return value
  throw malformed(`has ${String(value)} where a number in ${min}..${max} belongs`)
}

function malformed(how: string): ShoalError {
  return new ShoalError('malformed', `a manifest node ${how}`)
}
