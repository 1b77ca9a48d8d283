// Wire form of ops (protocol/op/op.ts): DAG-CBOR maps with short keys; absent is absent, never
// null. Decoding throws ShoalError 'malformed' and nothing else; what is newer than this node
// decodes to undefined.
import { fromByteString, fromHex, toByteString, toHex } from '../bytes.ts'
import { Fields } from '../cbor.ts'
import { ShoalError, hasCode } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import {
  SHORT_ID_BYTES,
  chunkIdBytes,
  chunkIdFromCid,
  hexId,
  hexIdBytes,
  peerIdFromPublicKey,
  publicKeyOf,
} from '../ids.ts'
import type { BackupHeadId, NodeId, PeerId } from '../ids.ts'
import {
  BACKUP_NUMBER_MAX,
  CHUNK_PLAIN_MAX,
  CLASS_TEXT_MAX,
  FILE_SIZE_MAX,
  INLINE_FILE_MAX,
  MANIFEST_LEVELS_MAX,
  NAME_MAX,
  OP_DOTS_MAX,
  SYMLINK_MAX,
  TIER_NAME_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
} from '../limits.ts'
import { decodeDot, encodeDot } from '../clock/dot.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Dot } from '../clock/dot.ts'
import { KNOWN_CODECS } from '../chunk/seal.ts'
import type { ChunkRef, Codec } from '../chunk/seal.ts'
import { decodeClearOp, encodeClearOp } from './clear-codec.ts'
import { nameFromBytes } from './names.ts'
import type { Name, XattrName } from './names.ts'
import { TIME_NS_MAX, TIME_NS_MIN } from './op.ts'
import type { AttributeValues, ContentRef, Op, SpecialFile } from './op.ts'
import { EPOCH_MAX, bytes, integer, list } from '../cbor-values.ts'
import { decodeSnapshotOp, encodeSnapshotOp, isSnapshotKind, isSnapshotOp } from './snapshot-op.ts'
import { decodeSpecial, encodeSpecial } from './special-codec.ts'

const TEXT_MAX = 1024
const PUBLIC_KEY_BYTES = 32

/** One op as a CBOR value. */
export function encodeOp(op: Op): Record<string, unknown> {
  const o = op.kind
  switch (op.kind) {
    case 'mkdir':
      return {
        o,
        id: fromHex(op.id),
        p: fromHex(op.parent),
        n: fromByteString(op.name),
        a: encodeAttributes(op.attributes),
      }
    case 'create':
      return encodeCreate(op)
    case 'link':
      return { o, ...encodeLink(op), ...encodePlace(op) }
    case 'move':
      return { o, ...encodeLink(op), ...encodePlace(op), ...encodeLeft(op) }
    case 'move-dir':
      return { o, id: fromHex(op.id), ...encodePlace(op), ...encodeLeft(op) }
    case 'unlink':
      return {
        o,
        ...encodeLink(op),
        ...encodeLeft(op),
        ...(op.versions === undefined ? {} : { v: op.versions.map(encodeDot) }),
      }
    case 'rmdir':
      return { o, id: fromHex(op.id), ...encodeLeft(op) }
    case 'attributes':
      return { o, id: fromHex(op.id), a: encodeAttributes(op.attributes) }
    case 'xattr':
      return {
        o,
        id: fromHex(op.id),
        n: fromByteString(op.name),
        ...(op.value === undefined ? {} : { v: op.value }),
      }
    case 'version':
      return {
        o,
        i: fromHex(op.inode),
        b: op.base.map(encodeDot),
        z: op.size,
        c: encodeContent(op.content),
        m: op.modifiedNs,
        w: op.touch.map(({ link, saw }) => [fromHex(link), saw.map(encodeDot)]),
        ...(op.goesOn === undefined ? {} : { g: 1 }),
      }
    case 'drop-version':
      return { o, i: fromHex(op.inode), s: op.saw.map(encodeDot) }
    case 'purge-versions':
      return { o, i: fromHex(op.inode), v: op.versions.map(encodeDot) }
    case 'policy':
      return { o, k: op.key, v: op.value }
    case 'restated':
      return { o, e: op.entries.map(encodeDot) }
    case 'pin':
      return { o, id: fromHex(op.id), c: op.class }
    case 'pin-cold':
      return { o, id: fromHex(op.id), t: op.tier }
    case 'backup':
      return { o, p: publicKeyOf(op.peer), t: op.tier, n: op.number, h: hexIdBytes(op.head) }
    case 'mass-loss':
      return { o, p: publicKeyOf(op.peer), t: op.at }
    case 'dismiss-loss':
      return { o, l: op.losses.map(encodeDot) }
    default:
      return isSnapshotOp(op) ? encodeSnapshotOp(op) : encodeClearOp(op)
  }
}

