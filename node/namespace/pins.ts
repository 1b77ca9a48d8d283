// Which redundancy class people want for a directory with all below it, or for a file: a register for each, of which the
// greatest stamp wins.
import { fromByteString, hexToByteString, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { stampHlc } from '../../protocol/log/dot.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import type { TreeOp } from '../../protocol/tree/op.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

export const PIN: ByteString = 'p'

type PinOp = Extract<TreeOp, { kind: 'pin' }>

/** The text of the class that a node is pinned to; undefined if it is not. */
export function pinOf(view: StateStore, id: NodeId): string | undefined {
  return (read(view, id)?.class ?? '') || undefined
}

/** All nodes that are pinned, in order of id. */
export async function* pins(
  view: ReplicaView,
): AsyncGenerator<{ readonly id: NodeId; readonly class: string }> {
  for await (const [key, value] of view.scan(PIN, prefixEnd(PIN))) {
    const { class: cls } = decode(value)
    if (cls !== '') yield { id: idIn(key), class: cls }
  }
}

export function applyPin(view: StateStore, op: PinOp, stamp: Stamp): void {
  const known = read(view, op.id)
  if (known !== undefined && known.stamp >= stamp) return
  view.put(keyOf(op.id), encodeCbor([op.class, fromByteString(stamp)]))
}

/** Has somebody said whether a node is pinned? */
export function isPinSaid(view: StateStore, id: NodeId): boolean {
  return read(view, id) !== undefined
}

/** The stamp of a pin that says nothing in the state at a cut, since it was taken away or its node is forgotten. */
export function deadPin(
  view: StateStore,
  [key, value]: readonly [ByteString, Uint8Array],
  deadBy: Hlc,
): Stamp | undefined {
  const { class: cls, stamp } = decode(value)
  if (stampHlc(stamp) > deadBy) return undefined
  const id = idIn(key)
  const isKnown = readDir(view, id) !== undefined || readInode(view, id) !== undefined
  return cls === '' || !isKnown ? stamp : undefined
}

/** Forget a pin that has this stamp. */
export function forgetPin(view: StateStore, key: ByteString, stamp: Stamp): void {
  if (read(view, idIn(key))?.stamp === stamp) view.delete(key)
}

function read(
  view: StateStore,
  id: NodeId,
): { readonly class: string; readonly stamp: Stamp } | undefined {
  const bytes = view.get(keyOf(id))
  return bytes === undefined ? undefined : decode(bytes)
}

function decode(bytes: Uint8Array): { readonly class: string; readonly stamp: Stamp } {
  const [cls, stamp] = decodeCbor(bytes, 'pin') as readonly [string, Uint8Array]
  return { class: cls, stamp: toByteString(stamp) as Stamp }
}

function keyOf(id: NodeId): ByteString {
  return PIN + hexToByteString(id)
}

function idIn(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(PIN.length))) as NodeId
}
