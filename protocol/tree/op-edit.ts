// The edit of one op: what the op names is there for it only as far as its writer had seen that. A replica may hold what came
// from elsewhere at the same time; another will not hold it yet when it takes the op; both must do the same.
import type { NodeId } from '../ids.ts'
import { dotActor, dotSeq } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import { enforces } from '../trust.ts'
import type { ChangeSet } from './apply.ts'
import { Edit } from './edit.ts'
import type { Recounts } from './edit.ts'
import { isMadeFor, makeToo } from './made.ts'
import type { Covers, Made, MadeObject } from './made.ts'
import { ROOT } from './records.ts'
import type { Dir, Inode, Link, StateStore } from './records.ts'

/** When and by whom an op was made, and what they had seen. */
export interface OpContext {
  readonly dot: Dot
  readonly stamp: Stamp
  /** Of what the ops before it have made: of what comes later nobody asks. */
  readonly covers: Covers
}

export class OpEdit extends Edit {
  readonly dot: Dot
  readonly #covers: Covers

  constructor(
    store: StateStore,
    { dot, stamp, covers }: OpContext,
    changes: ChangeSet,
    recounts?: Recounts,
  ) {
    super(store, stamp, changes, recounts)
    this.dot = dot
    this.#covers = covers
  }

  /** A directory that the op names. */
  seenDir(id: NodeId): Dir | undefined {
    const dir = this.dir(id)
    if (dir === undefined || id === ROOT) return dir
    return this.#isSeen(dirMade(id, dir), dir) ? dir : undefined
  }

  /** A link that the op names. */
  seenLink(id: NodeId): Link | undefined {
    const link = this.link(id)
    return link !== undefined && this.#isSeen(linkMade(id, link), link) ? link : undefined
  }

  /** An inode that the op names. */
  seenInode(id: NodeId): Inode | undefined {
    const inode = this.inode(id)
    return inode !== undefined && this.#isSeen(inodeMade(id, inode), inode) ? inode : undefined
  }

  /** Of dots that the op names, those of ops that its writer had seen. */
  seenDots(dots: readonly Dot[]): readonly Dot[] {
    if (!enforces('ids-seen')) return dots
    return dots.filter((dot) => this.#covers(dotActor(dot), dotSeq(dot)))
  }

  /** The op makes what is there. Before `created` is changed; the caller puts it. */
  makesDir(id: NodeId, dir: Dir): void {
    this.#makes(dirMade(id, dir), dir)
  }

  /** Before `made` is changed; the caller puts it. */
  makesLink(id: NodeId, link: Link): void {
    this.#makes(linkMade(id, link), link)
  }

  /** Before `created` is changed; the caller puts it. */
  makesInode(id: NodeId, inode: Inode): void {
    this.#makes(inodeMade(id, inode), inode)
  }

  #isSeen(object: MadeObject, made: Made): boolean {
    return this.#isMade(object, made) || !enforces('ids-seen')
  }

  #makes(object: MadeObject, made: Made): void {
    if (!this.#isMade(object, made)) makeToo(this.store, object, made, this)
  }

  #isMade(object: MadeObject, made: Made): boolean {
    return isMadeFor(this.store, { by: this.stamp, covers: this.#covers }, object, made)
  }
}

function dirMade(id: NodeId, { created }: Dir): MadeObject {
  return { set: 'dir-made', id, first: created }
}

function linkMade(id: NodeId, { made }: Link): MadeObject {
  return { set: 'link-made', id, first: made }
}

function inodeMade(id: NodeId, { created }: Inode): MadeObject {
  return { set: 'inode-made', id, first: created }
}
