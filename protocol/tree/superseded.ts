// Former contents of files. A version that others replace or drop is kept beside its file, with the
// earliest op that ended it: so the record is the same in whatever order these ops came. It lies
// there until the rule of its volume lets a cut forget it (version-rule.ts, purge.ts). Nothing is
// written for a version that nobody has replaced.
import { readInode } from './records.ts'
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { dotActor, stampHlc, stampMs } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { Hlc } from '../clock/hlc.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { MINUTE_MS } from '../units.ts'
import { isPlanted } from '../planted-faults.ts'
import { enforces } from '../trust.ts'
import type { OpEdit } from './op-edit.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import type { Inode, StateStore } from './records.ts'
import { spare } from './spared.ts'
import { VERSION_FIELDS, readVersionFields, writeVersionFields } from './version-records.ts'
import type { Version } from './version-records.ts'
import { dropVersion, heldVersion } from './versions.ts'
import { versionLinks } from './view.ts'

/** By a newer version, or by a `drop-version`. */
export type HowEnded = 'overwritten' | 'dropped'

export interface Superseded {
  readonly version: Version
  /** Stamp of the earliest op that replaced or dropped it. */
  readonly ended: Stamp
  readonly how: HowEnded
  /** That op was made in the role of an appender. */
  readonly isSpared: boolean
}

/** Begins the keys of all of them. */
export const SUPERSEDED_PREFIX: ByteString = `${TREE_PREFIXES.history}v`

/** Begins the keys of those that were purged; then an inode and a dot. */
export const PURGED_PREFIX: ByteString = `${TREE_PREFIXES.history}p`

const FIELDS: number = VERSION_FIELDS + 2
const HOW: readonly HowEnded[] = ['overwritten', 'dropped']
const ID_END: number = SUPERSEDED_PREFIX.length + SHORT_ID_BYTES

const writer = new RecordWriter()

/** Prefix of the keys of those of one file. */
export function supersededPrefix(inode: NodeId): ByteString {
  return SUPERSEDED_PREFIX + hexToByteString(inode)
}

/** The file whose former version has this key. */
export function inodeOfSuperseded(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(SUPERSEDED_PREFIX.length, ID_END))) as NodeId
}

export function readSuperseded(store: StateStore, inode: NodeId, dot: Dot): Superseded | undefined {
  const bytes = store.get(supersededPrefix(inode) + dot)
  return bytes === undefined ? undefined : decodeSuperseded(bytes)
}

/** The version of a file with a dot, now or formerly, for as long as it is kept. */
export function keptVersion(store: StateStore, id: NodeId, dot: Dot): Version | undefined {
  const inode = readInode(store, id)
  const held = inode && heldVersion(store, id, inode, dot)
  return held ?? readSuperseded(store, id, dot)?.version
}

/** The value under a key. throws ShoalError 'corrupt'. */
export function decodeSuperseded(bytes: Uint8Array): Superseded {
  const r = new RecordReader(bytes, FIELDS)
  const version = readVersionFields(r)
  const ended = r.stamp()
  const how = r.integer()
  const isSpared = how >= HOW.length
  return { version, ended, how: HOW[how % HOW.length] ?? 'dropped', isSpared }
}

/** A former version is not kept, though the op that ends it here may come later. */
export function purgeFormer({ store, stamp }: OpEdit, inode: NodeId, dot: Dot): void {
  const key = PURGED_PREFIX + hexToByteString(inode) + dot
  const known = store.get(key)
  if (known === undefined || stamp < toByteString(known)) store.put(key, fromByteString(stamp))
  store.delete(supersededPrefix(inode) + dot)
}

/** May it be forgotten that a version was purged? Then nobody can end that any more. */
export function isPurgeOver(value: Uint8Array, deadBy: Hlc): boolean {
  return stampHlc(toByteString(value) as Stamp) <= deadBy
}

/** The end of a version. */
export interface Ending {
  readonly how: HowEnded
  /**
   * The op writes on through the handle by which its author made the version: of such only the last
   * of a minute is kept.
   */
  readonly goesOn: boolean
}

/**
 * An op that had seen it replaces or drops a version. Mutates `inode`; the caller puts it. What an
 * appender ends is in history in any case, and so is its file.
 */
export function supersede(
  edit: OpEdit,
  [id, inode]: readonly [NodeId, Inode],
  dot: Dot,
  { how, goesOn }: Ending,
): void {
  const { store, stamp, isAppended } = edit
  const held = heldVersion(store, id, inode, dot)
  if (held !== undefined) dropVersion(store, id, inode, dot)
  const known = held === undefined ? readSuperseded(store, id, dot) : undefined
  const version = held ?? known?.version
  if (version === undefined) return
  const isOwn = dotActor(dot) === dotActor(edit.dot) || !enforces('goes-on-own')
  if (isAppended) spareFile(edit, id, inode)
  if (goesOn && isOwn && !isAppended && isOneMinute(version.stamp, stamp)) {
    if (known !== undefined) store.delete(supersededPrefix(id) + dot)
  } else if (store.get(PURGED_PREFIX + hexToByteString(id) + dot) !== undefined) {
    return
  } else if (known === undefined || stamp < known.ended || isPlanted('last-ending-counts')) {
    writeSuperseded(store, id, { version, ended: stamp, how, isSpared: isAppended })
  }
}

function spareFile(edit: OpEdit, id: NodeId, inode: Inode): void {
  spare(edit, 'inode', id)
  for (const link of versionLinks(edit.store, id, inode)) spare(edit, 'link', link)
}

function writeSuperseded(
  store: StateStore,
  id: NodeId,
  { version, ended, how, isSpared }: Superseded,
): void {
  const w = writer.begin(FIELDS)
  writeVersionFields(w, version)
  w.stamp(ended)
  w.integer(HOW.indexOf(how) + (isSpared ? HOW.length : 0))
  store.put(supersededPrefix(id) + version.dot, w.finish())
}

function isOneMinute(a: Stamp, b: Stamp): boolean {
  return minuteOf(a) === minuteOf(b)
}

function minuteOf(stamp: Stamp): number {
  return Math.floor(stampMs(stamp) / MINUTE_MS)
}
