// Which entries made an object. An op that names one applies only if its writer had seen one of
// them: what is there for an op then follows from its past alone, and is the same for everyone, in
// whatever order entries came. Kept are those that had seen none of the others: nearly always one,
// and more for a directory that was made on two machines at once, or where somebody made up an id.
// Whoever has seen any other has seen one of these.
import type { ActorId, NodeId } from '../ids.ts'
import { dotActor, dotSeq, stampDot } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { addItem, forgetItems, itemsOf } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { setKey } from './records.ts'
import type { SetName, StateStore } from './records.ts'

export interface Made {
  /** Number of the entry that made it first, by stamp. With that stamp it is a dot. */
  madeSeq: number
  /** Dots of the others. */
  madeAlso: ItemSet<Dot>
}

/** Had the writer of an op applied this entry before it? */
export type Covers = (actor: ActorId, seq: number) => boolean

/** Covers all that is held, for the local writer. */
export const coversAll: Covers = () => true

/** Which kind of object it is. */
export type MadeSet = Extract<SetName, 'dir-made' | 'link-made' | 'inode-made'>

/**
 * Had the writer of an op seen one of those that made an object, but for the first? cost: O(1), and
 * of an id that somebody made up O(those that made it).
 */
export function isMadeByOther(
  store: StateStore,
  [set, id]: readonly [MadeSet, NodeId],
  { madeAlso }: Made,
  covers: Covers,
): boolean {
  if (madeAlso.length === 0) return false
  return itemsOf(store, setKey(set, id), madeAlso).some((dot) => covers(dotActor(dot), dotSeq(dot)))
}

/**
 * An op that had not seen an object makes it as well. first: stamp of the op that made it first;
 * from now on that is the lesser of both. Mutates `made`.
 */
export function makeToo(
  store: StateStore,
  [set, id]: readonly [MadeSet, NodeId],
  made: Made,
  { first, dot, stamp }: { readonly first: Stamp; readonly dot: Dot; readonly stamp: Stamp },
): void {
  const isFirst = stamp < first
  const other = isFirst ? stampDot(first, made.madeSeq) : dot
  made.madeAlso = addItem(store, setKey(set, id), made.madeAlso, other)
  if (isFirst) made.madeSeq = dotSeq(dot)
}

/** Delete what is kept of it beside the object's own record. cost: O(those that made it) */
export function forgetMade(
  store: StateStore,
  [set, id]: readonly [MadeSet, NodeId],
  { madeAlso }: Made,
): void {
  forgetItems(store, setKey(set, id), madeAlso)
}
