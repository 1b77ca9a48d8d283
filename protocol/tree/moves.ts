// Moves of directories, in stamp order with undo and redo: Kleppmann, Mulligan, Gomes, Beresford,
// "A highly-available move operation for replicated trees", IEEE TPDS 33(7), 2022. A move that
// comes late undoes the newer ones, is applied, and they are applied again; one that would put a
// directory below itself has no effect at its place. Undo and redo happen in memory: only what is
// different in the end is written. The window of moves kept is the log above the stable cut; memory
// is O(window).
import { TREE_PREFIXES } from './key-prefixes.ts'
import type { ByteString } from '../bytes.ts'
import type { NodeId } from '../ids.ts'
import { STAMP_ZERO } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import type { ChangeSet } from './apply.ts'
import { Edit, Recounts } from './edit.ts'
import type { Name } from '../op/names.ts'
import { namedInVain, placeDir } from './presence.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { ROOT, readDir } from './records.ts'
import type { StateStore } from './records.ts'
import { isPlanted } from '../planted-faults.ts'

interface Position {
  readonly parent: NodeId
  readonly name: Name
}

export interface Move extends Position {
  readonly stamp: Stamp
  readonly dir: NodeId
}

interface DoneMove extends Move {
  /** Position before; undefined when the move was void. */
  readonly before: Position | undefined
}

/** Keys of the records of moves: prefix and the stamp. */
export const MOVE_PREFIX: ByteString = TREE_PREFIXES.move

const writer = new RecordWriter()
const VOID_FIELDS = 3
const DONE_FIELDS = 5

/** The moves of one volume, oldest first. Only it changes where directories are, of one state. */
export class MoveLog {
  readonly #moves: DoneMove[] = []
  /** Current positions of the directories that were asked for. */
  readonly #positions = new Map<NodeId, Position>()
  #redone = 0
  /** While a batch runs: those that came late, to be applied at once when it ends. */
  #late: Move[] | undefined
  /** While a batch runs: names to be looked at when it ends. */
  recounts: Recounts | undefined

  /** Take the stored moves, given in key order. */
  static from(records: Iterable<readonly [ByteString, Uint8Array]>): MoveLog {
    const log = new MoveLog()
    for (const [key, value] of isPlanted('replaced-moves-forgotten') ? [] : records)
      log.#moves.push(decodeMove(key.slice(MOVE_PREFIX.length) as Stamp, value))
    return log
  }

  /**
   * Moves that were done again since older ones came, and folders on the way up from all that were
   * done then; so far.
   */
  get redone(): number {
    return this.#redone
  }

  /** One to try moves on. cost: O(moves). */
  copy(): MoveLog {
    const log = new MoveLog()
    log.#moves.push(...this.#moves)
    return log
  }

