// Tells what was removed, and by whom. A name or directory that shows no more is listed under the
// place where it was, until it is purged. Which op removed it follows from its presence: for each
// dot that a removal covered, the earliest op that did; the last of these is the one at which
// nothing was left. So it is the same in whatever order removals came. A dot that a move or a write
// covered is left out, since the dot of that op stands for it.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { collisionKey } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import { hasItem } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { idKey, setKey } from './records.ts'
import type { StateStore } from './records.ts'

/** The kind of object whose presence it is. */
export type Owner = 'dir' | 'link'

/** Begins the keys of covered dots. */
export const COVERED_PREFIX: ByteString = `${TREE_PREFIXES.history}d`
const GONE_PREFIX: ByteString = `${TREE_PREFIXES.history}c`
const KIND_CHARS: Readonly<Record<Owner, string>> = { dir: 'd', link: 'l' }
/** A kind and an id end the key of what is gone from a place. */
const TAIL: number = 1 + SHORT_ID_BYTES
const NOTHING = new Uint8Array()

/** A name or directory that shows no more. */
export interface Gone {
  readonly kind: Owner
  readonly id: NodeId
}

/**
 * Prefix of the keys of what is gone from a directory; what follows is a collision key, and TAIL.
 */
export function gonePrefix(dir: NodeId): ByteString {
  return GONE_PREFIX + idKey(dir)
}

/** Prefixes of the keys of what is gone of one name, and of some longer names. */
export function gonePrefixesOf(dir: NodeId, collision: ByteString): readonly ByteString[] {
  return [KIND_CHARS.dir, KIND_CHARS.link].map((kind) => gonePrefix(dir) + collision + kind)
}

/** Decodes what follows gonePrefix() in a key. */
export function decodeGone(rest: ByteString): Gone & { readonly collision: ByteString } {
  const collision = rest.slice(0, -TAIL)
  const kind = rest.charAt(collision.length) === 'd' ? 'dir' : 'link'
  return { kind, id: toHex(fromByteString(rest.slice(1 - TAIL))) as NodeId, collision }
}

function goneKey(dir: NodeId, name: Name, { kind, id }: Gone): ByteString {
  return gonePrefix(dir) + collisionKey(name) + KIND_CHARS[kind] + idKey(id)
}

/** It shows no more in this place. */
export function listGone(store: StateStore, dir: NodeId, name: Name, gone: Gone): void {
  store.put(goneKey(dir, name, gone), NOTHING)
}

/** It shows again, is elsewhere, or is purged. */
export function dropGone(store: StateStore, dir: NodeId, name: Name, gone: Gone): void {
  store.delete(goneKey(dir, name, gone))
}

/** Prefix of the keys of the dots that removals of one object covered. */
export function coveredPrefix({ kind, id }: Gone): ByteString {
  return COVERED_PREFIX + KIND_CHARS[kind] + hexToByteString(id)
}

/** The stamp of the removal under a key of coveredPrefix(). */
export function decodeCovered(value: Uint8Array): Stamp {
  return toByteString(value) as Stamp
}

/** A removal that saw these dots; before they are taken out of `live`. */
export function coverByRemoval(
  store: StateStore,
  owner: Gone,
  live: ItemSet<Dot>,
  saw: readonly Dot[],
  stamp: Stamp,
): void {
  const set = setKey(owner.kind, owner.id)
  for (const dot of saw) {
    const key = coveredPrefix(owner) + dot
    if (!hasItem(store, set, live, dot)) {
      const known = store.get(key)
      if (known === undefined || decodeCovered(known) <= stamp) continue
    }
    store.put(key, fromByteString(stamp))
  }
}

/** A move or a write that saw these dots; before they are taken out of `live`. */
export function coverByOther(
  store: StateStore,
  owner: Gone,
  live: ItemSet<Dot>,
  saw: readonly Dot[],
): void {
  const set = setKey(owner.kind, owner.id)
  for (const dot of saw) {
    const key = coveredPrefix(owner) + dot
    if (!hasItem(store, set, live, dot) && store.get(key) !== undefined) store.delete(key)
  }
}

/** Decodes a key of a covered dot. */
export function ownerOfCovered(key: ByteString): Gone {
  const at = COVERED_PREFIX.length
  const kind = key.charAt(at) === KIND_CHARS.dir ? 'dir' : 'link'
  return { kind, id: toHex(fromByteString(key.slice(at + 1, at + TAIL))) as NodeId }
}
