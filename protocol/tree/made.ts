// Which entries made an object. An op that names one applies only if its writer had seen one of them: what is there for an
// op then follows from its past alone, and is the same for everyone, in whatever order entries came. Kept are those that had
// seen none of the others: nearly always one, and more for a directory that was made on two machines at once, or where
// somebody made up an id. Whoever has seen any other has seen one of these.
import type { ActorId, NodeId } from '../ids.ts'
import { dotActor, dotSeq, isSameActor, stampActor, stampDot } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import { addItem, itemsOf } from './record-set.ts'
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

/** Of who writes now: all that is held. */
export const coversAll: Covers = () => true

/** An object; `first` is the stamp of the op that made it first. */
export interface MadeObject {
  readonly set: Extract<SetName, 'dir-made' | 'link-made' | 'inode-made'>
  readonly id: NodeId
  readonly first: Stamp
}

/** Had the writer of an op, which has the stamp `by`, seen that it was made? cost: O(1), O(those that made it) of what was made up. */
export function isMadeFor(
  store: StateStore,
  { by, covers }: { readonly by: Stamp; readonly covers: Covers },
  { set, id, first }: MadeObject,
  { madeSeq, madeAlso }: Made,
): boolean {
  // What an actor has made was there before all that it does later.
  if (isSameActor(by, first) || covers(stampActor(first), madeSeq)) return true
  if (madeAlso.length === 0) return false
  return itemsOf(store, setKey(set, id), madeAlso).some((dot) => covers(dotActor(dot), dotSeq(dot)))
}

/**
 * An op that had not seen an object makes it as well. Mutates `made`, where `first` is to be the lesser of both stamps from now on.
 */
export function makeToo(
  store: StateStore,
  { set, id, first }: MadeObject,
  made: Made,
  { dot, stamp }: { readonly dot: Dot; readonly stamp: Stamp },
): void {
  const isFirst = stamp < first
  const other = isFirst ? stampDot(first, made.madeSeq) : dot
  made.madeAlso = addItem(store, setKey(set, id), made.madeAlso, other)
  if (isFirst) made.madeSeq = dotSeq(dot)
}
