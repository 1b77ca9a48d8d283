// Moves of directories, in stamp order with undo and redo: Kleppmann, Mulligan, Gomes, Beresford, "A highly-available
// move operation for replicated trees", IEEE TPDS 33(7), 2022. A move that comes late undoes the newer ones, is
// applied, and they are applied again; one that would put a directory below itself has no effect at its place.
// The window of moves kept is the log above the stable cut; memory is O(window).
import { fromByteString, fromHex, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import type { NodeId } from '../ids.ts'
import type { Stamp } from '../log/dot.ts'
import { countChild, isDirVisible } from './apply.ts'
import type { ChangeSet } from './apply.ts'
import { collisionKey } from './names.ts'
import type { Name } from './names.ts'
import { ROOT, addChild, readDir, removeChild, writeDir } from './records.ts'
import type { StateStore } from './records.ts'

export interface Move {
  readonly stamp: Stamp
  readonly dir: NodeId
  readonly parent: NodeId
  readonly name: Name
}

interface DoneMove extends Move {
  /** Position before; undefined when the move was void. */
  readonly before: { readonly parent: NodeId; readonly name: Name } | undefined
}

/** Keys of the records of moves: prefix and the stamp. */
export const MOVE_PREFIX: ByteString = 'm'

/** The moves of one volume, oldest first. */
export class MoveLog {
  readonly #moves: DoneMove[] = []

  /** Take the stored moves, given in key order. */
  static from(records: Iterable<readonly [ByteString, Uint8Array]>): MoveLog {
    const log = new MoveLog()
    for (const [key, value] of records)
      log.#moves.push(decodeMove(key.slice(MOVE_PREFIX.length) as Stamp, value))
    return log
  }

  /** Apply a move at its place in the order. cost: O(newer moves * depth). */
  apply(store: StateStore, move: Move, changes: ChangeSet): void {
    let at = this.#moves.length
    while (at > 0 && this.#stampAt(at - 1) > move.stamp) at--
    if (this.#moves[at - 1]?.stamp === move.stamp) return
    const newer = this.#moves.splice(at)
    for (const done of newer.toReversed()) undo(store, done, changes)
    for (const next of [move, ...newer]) this.#moves.push(perform(store, next, changes))
  }

  /** Give a directory another spelling of the name that it had before all its moves. cost: O(moves). */
  respell(store: StateStore, dir: NodeId, name: Name, changes: ChangeSet): void {
    const at = this.#moves.findIndex((done) => done.dir === dir && done.before !== undefined)
    const first = this.#moves[at]
    const start = first?.before ?? readDir(store, dir)
    if (start === undefined || start.name === name) return
    // Only a writer that makes up ids could give another parent, or another name than a spelling of this one.
    if (collisionKey(start.name) !== collisionKey(name)) return
    if (first === undefined) return setPosition(store, dir, start.parent, name, changes)
    const respelt = { ...first, before: { parent: start.parent, name } }
    this.#moves[at] = respelt
    store.put(MOVE_PREFIX + respelt.stamp, encodeMove(respelt))
  }

  #stampAt(index: number): Stamp {
    return this.#moves[index]?.stamp ?? ('' as Stamp)
  }
}

function perform(store: StateStore, move: Move, changes: ChangeSet): DoneMove {
  const dir = readDir(store, move.dir)
  const isVoid = dir === undefined || isWithin(store, move.parent, move.dir)
  const before = isVoid ? undefined : { parent: dir.parent, name: dir.name }
  const done: DoneMove = { ...move, before }
  if (!isVoid) setPosition(store, move.dir, move.parent, move.name, changes)
  store.put(MOVE_PREFIX + move.stamp, encodeMove(done))
  return done
}

function undo(store: StateStore, done: DoneMove, changes: ChangeSet): void {
  if (done.before === undefined) return
  setPosition(store, done.dir, done.before.parent, done.before.name, changes)
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

function setPosition(
  store: StateStore,
  id: NodeId,
  parent: NodeId,
  name: Name,
  changes: ChangeSet,
): void {
  const dir = readDir(store, id)
  if (dir === undefined) return
  const visible = isDirVisible(id, dir)
  const { parent: from, name: oldName } = dir
  writeDir(store, id, { ...dir, parent, name })
  changes.dirs.add(id)
  if (!visible) return
  removeChild(store, from, oldName, id)
  addChild(store, parent, name, { kind: 'dir', id })
  changes.names.push([from, oldName], [parent, name])
  if (from === parent) return
  countChild(store, from, -1, -1, changes)
  countChild(store, parent, 1, 1, changes)
}

function encodeMove(move: DoneMove): Uint8Array {
  const { before } = move
  const was = before === undefined ? null : [fromHex(before.parent), fromByteString(before.name)]
  return encodeCbor([fromHex(move.dir), fromHex(move.parent), fromByteString(move.name), was])
}

function decodeMove(stamp: Stamp, bytes: Uint8Array): DoneMove {
  const [dir, parent, name, was] = decodeCbor(bytes, 'move record') as readonly Uint8Array[]
  const before = was as unknown as readonly [Uint8Array, Uint8Array] | null | undefined
  return {
    stamp,
    dir: toHex(dir ?? new Uint8Array()) as NodeId,
    parent: toHex(parent ?? new Uint8Array()) as NodeId,
    name: toByteString(name ?? new Uint8Array()) as Name,
    before:
      before === null || before === undefined
        ? undefined
        : { parent: toHex(before[0]) as NodeId, name: toByteString(before[1]) as Name },
  }
}
