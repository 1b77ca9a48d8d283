// Records of the versions of files: that of the newest lies in the record of its inode, each other
// under a key of its own.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { hexToByteString } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { dotSeq, stampDot } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { NodeId } from '../ids.ts'
import { decodeContent, encodeContent } from '../op/codec.ts'
import type { ContentRef } from '../op/op.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import type { StateStore } from './records.ts'

export interface Version {
  readonly dot: Dot
  readonly stamp: Stamp
  readonly size: number
  readonly content: ContentRef
  readonly modifiedNs: bigint
}

/** Records are written one at a time, each whole: all share one writer. */
const writer = new RecordWriter()

export const VERSION_FIELDS = 5

const versionKey = (inode: NodeId, dot: Dot): ByteString =>
  `${TREE_PREFIXES.version}${hexToByteString(inode)}${dot}`

/** A version that is not the newest is a record of its own: as in that of its inode. */
export function readLoser(store: StateStore, inode: NodeId, dot: Dot): Version | undefined {
  const bytes = store.get(versionKey(inode, dot))
  return bytes === undefined
    ? undefined
    : readVersionFields(new RecordReader(bytes, VERSION_FIELDS))
}

export function writeLoser(store: StateStore, inode: NodeId, version: Version): void {
  const w = writer.begin(VERSION_FIELDS)
  writeVersionFields(w, version)
  store.put(versionKey(inode, version.dot), w.finish())
}

export function deleteLoser(store: StateStore, inode: NodeId, dot: Dot): void {
  store.delete(versionKey(inode, dot))
}

/** The actor and the index of a version's dot are those of its stamp. */
export function writeVersion(w: RecordWriter, version: Version): void {
  w.list(VERSION_FIELDS)
  writeVersionFields(w, version)
}

/** As fields of another record. */
export function writeVersionFields(w: RecordWriter, version: Version): void {
  w.stamp(version.stamp)
  w.integer(dotSeq(version.dot))
  w.integer(version.size)
  writeContent(w, version.content)
  w.bigint(version.modifiedNs)
}

export function readVersion(r: RecordReader): Version {
  r.list()
  return readVersionFields(r)
}

export function readVersionFields(r: RecordReader): Version {
  const stamp = r.stamp()
  return {
    stamp,
    dot: stampDot(stamp, r.integer()),
    size: r.integer(),
    content: readContent(r),
    modifiedNs: r.bigint(),
  }
}

/** As an op carries it. */
function writeContent(w: RecordWriter, content: ContentRef): void {
  if (content.kind === 'inline') return w.bytes(content.bytes)
  const items = encodeContent(content) as readonly (Uint8Array | number)[]
  w.list(items.length)
  for (const item of items) {
    if (typeof item === 'number') w.integer(item)
    else w.bytes(item)
  }
}

function readContent(r: RecordReader): ContentRef {
  if (r.isBytes()) return { kind: 'inline', bytes: r.bytes() }
  return decodeContent(r.items(() => (r.isBytes() ? r.bytes() : r.integer())))
}
