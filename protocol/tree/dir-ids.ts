// Ids of directories. Two nodes that make one directory at once must give it one id, in whichever spelling of its name:
// the hash of parent and collision key, and how often it was made before (MEMO §2.3). A purged directory leaves behind
// how often, under 'y' and that hash, so that no other ever gets its id.
import { fromByteString, fromHex, hexToByteString, toHex, utf8 } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { blake3Concat } from '../hash.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { collisionKey } from './names.ts'
import type { Name } from './names.ts'
import { hasDir } from './records.ts'
import type { StateStore } from './records.ts'

const RETIRED: ByteString = 'y'
/** An id ends with its generation, of 4 bytes. */
const GENERATION_BYTES = 4
const SLOT_BYTES: number = SHORT_ID_BYTES - GENERATION_BYTES
const SLOT_CHARS: number = 2 * SLOT_BYTES
const GENERATIONS: number = 2 ** (8 * GENERATION_BYTES)

/** An id for a new directory that this replica has never seen. cost: O(log directories made there since a purge). */
export function freshDirId(store: StateStore, parent: NodeId, name: Name): NodeId {
  // Somebody who makes up ids can use up a slot: there is another for the name with a byte that no name has.
  for (let key = collisionKey(name); ; key += '\0') {
    const slot = slotOf(parent, key)
    const generation = firstFree(store, slot)
    if (generation < GENERATIONS) return idOf(slot, generation)
  }
}

/**
 * The least generation above those purged that no directory has. Those in use follow each other, since who makes one
 * knows all before it: search in doubling steps, then between the last two.
 */
function firstFree(store: StateStore, slot: string): number {
  const isFree = (generation: number): boolean =>
    generation >= GENERATIONS || !hasDir(store, idOf(slot, generation))
  const first = retiredIn(store, slot) + 1
  let step = 1
  while (!isFree(first + step - 1)) step *= 2
  let [low, high] = [first + Math.floor(step / 2), first + step - 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isFree(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Remember that this id was in use. */
export function retireDirId(store: StateStore, id: NodeId): void {
  const slot = id.slice(0, SLOT_CHARS)
  if (generationOf(id) > retiredIn(store, slot))
    store.put(retiredKey(slot), fromHex(id.slice(SLOT_CHARS)))
}

/** True for the id of a directory that was purged. */
export function isRetired(store: StateStore, id: NodeId): boolean {
  return generationOf(id) <= retiredIn(store, id.slice(0, SLOT_CHARS))
}

function slotOf(parent: NodeId, key: ByteString): string {
  const digest = blake3Concat(utf8('shoal/dir/2\0'), fromHex(parent), fromByteString(key))
  return toHex(digest.subarray(0, SLOT_BYTES))
}

function idOf(slot: string, generation: number): NodeId {
  return (slot + generation.toString(16).padStart(2 * GENERATION_BYTES, '0')) as NodeId
}

function generationOf(id: NodeId): number {
  return Number.parseInt(id.slice(SLOT_CHARS), 16)
}

function retiredKey(slot: string): ByteString {
  return RETIRED + hexToByteString(slot)
}

/** The last generation that was purged, or -1. */
function retiredIn(store: StateStore, slot: string): number {
  const bytes = store.get(retiredKey(slot))
  return bytes === undefined ? -1 : Number.parseInt(toHex(bytes), 16)
}
