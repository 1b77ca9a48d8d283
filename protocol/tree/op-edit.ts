// The edit of one op: what the op names is there for it only as far as its writer had seen that. A
// replica may hold what came from elsewhere at the same time; another will not hold it yet when it
// takes the op; both must do the same.
import type { NodeId } from '../ids.ts'
import { dotActor, dotSeq, isSameActor, stampActor } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { enforces } from '../trust.ts'
import type { ChangeSet } from './apply.ts'
import { Edit } from './edit.ts'
import type { Recounts } from './edit.ts'
import { isMadeByOther, makeToo } from './made.ts'
import type { Covers, Made, MadeSet } from './made.ts'
import { ROOT } from './records.ts'
import type { Dir, Inode, Link, StateStore } from './records.ts'

/** When and by whom an op was made, and what they had seen. */
export interface OpContext {
  readonly dot: Dot
  readonly stamp: Stamp
  /** The coverage of earlier ops; nobody asks about later ones. */
  readonly covers: Covers
  /** It was made in the role of an appender: what it ends is kept (spared.ts). */
  readonly isAppended?: boolean | undefined
}

export class OpEdit extends Edit {
  readonly dot: Dot
  readonly isAppended: boolean
  readonly #covers: Covers

  constructor(
    store: StateStore,
    { dot, stamp, covers, isAppended = false }: OpContext,
    changes: ChangeSet,
    recounts?: Recounts,
  ) {
    super(store, stamp, changes, recounts)
    this.dot = dot
    this.isAppended = isAppended && enforces('appends-only')
    this.#covers = covers
  }

  /** A directory that the op names. */
  seenDir(id: NodeId): Dir | undefined {
    const dir = this.dir(id)
    if (dir === undefined || id === ROOT) return dir
    return this.#isSeen('dir-made', id, dir.created, dir) ? dir : undefined
  }

  /** A link that the op names. */
  seenLink(id: NodeId): Link | undefined {
    const link = this.link(id)
    if (link === undefined) return undefined
    return this.#isSeen('link-made', id, link.made, link) ? link : undefined
  }

  /** An inode that the op names. */
  seenInode(id: NodeId): Inode | undefined {
    const inode = this.inode(id)
    if (inode === undefined) return undefined
    return this.#isSeen('inode-made', id, inode.created, inode) ? inode : undefined
  }

  /** The dots that its writer had seen, among those that the op names. */
  seenDots(dots: readonly Dot[]): readonly Dot[] {
    if (!enforces('ids-seen')) return dots
    const own = dotActor(this.dot)
    return dots.filter((dot) => dot.startsWith(own) || this.#covers(dotActor(dot), dotSeq(dot)))
  }

  /** The op makes what is there. Before `created` is changed; the caller puts it. */
  makesDir(id: NodeId, dir: Dir): void {
    this.#makes('dir-made', id, dir.created, dir)
  }

  /** Before `made` is changed; the caller puts it. */
  makesLink(id: NodeId, link: Link): void {
    this.#makes('link-made', id, link.made, link)
  }

  /** Before `created` is changed; the caller puts it. */
  makesInode(id: NodeId, inode: Inode): void {
    this.#makes('inode-made', id, inode.created, inode)
  }

  #isSeen(set: MadeSet, id: NodeId, first: Stamp, made: Made): boolean {
    return this.#isMade(set, id, first, made) || !enforces('ids-seen')
  }

  #makes(set: MadeSet, id: NodeId, first: Stamp, made: Made): void {
    if (this.#isMade(set, id, first, made)) return
    const { store, dot, stamp } = this
    makeToo(store, [set, id], made, { first, dot, stamp })
  }

  /** first: stamp of the op that made it first. */
  #isMade(set: MadeSet, id: NodeId, first: Stamp, made: Made): boolean {
    // An object that the actor has created existed before all that the actor does later.
    if (isSameActor(this.stamp, first) || this.#covers(stampActor(first), made.madeSeq)) return true
    return isMadeByOther(this.store, [set, id], made, this.#covers)
  }
}