function encodeCreate(op: Extract<Op, { kind: 'create' }>): Record<string, unknown> {
  return {
    o: op.kind,
    i: fromHex(op.inode),
    l: fromHex(op.link),
    ...encodePlace(op),
    a: encodeAttributes(op.attributes),
    ...(op.target === undefined ? {} : { t: op.target }),
    ...(op.special === undefined ? {} : { d: encodeSpecial(op.special) }),
  }
}

/**
 * Inverse of encodeOp; undefined for a kind, a codec or a stripe version this node does not know.
 */
export function decodeOp(value: unknown): Op | undefined {
  try {
    return decodeKnownOp(value)
  } catch (error) {
    if (hasCode(error, 'unsupported')) return undefined
    throw error
  }
}

function decodeKnownOp(value: unknown): Op | undefined {
  const f = new Fields(value, 'op')
  const kind = f.text('o', 32)
  switch (kind) {
    case 'mkdir':
      return { kind, id: id(f, 'id'), ...place(f), attributes: decodeAttributes(f) }
    case 'create':
      return {
        kind,
        inode: id(f, 'i'),
        link: id(f, 'l'),
        ...place(f),
        attributes: decodeAttributes(f),
        target: f.has('t') ? f.bytes('t', SYMLINK_MAX, 1) : undefined,
        ...(f.has('d') ? { special: special(f) } : {}),
      }
    case 'link':
      return { kind, inode: id(f, 'i'), link: id(f, 'l'), ...place(f) }
    case 'move':
      return {
        kind,
        inode: id(f, 'i'),
        link: id(f, 'l'),
        from: id(f, 'f'),
        ...place(f),
        saw: saw(f),
      }
    case 'move-dir':
      return { kind, id: id(f, 'id'), from: id(f, 'f'), ...place(f), saw: saw(f) }
    case 'unlink':
      return {
        kind,
        inode: id(f, 'i'),
        link: id(f, 'l'),
        from: id(f, 'f'),
        saw: saw(f),
        ...(f.has('v') ? { versions: dots(f.list('v', OP_DOTS_MAX)) } : {}),
      }
    case 'rmdir':
      return { kind, id: id(f, 'id'), from: id(f, 'f'), saw: saw(f) }
    case 'attributes':
      return { kind, id: id(f, 'id'), attributes: decodeAttributes(f) }
    case 'xattr':
      return {
        kind,
        id: id(f, 'id'),
        name: xattrName(f.bytes('n', XATTR_NAME_MAX, 1)),
        value: f.has('v') ? f.bytes('v', XATTR_VALUE_MAX) : undefined,
      }
    case 'version':
      return decodeVersion(f)
    case 'drop-version':
      return { kind, inode: id(f, 'i'), saw: saw(f) }
    default:
      return decodeVolumeOp(kind, f)
  }
}

/** Decodes an op that says something about the volume and changes nothing in its tree. */
function decodeVolumeOp(kind: string, f: Fields): Op | undefined {
  switch (kind) {
    case 'purge-versions':
      return { kind, inode: id(f, 'i'), versions: dots(f.list('v', OP_DOTS_MAX)) }
    case 'policy':
      return { kind, key: f.text('k', TEXT_MAX), value: f.text('v', TEXT_MAX) }
    case 'restated':
      return { kind, entries: dots(f.list('e', OP_DOTS_MAX)) }
    case 'pin':
      return { kind, id: id(f, 'id'), class: f.text('c', CLASS_TEXT_MAX) }
    case 'pin-cold':
      return { kind, id: id(f, 'id'), tier: f.text('t', TIER_NAME_MAX) }
    case 'backup':
      return decodeBackup(f)
    case 'mass-loss':
      return { kind, peer: peer(f), at: decodeHlc(f.raw('t')) }
    case 'dismiss-loss':
      return { kind, losses: dots(f.list('l', OP_DOTS_MAX)) }
    default:
      return isSnapshotKind(kind) ? decodeSnapshotOp(kind, f) : decodeClearOp(kind, f)
  }
}

function decodeVersion(f: Fields): Op {
  return {
    kind: 'version',
    inode: id(f, 'i'),
    base: dots(f.list('b', OP_DOTS_MAX)),
    size: f.integer('z', 0, FILE_SIZE_MAX),
    content: decodeContent(f.raw('c')),
    modifiedNs: time(f.raw('m')),
    ...(f.has('g') && f.integer('g', 1, 1) === 1 ? { goesOn: true } : {}),
    touch: f.list('w', OP_DOTS_MAX).map((item) => {
      const [link, dead] = list(item, 2)
      return { link: nodeId(link), saw: dots(list(dead, OP_DOTS_MAX)) }
    }),
  }
}

function decodeBackup(f: Fields): Op {
  return {
    kind: 'backup',
    peer: peer(f),
    tier: f.text('t', TIER_NAME_MAX),
    number: f.integer('n', 1, BACKUP_NUMBER_MAX),
    head: toHex(f.bytes('h', HASH_BYTES, HASH_BYTES)) as BackupHeadId,
  }
}

