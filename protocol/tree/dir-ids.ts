// Ids of directories. Two nodes that make one directory at once must give it one id, in whichever
// spelling of its name: the hash of parent and collision key, and how often it was made before
// (docs/formats/tree.md). A purged directory leaves behind how often, under 'y' and that hash, so
// that no other ever gets its id.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, fromHex, hexToByteString, toHex, utf8 } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { blake3Concat } from '../hash.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { collisionKey, nameText } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import { hasDir } from './records.ts'
import type { StateStore } from './records.ts'

const RETIRED: ByteString = TREE_PREFIXES.retiredDirectory
/** An id ends with its generation, of 4 bytes. */
const GENERATION_BYTES = 4
const SLOT_BYTES: number = SHORT_ID_BYTES - GENERATION_BYTES
const SLOT_CHARS: number = 2 * SLOT_BYTES
/** Maximum for one name in one directory. */
const SLOTS_MAX = 16
const GENERATIONS: number = 2 ** (8 * GENERATION_BYTES)

/**
 * An id for a new directory that this replica has never seen. cost: O(log directories made there
 * since a purge).
 */
export function freshDirId(store: StateStore, parent: NodeId, name: Name): NodeId {
  // Somebody who makes up generations can use up a slot.
  for (const slot of slotsOf(parent, name)) {
    const generation = firstFree(store, slot)
    if (generation < GENERATIONS) return idOf(slot, generation)
  }
  const why = `the ids of folders "${nameText(name)}" here are used up`
  throw new ShoalError('ENOSPC', `${why}: make one of another name, and rename it`)
}

/**
 * Can a directory that was made there have this id? What else has it was made up, so that two
 * differ of one id.
 */
export function isIdOf(id: NodeId, parent: NodeId, name: Name): boolean {
  const slot = id.slice(0, SLOT_CHARS)
  for (const one of slotsOf(parent, name)) if (one === slot) return true
  return false
}

/**
 * The least generation above those purged that no directory has. Those in use follow each other,
 * since who makes one knows all before it: search in doubling steps, then between the last two.
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

/** The first is that of the name; the others of the name with a byte that no name has. */
function* slotsOf(parent: NodeId, name: Name): Generator<string, void, undefined> {
  const key = collisionKey(name)
  for (let more = 0; more < SLOTS_MAX; more++) yield slotOf(parent, key + '\0'.repeat(more))
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
