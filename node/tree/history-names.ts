// Names for the ids in the log: see HistoryNames (protocol/tree/describe.ts). Today's names come
// from the state, earlier ones from the ops that an op says its writer had seen; kept is what was
// taken from where, of what was told.
import type { ActorId, NodeId, PeerId } from '../../protocol/ids.ts'
import { dotActor, makeStamp } from '../../protocol/clock/dot.ts'
import type { Dot, Stamp } from '../../protocol/clock/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { readChildren } from '../../protocol/tree/children.ts'
import { isTaking, pathIn, takenBy } from '../../protocol/tree/describe.ts'
import type { HistoryNames, LoggedOp, Taking } from '../../protocol/tree/describe.ts'
import { collisionKey } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { Op } from '../../protocol/op/op.ts'
import { ROOT, readDir, readInode, linksOf, readLink } from '../../protocol/tree/records.ts'
import { countLosing, losingVersions } from '../../protocol/tree/view.ts'
import type { Volume } from '../log/volume.ts'

/** Ops that are looked through for a former name, at most. */
const STEPS_MAX = 32

/** Names of which is known what was taken from them, at most. */
const TAKEN_MAX = 4096

type Placing = Extract<Op, { kind: 'mkdir' | 'create' | 'link' | 'move' | 'move-dir' }>

/** Something under a name. */
interface Sibling {
  readonly id: NodeId
  readonly name: Name
  readonly isDir: boolean
  readonly placed: Stamp
}

export class LogNames implements HistoryNames {
  readonly #volume: Volume
  /** By directory and collision key, what ops took from there, of entries that were told so far. */
  readonly #taken = new Map<string, readonly Sibling[]>()

  constructor(volume: Volume) {
    this.#volume = volume
  }

  folder(id: NodeId): string {
    const { view } = this.#volume
    if (id === ROOT) return '/'
    const dir = readDir(view, id)
    return dir === undefined ? '…' : pathIn(this.folder(dir.parent), dir.name)
  }

  place(id: NodeId): string | undefined {
    const { view } = this.#volume
    const at = readLink(view, id) ?? readDir(view, id)
    return at === undefined ? undefined : pathIn(this.folder(at.parent), at.name)
  }

  before(id: NodeId, saw: readonly Dot[]): string | undefined {
    const at = this.#placing(id, saw)
    return at === undefined ? undefined : pathIn(this.folder(at.op.parent), at.op.name)
  }

  /** Ops of an entry are going to be told, after those of all later ones. */
  learn(ops: readonly LoggedOp[]): void {
    for (const { op } of ops) {
      if (op === undefined || !isTaking(op)) continue
      const taken = this.#taking(op)
      if (taken === undefined) continue
      if (this.#taken.size >= TAKEN_MAX) this.#taken.clear()
      const key = op.from + collisionKey(taken.name)
      this.#taken.set(key, [...(this.#taken.get(key) ?? []), taken])
    }
  }

  /**
   * As the view sorts what has one name (protocol/tree/view.ts): directories first, of files the
   * newest. What else was there then is there today, or was taken from there in this entry or
   * later. cost: O(what has or had the name)
   */
  ofCopy(op: Taking, dot: Dot): boolean {
    const [then, self] = [this.#stamp(dot), this.#taking(op)]
    if (then === undefined || self === undefined) return false
    const taken = this.#taken.get(op.from + collisionKey(self.name)) ?? []
    return [...this.#besides(op.from, self.name), ...taken].some(
      (other) => other.id !== self.id && other.placed < then && isBefore(other, self),
    )
  }

  object(id: NodeId): string | undefined {
    const { view } = this.#volume
    const inode = readInode(view, id)
    const [link] = inode === undefined ? [] : linksOf(view, id, inode)
    if (link !== undefined) return this.place(link)
    return readDir(view, id) === undefined ? undefined : this.folder(id)
  }

  member(peer: PeerId): string {
    return this.#volume.membership.nameOf(peer)
  }

  isBy(peer: PeerId, dot: Dot): boolean {
    return this.#volume.actors.get(dotActor(dot))?.peer === peer
  }

  inConflict(inode: NodeId, version: Dot): boolean {
    const { view } = this.#volume
    const file = readInode(view, inode)
    if (file === undefined || countLosing(view, inode, file) === 0) return false
    return (
      file.newest?.dot === version ||
      losingVersions(view, inode, file).some(({ dot }) => dot === version)
    )
  }

  /** The object that an op removed, and its name. */
  #taking(op: Taking): Sibling | undefined {
    const id = takenBy(op)
    const at = this.#placing(id, op.saw)
    const placed = this.#stamp(at?.dot)
    if (at === undefined || placed === undefined) return undefined
    return { id, name: at.op.name, isDir: op.kind === 'move-dir' || op.kind === 'rmdir', placed }
  }

  /** The objects that have the name today. */
  #besides(dir: NodeId, name: Name): Sibling[] {
    const { view } = this.#volume
    return readChildren(view, dir, name).shown.flatMap(({ kind, id }) => {
      const isDir = kind === 'dir'
      const placed = isDir ? readDir(view, id)?.created : readLink(view, id)?.placed
      return placed === undefined ? [] : [{ id, name, isDir, placed }]
    })
  }

  /** The op that gave something the place that it had with these presence dots. */
  #placing(id: NodeId, saw: readonly Dot[]): { op: Placing; dot: Dot } | undefined {
    let [dot] = saw
    for (let step = 0; step < STEPS_MAX && dot !== undefined; step++) {
      const op = this.#op(dot)
      switch (op?.kind) {
        case 'mkdir':
        case 'create':
        case 'link':
        case 'move':
        case 'move-dir':
          return { op, dot }
        case 'version':
          dot = op.touch.find(({ link }) => link === id)?.saw[0]
          break
        default:
          return undefined
      }
    }
    return undefined
  }

  #stamp(dot: Dot | undefined): Stamp | undefined {
    const { actor, index, entry } = this.#at(dot)
    return entry === undefined ? undefined : makeStamp(entry.header.hlc, actor, index)
  }

  #op(dot: Dot): Op | undefined {
    const { index, entry } = this.#at(dot)
    const reading = entry === undefined ? undefined : this.#volume.replica.read(entry)
    return reading?.kind === 'ops' ? reading.ops[index] : undefined
  }

  #at(dot: Dot | undefined): { actor: ActorId; index: number; entry: Entry | undefined } {
    const [id = '', seq = '', index = ''] = dot?.split(':') ?? []
    const actor = id as ActorId
    return { actor, index: Number(index), entry: this.#volume.entries.entry(actor, Number(seq)) }
  }
}

function isBefore(one: Sibling, another: Sibling): boolean {
  if (one.isDir !== another.isDir) return one.isDir
  return one.isDir ? one.placed < another.placed : one.placed > another.placed
}
