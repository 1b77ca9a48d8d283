// The index of what shows no more, so that it can be purged without a walk through the tree: under
// 'q', the kind and the id, the stamp of the op at which it ceased to show, and of an inode its
// last name. In a state that was made of the ops in the order of their stamps that is the same on
// every replica; elsewhere it depends on the order of arrival.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { ActorId, NodeId } from '../ids.ts'
import { STAMP_BYTES, stampActor } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import type { StateStore } from './records.ts'

export type DeadKind = 'dir' | 'inode' | 'link'

/** Begins the keys of the index. */
export const DEAD_PREFIX: ByteString = TREE_PREFIXES.dead
const KIND_CHARS: Readonly<Record<DeadKind, string>> = { dir: 'd', inode: 'i', link: 'l' }

/** Begins the keys of what is dead of a kind. */
export function deadPrefix(kind: DeadKind): ByteString {
  return DEAD_PREFIX + KIND_CHARS[kind]
}

function deadKey(kind: DeadKind, id: NodeId): ByteString {
  return deadPrefix(kind) + hexToByteString(id)
}

/** Decodes a key of the index. */
export function decodeDeadKey(key: ByteString): { kind: DeadKind; id: NodeId } {
  const char = key.charAt(1)
  const kind = char === 'd' ? 'dir' : char === 'i' ? 'inode' : 'link'
  return { kind, id: toHex(fromByteString(key.slice(2))) as NodeId }
}

/** The record of one object, if it does not show. */
export function readDead(
  store: StateStore,
  kind: DeadKind,
  id: NodeId,
): readonly [ByteString, Uint8Array] | undefined {
  const key = deadKey(kind, id)
  const value = store.get(key)
  return value === undefined ? undefined : [key, value]
}

/** lastName: of an inode the link that went. */
export function markDead(
  store: StateStore,
  object: { readonly kind: DeadKind; readonly id: NodeId },
  stamp: Stamp,
  lastName?: NodeId,
): void {
  const name = lastName === undefined ? '' : hexToByteString(lastName)
  store.put(deadKey(object.kind, object.id), fromByteString(stamp + name))
}

export function forgetDead(store: StateStore, kind: DeadKind, id: NodeId): void {
  store.delete(deadKey(kind, id))
}

/** The clock under a key of the index. */
export function decodeDeathTime(value: Uint8Array): Hlc {
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getBigUint64(0) as Hlc
}

/** The last name of an inode that has none, and who removed it. Undefined while it has one. */
export function readLastName(
  store: StateStore,
  inode: NodeId,
): { readonly link: NodeId; readonly remover: ActorId } | undefined {
  const value = store.get(deadKey('inode', inode))
  if (value === undefined) return undefined
  const remover = stampActor(toByteString(value.subarray(0, STAMP_BYTES)) as Stamp)
  return { link: toHex(value.subarray(STAMP_BYTES)) as NodeId, remover }
}