  /**
   * Apply a move at its place in the order. cost: O(depth), and for one that comes late O(depth +
   * newer moves * how many directories above each of them they move).
   */
  apply(edit: Edit, move: Move): void {
    if (this.#late !== undefined && this.#firstAbove(move.stamp) < this.#moves.length)
      this.#late.push(move)
    else this.#insert(edit, [move])
  }

  /**
   * Apply ops of which many may be late moves: the newer are undone and done again once for all.
   * Positions are those of before until the end, and so are counts of conflicts, which concerns no
   * other op.
   */
  batch(store: StateStore, changes: ChangeSet, run: () => void): void {
    if (this.#late !== undefined) return run()
    this.#late = []
    this.recounts = new Recounts()
    try {
      run()
    } finally {
      const late = this.#late.sort((a, b) => (a.stamp < b.stamp ? -1 : 1))
      this.#late = undefined
      const last = late.at(-1)
      if (last !== undefined) {
        const edit = new Edit(store, last.stamp, changes, this.recounts)
        this.#insert(edit, late)
        edit.flush()
      }
      this.recounts.run(store)
      this.recounts = undefined
    }
  }

  /**
   * Give a directory another spelling of the name that it had before all its moves. cost: O(moves).
   */
  respell(edit: Edit, id: NodeId, name: Name): void {
    const at = this.#moves.findIndex((done) => done.dir === id && done.before !== undefined)
    const first = this.#moves[at]
    const dir = edit.dir(id)
    const start = first?.before ?? dir
    if (dir === undefined || start === undefined || start.name === name) return
    if (first === undefined) {
      this.#positions.delete(id)
      return placeDir(edit, id, dir, start.parent, name)
    }
    const respelled = { ...first, before: { parent: start.parent, name } }
    this.#moves[at] = respelled
    edit.store.put(MOVE_PREFIX + respelled.stamp, encodeMove(respelled))
  }

  /** No move up to this stamp can come any more: drop what only one that is late would need. */
  forget(store: StateStore, upTo: Stamp): void {
    const dropped = this.#moves.splice(0, this.#firstAbove(upTo))
    for (const { stamp } of dropped) store.delete(MOVE_PREFIX + stamp)
    this.#positions.clear()
  }

  /**
   * Undo what is newer than the first of these, and do it again with these among it. `moves`:
   * oldest first.
   */
  #insert(edit: Edit, moves: readonly Move[]): void {
    const start = this.#firstAbove(moves[0]?.stamp ?? STAMP_ZERO)
    const newer = this.#moves.splice(start)
    const before = new Map<NodeId, Position | undefined>()
    for (const { dir } of [...newer, ...moves]) before.set(dir, this.#positionOf(edit, dir))
    for (const done of isPlanted('moves-not-undone') ? [] : newer.toReversed()) {
      if (done.before !== undefined) this.#positions.set(done.dir, done.before)
    }
    const above = new Anchors(before, (id) => this.#positionOf(edit, id)?.parent)
    for (const next of inOrder(newer, moves)) {
      if (this.#moves.at(-1)?.stamp === next.stamp) continue
      const known = 'before' in next ? next : undefined
      const was = this.#perform(edit, next, above)
      if (known !== undefined && isSame(known.before, was)) {
        this.#moves.push(known)
        continue
      }
      const done = { ...next, before: was }
      this.#moves.push(done)
      edit.store.put(MOVE_PREFIX + done.stamp, encodeMove(done))
    }
    if (newer.length > 0) this.#redone += newer.length + above.looked
    for (const [id, was] of before) this.#place(edit, id, was)
    for (const { parent } of moves) namedInVain(edit, parent)
  }

  /** returns the position before, or undefined for a move that is void. */
  #perform(edit: Edit, { dir, parent, name }: Move, above: Anchors): Position | undefined {
    const before = this.#positionOf(edit, dir)
    if (before === undefined || (above.isBelow(parent, dir) && !isPlanted('moves-make-cycles')))
      return undefined
    this.#positions.set(dir, { parent, name })
    return before
  }

  /** Make true for the records what is true here, of a directory that was somewhere. */
  #place(edit: Edit, id: NodeId, was: Position | undefined): void {
    const position = this.#positions.get(id)
    if (position === undefined || isSame(position, was)) return
    const dir = edit.dir(id)
    if (dir !== undefined) placeDir(edit, id, dir, position.parent, position.name)
  }

  #positionOf(edit: Edit, id: NodeId): Position | undefined {
    const known = this.#positions.get(id)
    if (known !== undefined) return known
    const dir = edit.dir(id)
    if (dir === undefined) return undefined
    const position = { parent: dir.parent, name: dir.name }
    this.#positions.set(id, position)
    return position
  }

  /** Index of the first move with a greater stamp. */
  #firstAbove(stamp: Stamp): number {
    let [low, high] = [0, this.#moves.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#moves[middle]?.stamp ?? stamp) > stamp) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Both, each in order, as one. */
function* inOrder(newer: readonly DoneMove[], moves: readonly Move[]): Generator<DoneMove | Move> {
  let at = 0
  for (const done of newer) {
    for (let next = moves[at]; next !== undefined && next.stamp < done.stamp; next = moves[++at])
      yield next
    yield done
  }
  yield* moves.slice(at)
}

/** True if `id` is `ancestor` or below it. */
export function isWithin(store: StateStore, id: NodeId, ancestor: NodeId): boolean {
  for (let at = id; ;) {
    if (at === ancestor) return true
    if (at === ROOT) return false
    const dir = readDir(store, at)
    if (dir === undefined) return false
    at = dir.parent
  }
}

/**
 * Ancestry while some directories move and the others stay where they are: of those only the way up
 * to the nearest moving one is remembered, so that the deepest folder is walked through once.
 */
class Anchors {
  readonly #moving: { has(id: NodeId): boolean }
  readonly #parentOf: (id: NodeId) => NodeId | undefined
  /** The nearest that moves, at or above a directory; undefined: none. */
  readonly #nearest = new Map<NodeId, NodeId | undefined>()
  /** Directories looked at so far. */
  looked = 0

  constructor(moving: { has(id: NodeId): boolean }, parentOf: (id: NodeId) => NodeId | undefined) {
    this.#moving = moving
    this.#parentOf = parentOf
  }

  /**
   * Is a directory `ancestor`, which is one that moves, or below it? cost: O(those above that move)
   */
  isBelow(id: NodeId, ancestor: NodeId): boolean {
    let at = this.#anchorOf(id)
    while (at !== undefined && at !== ancestor) {
      this.looked++
      const parent = this.#parentOf(at)
      at = parent === undefined ? undefined : this.#anchorOf(parent)
    }
    return at === ancestor
  }

  #anchorOf(id: NodeId): NodeId | undefined {
    const way: NodeId[] = []
    let at: NodeId | undefined = id
    while (at !== undefined && !this.#moving.has(at) && !this.#nearest.has(at)) {
      way.push(at)
      at = at === ROOT ? undefined : this.#parentOf(at)
    }
    const found = at === undefined || this.#moving.has(at) ? at : this.#nearest.get(at)
    for (const one of way) this.#nearest.set(one, found)
    this.looked += way.length
    return found
  }
}

function isSame(a: Position | undefined, b: Position | undefined): boolean {
  return a === b || (a?.parent === b?.parent && a?.name === b?.name)
}

function encodeMove({ dir, parent, name, before }: DoneMove): Uint8Array {
  const w = writer.begin(before === undefined ? VOID_FIELDS : DONE_FIELDS)
  for (const position of [{ parent, name }, before]) {
    if (position === undefined) continue
    w.hex(position.parent)
    w.byteString(position.name)
  }
  w.hex(dir)
  return w.finish()
}

function decodeMove(stamp: Stamp, bytes: Uint8Array): DoneMove {
  const r = new RecordReader(bytes, VOID_FIELDS)
  const [parent, name] = [r.id(), r.name()]
  const before = r.count === VOID_FIELDS ? undefined : { parent: r.id(), name: r.name() }
  return { stamp, parent, name, before, dir: r.id() }
}