function peer(f: Fields): PeerId {
  return peerIdFromPublicKey(f.bytes('p', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES))
}

/** The entries that whoever made the op knew of. */
function saw(f: Fields): Dot[] {
  return dots(f.list('s', OP_DOTS_MAX))
}

function encodeLink(op: {
  readonly inode: NodeId
  readonly link: NodeId
}): Record<string, unknown> {
  return { i: fromHex(op.inode), l: fromHex(op.link) }
}

/** Encodes the former place of a link, and the presence dots that were seen. */
function encodeLeft(op: {
  readonly from: NodeId
  readonly saw: readonly Dot[]
}): Record<string, unknown> {
  return { f: fromHex(op.from), s: op.saw.map(encodeDot) }
}

function encodePlace(op: {
  readonly parent: NodeId
  readonly name: Name
}): Record<string, unknown> {
  return { p: fromHex(op.parent), n: fromByteString(op.name) }
}

function place(f: Fields): { parent: NodeId; name: Name } {
  return { parent: id(f, 'p'), name: nameFromBytes(f.bytes('n', NAME_MAX, 1)) }
}

function encodeAttributes(a: AttributeValues): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  if (a.mode !== undefined) out['m'] = a.mode
  if (a.uid !== undefined) out['u'] = a.uid
  if (a.gid !== undefined) out['g'] = a.gid
  if (a.accessedNs !== undefined) out['x'] = a.accessedNs
  if (a.modifiedNs !== undefined) out['y'] = a.modifiedNs
  return out
}

function decodeAttributes(f: Fields): AttributeValues {
  const a = f.fields('a')
  return {
    ...(a.has('m') ? { mode: a.integer('m', 0, 0o7777) } : {}),
    ...(a.has('u') ? { uid: a.integer('u', 0, 2 ** 32 - 1) } : {}),
    ...(a.has('g') ? { gid: a.integer('g', 0, 2 ** 32 - 1) } : {}),
    ...(a.has('x') ? { accessedNs: time(a.raw('x')) } : {}),
    ...(a.has('y') ? { modifiedNs: time(a.raw('y')) } : {}),
  }
}

/**
 * Wire form of a content: bytes when inline, else [chunk id, plain hash, length, codec, epoch,
 * depth, allocated].
 */
export function encodeContent(content: ContentRef): unknown {
  if (content.kind === 'inline') return content.bytes
  const { root, depth, allocated } = content
  const items = [chunkIdBytes(root.id), root.plainHash, root.length, root.codec, root.epoch, depth]
  return allocated === undefined ? items : [...items, allocated]
}

/** Inverse of encodeContent. throws ShoalError 'malformed'. */
export function decodeContent(value: unknown): ContentRef {
  if (value instanceof Uint8Array) return { kind: 'inline', bytes: bytes(value, INLINE_FILE_MAX) }
  const [cid, plainHash, length, codec, epoch, depth, allocated] = list(value, 16)
  const root: ChunkRef = {
    id: chunkIdFromCid(bytes(cid, 64)),
    plainHash: bytes(plainHash, HASH_BYTES, HASH_BYTES),
    length: integer(length, CHUNK_PLAIN_MAX),
    codec: codecOf(codec),
    epoch: integer(epoch, EPOCH_MAX),
  }
  return {
    kind: 'chunks',
    root,
    depth: integer(depth, MANIFEST_LEVELS_MAX),
    ...(allocated === undefined ? {} : { allocated: integer(allocated) }),
  }
}

function codecOf(value: unknown): Codec {
  const codec = KNOWN_CODECS.find((known) => known === value)
  if (codec === undefined)
    throw new ShoalError('unsupported', `chunk codec ${String(value)} is newer than this node`)
  return codec
}

function time(value: unknown): bigint {
  const ns = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof ns === 'bigint' && ns >= TIME_NS_MIN && ns <= TIME_NS_MAX) return ns
  throw new ShoalError('malformed', 'a time is not an integer of 64 bits')
}

/** throws ShoalError 'malformed' for a symlink. */
function special(f: Fields): SpecialFile {
  if (f.has('t')) throw new ShoalError('malformed', 'a symlink cannot be a special file')
  return decodeSpecial(f.raw('d'))
}

function xattrName(value: Uint8Array): XattrName {
  if (!value.includes(0)) return toByteString(value) as XattrName
  throw new ShoalError('malformed', 'the name of an extended attribute holds a NUL')
}

function id(f: Fields, name: string): NodeId {
  return nodeId(f.raw(name))
}

function nodeId(value: unknown): NodeId {
  return hexId<NodeId>(bytes(value, SHORT_ID_BYTES), SHORT_ID_BYTES, 'node id')
}

function dots(values: readonly unknown[]): Dot[] {
  return values.map(decodeDot)
}
