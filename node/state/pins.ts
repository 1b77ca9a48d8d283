// Pins of a directory with all below it, or of a file: a redundancy class, a cold tier. Each is a
// register, of which the greatest stamp wins.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, hexToByteString, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import { LINKS_SEEN_MAX } from '../../protocol/limits.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { stampHlc } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import { ROOT, linksOf, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

export const PIN: ByteString = STATE_PREFIXES.pin

export type PinOp = Extract<TreeOp, { kind: 'pin' | 'pin-cold' }>
/** `pin`: to a class; `pin-cold`: to a tier. */
export type PinKind = PinOp['kind']

export interface Pin {
  readonly id: NodeId
  readonly kind: PinKind
  /** The text of the class, or the name of the tier. */
  readonly to: string
  readonly stamp: Stamp
}

/** The suffix after the id in the key of a pin. */
const SUFFIXES: Readonly<Record<PinKind, ByteString>> = { pin: '', 'pin-cold': 't' }
const ID_END = PIN.length + SHORT_ID_BYTES

/** The pin of a node itself; undefined if it has none. */
export function pinOf(view: StateStore, id: NodeId, kind: PinKind): Pin | undefined {
  const said = read(view, keyOf(id, kind))
  return said === undefined || said.to === '' ? undefined : { id, kind, ...said }
}

/** The pin that counts for what is made in a folder: the nearest. cost: O(depth). */
export function pinOfFolder(view: StateStore, dir: NodeId, kind: PinKind): Pin | undefined {
  for (let at = dir; ;) {
    const pin = pinOf(view, at, kind)
    if (pin !== undefined) return pin
    const parent = at === ROOT ? undefined : readDir(view, at)?.parent
    if (parent === undefined) return undefined
    at = parent
  }
}

/**
 * Those that count for a file: its own, or those of the folders that it has names in, undefined
 * where there is none.
 */
export function pinsOfFile(
  view: StateStore,
  id: NodeId,
  kind: PinKind,
): readonly (Pin | undefined)[] {
  const pin = pinOf(view, id, kind)
  if (pin !== undefined) return [pin]
  const inode = readInode(view, id)
  const links = inode === undefined ? [] : linksOf(view, id, inode).take(LINKS_SEEN_MAX)
  const folders = new Set(Array.from(links, (link) => readLink(view, link)?.parent))
  return [...folders].flatMap((folder) =>
    folder === undefined ? [] : [pinOfFolder(view, folder, kind)],
  )
}

/**
 * Those that count for a folder or a file, or for what is made there: pinOfFolder or pinsOfFile.
 */
export function pinsOver(view: StateStore, id: NodeId, kind: PinKind): readonly Pin[] {
  const isFolder = readDir(view, id) !== undefined
  const over = isFolder ? [pinOfFolder(view, id, kind)] : pinsOfFile(view, id, kind)
  return over.filter((pin) => pin !== undefined)
}

/** All pins, in order of id. */
export async function* pins(view: ReplicaView): AsyncGenerator<Pin> {
  for await (const [key, value] of view.scan(PIN, prefixEnd(PIN))) {
    const { to, stamp } = decode(value)
    if (to !== '') yield { id: idIn(key), kind: kindIn(key), to, stamp }
  }
}

export function applyPin(view: StateStore, op: PinOp, stamp: Stamp): void {
  const key = keyOf(op.id, op.kind)
  const known = read(view, key)
  if (known !== undefined && known.stamp >= stamp) return
  const to = op.kind === 'pin' ? op.class : op.tier
  view.put(key, encodeCbor([to, fromByteString(stamp)]))
}

/** Has somebody said whether a node is pinned so? */
export function isPinSaid(view: StateStore, id: NodeId, kind: PinKind): boolean {
  return read(view, keyOf(id, kind)) !== undefined
}

/**
 * The stamp of a pin that says nothing in the state at a cut, since it was taken away or its node
 * is forgotten.
 */
export function deadPin(
  view: StateStore,
  [key, value]: readonly [ByteString, Uint8Array],
  deadBy: Hlc,
): Stamp | undefined {
  const { to, stamp } = decode(value)
  if (stampHlc(stamp) > deadBy) return undefined
  const id = idIn(key)
  const isKnown = readDir(view, id) !== undefined || readInode(view, id) !== undefined
  return to === '' || !isKnown ? stamp : undefined
}

/** Forget a pin that has this stamp. */
export function forgetPin(view: StateStore, key: ByteString, stamp: Stamp): void {
  if (read(view, key)?.stamp === stamp) view.delete(key)
}

type Said = Pick<Pin, 'to' | 'stamp'>

function read(view: StateStore, key: ByteString): Said | undefined {
  const bytes = view.get(key)
  return bytes === undefined ? undefined : decode(bytes)
}

function decode(bytes: Uint8Array): Said {
  const [to, stamp] = decodeCbor(bytes, 'pin') as readonly [string, Uint8Array]
  return { to, stamp: toByteString(stamp) as Stamp }
}

function keyOf(id: NodeId, kind: PinKind): ByteString {
  return PIN + hexToByteString(id) + SUFFIXES[kind]
}

function idIn(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(PIN.length, ID_END))) as NodeId
}

function kindIn(key: ByteString): PinKind {
  return key.length === ID_END ? 'pin' : 'pin-cold'
}
