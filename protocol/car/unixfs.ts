// UnixFS nodes (https://specs.ipfs.tech/unixfs/) as what they mean: a piece of a file, a folder, a
// part of a folder that is spread over a trie of nodes by the hashes of its names (HAMT), a
// symlink. What is read here is only well-formed by itself: sizes of other nodes, names that meet,
// and depth are checked by who walks the tree.
import { decode as decodePb, encode as encodePb, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { ShoalError } from '../errors.ts'
import { CODEC_RAW } from '../ids.ts'
import { FILE_SIZE_MAX } from '../limits.ts'
import { CODEC_DAG_PB } from './car.ts'
import type { PBLink, PBNode } from '@ipld/dag-pb'
import type { Cid } from './car.ts'

/** Optional attributes of a UnixFS node. */
export interface UnixfsAttributes {
  readonly mode?: number | undefined
  readonly modifiedNs?: bigint | undefined
}

/** A node below a file, and the bytes of the file in it. */
export interface FilePart {
  readonly cid: Cid
  readonly size: number
}

/** An entry of a folder; without a name, a shard one level down. */
export interface FolderEntry {
  readonly name: string
  readonly cid: Cid
}

export type UnixfsNode =
  /** Its own bytes come before those of its parts. */
  | ({
      readonly kind: 'file'
      readonly bytes: Uint8Array
      readonly parts: readonly FilePart[]
    } & UnixfsAttributes)
  | ({
      readonly kind: 'folder' | 'shard'
      readonly entries: readonly FolderEntry[]
    } & UnixfsAttributes)
  | ({ readonly kind: 'symlink'; readonly target: string } & UnixfsAttributes)

const NANOSECONDS = 1_000_000_000n
const SHARD_FANOUT_MAX = 1024n
/** murmur3-x64-64, the one that there is. */
const SHARD_HASH = 0x22n
const EMPTY = new Uint8Array(0)

/**
 * throws ShoalError 'malformed', 'unsupported' for what is no UnixFS; the message does not name the
 * block.
 */
export function decodeUnixfs(cid: Cid, bytes: Uint8Array): UnixfsNode {
  if (cid.code === CODEC_RAW) return { kind: 'file', bytes, parts: [] }
  if (cid.code !== CODEC_DAG_PB)
    throw new ShoalError('unsupported', `codec 0x${cid.code.toString(16)} is not of UnixFS`)
  const { node, data } = unmarshal(bytes)
  const { mode, mtime } = data
  const modifiedNs = mtime && mtime.secs * NANOSECONDS + BigInt(mtime.nsecs ?? 0)
  const attributes = { mode, modifiedNs }
  switch (data.type) {
    case 'raw':
    case 'file':
      return { kind: 'file', bytes: data.data ?? EMPTY, parts: partsOf(node, data), ...attributes }
    case 'directory':
      return { kind: 'folder', entries: node.Links.map((link) => entryOf(link, 0)), ...attributes }
    case 'hamt-sharded-directory': {
      const skip = prefixLength(data.fanout ?? 0n)
      const entries = node.Links.map((link) => entryOf(link, skip))
      return { kind: 'shard', entries, ...attributes }
    }
    case 'symlink':
      return {
        kind: 'symlink',
        target: new TextDecoder().decode(data.data ?? EMPTY),
        ...attributes,
      }
    default:
      throw new ShoalError('unsupported', `"${data.type}" is no kind of UnixFS node that is known`)
  }
}

/** The same folder node with attributes. */
export function withAttributes(
  bytes: Uint8Array,
  { mode, modifiedNs }: UnixfsAttributes,
): Uint8Array {
  const { node, data } = unmarshal(bytes)
  const { type, data: bitField, fanout } = data
  const marked = new UnixFS({
    ...(type === 'hamt-sharded-directory' ? { type, hashType: SHARD_HASH } : { type: 'directory' }),
    ...(bitField === undefined ? {} : { data: bitField }),
    ...(fanout === undefined ? {} : { fanout }),
    ...(mode === undefined ? {} : { mode }),
    ...(modifiedNs === undefined ? {} : { mtime: mtimeOf(modifiedNs) }),
  })
  return encodePb(prepare({ Data: marked.marshal(), Links: node.Links }))
}

/** As ipfs-unixfs has times. */
export function mtimeOf(modifiedNs: bigint): { secs: bigint; nsecs: number } {
  const nsecs = ((modifiedNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  return { secs: (modifiedNs - nsecs) / NANOSECONDS, nsecs: Number(nsecs) }
}

function unmarshal(bytes: Uint8Array): { node: PBNode; data: UnixFS } {
  try {
    const node = decodePb(bytes)
    return { node, data: UnixFS.unmarshal(node.Data ?? EMPTY) }
  } catch (cause) {
    throw new ShoalError('malformed', 'it is not a UnixFS node', { cause })
  }
}

function partsOf({ Links }: PBNode, { blockSizes }: UnixFS): readonly FilePart[] {
  if (blockSizes.length !== Links.length)
    throw new ShoalError(
      'malformed',
      `it has ${Links.length} parts, and sizes of ${blockSizes.length}`,
    )
  return Links.map(({ Hash }, at) => {
    const size = Number(blockSizes[at])
    if (size > FILE_SIZE_MAX)
      throw new ShoalError('malformed', 'a part is larger than a file can be')
    return { cid: Hash, size }
  })
}

function entryOf({ Name, Hash }: PBLink, skip: number): FolderEntry {
  if (Name === undefined || Name.length < skip)
    throw new ShoalError('malformed', 'it has an entry without a name')
  return { name: Name.slice(skip), cid: Hash }
}

/** Names in a shard begin with their place in it, in hexadecimal. */
function prefixLength(fanout: bigint): number {
  if (fanout < 2n || fanout > SHARD_FANOUT_MAX)
    throw new ShoalError('malformed', `it is a shard of ${fanout} places`)
  return (fanout - 1n).toString(16).length
}
