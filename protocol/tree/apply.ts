// The replicated tree: applying ops. Replicas that have applied the same ops, each after its causal
// past, hold equal records, in whatever order concurrent ops came:
//   positions of links     last writer wins by stamp
//   positions of dirs      all moves in stamp order; a move that would close a cycle is void
//                          (Kleppmann, Mulligan, Gomes, Beresford: "A highly-available move
//                            operation for replicated trees", IEEE TPDS 2022), by undo and redo in
//                            moves.ts
//   presence               observed-remove: a delete covers the dots it saw, anything
//                          concurrent keeps the object alive;
//                          causal delivery makes "remove the dots from the live set" enough
//   contents               multi-value: a version replaces the versions in its base; one that was
//                          removed with the file's last name shows only where no other is
//   attributes, xattrs     each last writer wins by stamp
// A directory shows while it is alive or has a child that shows, so deletes never orphan a
// concurrent child. What an op names is there for it if its writer had seen it made (made.ts): so
// whoever names what it cannot know does nothing, on all.
import { assertNever } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { dotSeq } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { applyDropVersion, applyPurgeVersions } from './change-versions.ts'
import { changeVersions, removeContents } from './change-versions.ts'
import { isIdOf, isRetired } from './dir-ids.ts'
import type { MoveLog } from './moves.ts'
import type { Name } from '../op/names.ts'
import { OpEdit } from './op-edit.ts'
import type { OpContext } from './op-edit.ts'
import type { TreeOp } from '../op/op.ts'
import {
  backdateDir,
  placeLink,
  relink,
  setDirLive,
  setLinkLive,
  showDir,
  showLink,
  withDot,
  without,
} from './presence.ts'
import { coverByOther, coverByRemoval } from './removals.ts'
import type { ItemSet } from './record-set.ts'
import { NO_FILES } from './file-totals.ts'
import type { FileTotals } from './file-totals.ts'
import { ROOT, newDir, newInode } from './records.ts'
import type { Link, StateStore } from './records.ts'
import { mergeAttributes } from './stamped-attributes.ts'
import { spare, spareName } from './spared.ts'
import { supersede } from './superseded.ts'
import { addVersion, dropVersion } from './versions.ts'
import { mergeXattr } from './xattrs.ts'
import { isPlanted } from '../planted-faults.ts'

/**
 * The effect of an op, for caches and watchers: ids whose attributes or content changed, and dirs
 * whose names changed.
 */
export interface ChangeSet {
  readonly dirs: Set<NodeId>
  readonly inodes: Set<NodeId>
  /** Names that now mean something else, as [dir, name]. */
  readonly names: [NodeId, Name][]
  /** Contents that showed, and were replaced or went with the last name of their file. */
  readonly lost: LostContent[]
}

export interface LostContent {
  readonly inode: NodeId
  /** Since when it stood. */
  readonly began: Stamp
  /** The op that replaced or removed it. */
  readonly ended: Stamp
}

type OpOf<Kind extends TreeOp['kind']> = Extract<TreeOp, { kind: Kind }>

export function emptyChanges(): ChangeSet {
  return { dirs: new Set(), inodes: new Set(), names: [], lost: [] }
}

/**
 * Apply one op after its causal past. Ops that name what their writer had not seen, or what was
 * purged, are skipped. returns by how much the files that show became more.
 */
export function applyOp(
  store: StateStore,
  moves: MoveLog,
  op: TreeOp,
  context: OpContext,
  changes: ChangeSet,
): Readonly<FileTotals> {
  const edit = new OpEdit(store, context, changes, moves.recounts)
  switch (op.kind) {
    case 'mkdir':
      applyMkdir(edit, moves, op)
      break
    case 'create':
      applyCreate(edit, op)
      break
    case 'link':
      applyLink(edit, op)
      break
    case 'move':
      applyMove(edit, op)
      break
    case 'move-dir':
      applyMoveDir(edit, moves, op)
      break
    case 'unlink':
      applyUnlink(edit, op)
      break
    case 'rmdir':
      applyRmdir(edit, op)
      break
    case 'attributes':
      applyAttributes(edit, op)
      break
    case 'xattr':
      applyXattr(edit, op)
      break
    case 'version':
      applyVersion(edit, op)
      break
    case 'drop-version':
      applyDropVersion(edit, op)
      break
    case 'purge-versions':
      applyPurgeVersions(edit, op)
      break
    // Settings, pins, backups and mass losses are tables of their own.
    case 'policy':
    case 'restated':
    case 'pin':
    case 'pin-cold':
    case 'backup':
    case 'mass-loss':
    case 'dismiss-loss':
    case 'snapshot':
    case 'snapshot-rm':
    case 'snapshot-hold':
      return NO_FILES
    default:
      return assertNever(op)
  }
  return edit.flush()
}

function applyMkdir(edit: OpEdit, moves: MoveLog, op: OpOf<'mkdir'>): void {
  const { stamp, dot } = edit
  if (edit.seenDir(op.parent) === undefined) return
  if (!isIdOf(op.id, op.parent, op.name)) return
  const known = edit.dir(op.id)
  if (known === undefined) {
    if (isRetired(edit.store, op.id)) return
    const made = { ...newDir(op.parent, op.name, stamp, dotSeq(dot)), live: [dot] }
    mergeAttributes(made.attributes, op.attributes, stamp)
    edit.putDir(op.id, made)
    edit.changes.dirs.add(op.id)
    showDir(edit, op.id, made)
  } else {
    edit.makesDir(op.id, known)
    // Made at once under two spellings of one name: that of the oldest mkdir is where all moves
    // begin.
    if (stamp < known.created) {
      moves.respell(edit, op.id, op.name)
      backdateDir(edit, op.id, known, stamp)
    }
    if (stamp > known.changed) known.changed = stamp
    mergeAttributes(known.attributes, op.attributes, stamp)
    setDirLive(edit, op.id, known, withDot(edit, 'dir', op.id, known.live, dot))
  }
  touchDir(edit, op.parent)
}

function applyCreate(edit: OpEdit, op: OpOf<'create'>): void {
  const { stamp, dot } = edit
  if (edit.seenDir(op.parent) === undefined) return
  if (edit.inode(op.inode) !== undefined || edit.link(op.link) !== undefined)
    return applyCreateAgain(edit, op)
  const inode = newInode(op, edit.stamp, dotSeq(edit.dot))
  inode.links = [op.link]
  mergeAttributes(inode.attributes, op.attributes, stamp)
  edit.putInode(op.inode, inode)
  edit.changes.inodes.add(op.inode)
  const link: Link = {
    parent: op.parent,
    name: op.name,
    placed: stamp,
    live: [dot],
    inode: op.inode,
    made: stamp,
    madeSeq: inode.madeSeq,
    madeAlso: [],
  }
  edit.putLink(op.link, link)
  showLink(edit, op.link, link)
  touchDir(edit, op.parent)
}

/**
 * Somebody made up the id of an inode or link that there is: the earliest op says what it is,
 * whichever came first.
 */
function applyCreateAgain(edit: OpEdit, op: OpOf<'create'>): void {
  const { stamp } = edit
  const { target, special, inode: id } = op
  const known = edit.inode(id)
  if (known !== undefined) edit.makesInode(id, known)
  const inode = known ?? newInode(op, edit.stamp, dotSeq(edit.dot))
  changeVersions(edit, id, inode, () => {
    if (stamp >= inode.created) return
    inode.created = stamp
    inode.target = target
    inode.special = special
  })
  mergeAttributes(inode.attributes, op.attributes, stamp)
  edit.putInode(id, inode)
  makeLink(edit, op)
  if (edit.inode(id)?.links.length === 0) edit.died('inode', id, op.link)
  touchInode(edit, id)
  touchDir(edit, op.parent)
}

/**
 * A new link, or one that somebody made up the id of again: the earliest op says of what it is, the
 * latest where.
 */
function makeLink(edit: OpEdit, op: OpOf<'create' | 'link'>): void {
  const { stamp, dot } = edit
  const { parent, name, inode } = op
  const link = edit.link(op.link)
  if (link === undefined) {
    const made = { made: stamp, madeSeq: dotSeq(dot), madeAlso: [] }
    const placed: Link = { parent, name, placed: stamp, live: [], inode, ...made }
    return setLinkLive(edit, op.link, placed, [dot])
  }
  edit.makesLink(op.link, link)
  if (stamp < link.made) {
    link.made = stamp
    if (edit.isAppended) spareName(edit, op.link, link)
    relink(edit, op.link, link, inode)
  }
  if (link.placed < stamp) placeLink(edit, op.link, link, parent, name)
  setLinkLive(edit, op.link, link, withDot(edit, 'link', op.link, link.live, dot))
}

function applyLink(edit: OpEdit, op: OpOf<'link'>): void {
  if (edit.seenInode(op.inode) === undefined || edit.seenDir(op.parent) === undefined) return
  makeLink(edit, op)
  touchInode(edit, op.inode)
  touchDir(edit, op.parent)
}

function applyMove(edit: OpEdit, op: OpOf<'move'>): void {
  const link = edit.seenLink(op.link)
  if (link === undefined || edit.seenDir(op.parent) === undefined) return
  const isNewer = isPlanted('last-name-wins')
    ? link.placed !== edit.stamp
    : link.placed < edit.stamp
  if (isNewer) placeLink(edit, op.link, link, op.parent, op.name)
  setLinkLive(edit, op.link, link, replaced(edit, 'link', op.link, link.live, op.saw))
  touchInode(edit, op.inode)
  touchDir(edit, op.from)
  touchDir(edit, op.parent)
}

function applyMoveDir(edit: OpEdit, moves: MoveLog, op: OpOf<'move-dir'>): void {
  const { id, parent, name } = op
  const dir = edit.seenDir(id)
  if (dir === undefined || id === ROOT || edit.seenDir(parent) === undefined) return
  setDirLive(edit, id, dir, replaced(edit, 'dir', id, dir.live, op.saw))
  touchDir(edit, op.from)
  touchDir(edit, parent)
  moves.apply(edit, { stamp: edit.stamp, dir: id, parent, name })
}

function applyUnlink(edit: OpEdit, op: OpOf<'unlink'>): void {
  const link = edit.seenLink(op.link)
  if (link === undefined) return
  removeContents(edit, op)
  if (edit.isAppended) spareName(edit, op.link, link)
  const saw = edit.seenDots(op.saw)
  coverByRemoval(edit.store, { kind: 'link', id: op.link }, link.live, saw, edit.stamp)
  const left = isPlanted('delete-covers-unseen')
    ? []
    : without(edit, 'link', op.link, link.live, saw)
  setLinkLive(edit, op.link, link, left)
  touchInode(edit, op.inode)
  touchDir(edit, op.from)
}

function applyRmdir(edit: OpEdit, op: OpOf<'rmdir'>): void {
  const dir = edit.seenDir(op.id)
  if (dir === undefined || op.id === ROOT) return
  if (edit.isAppended) spare(edit, 'dir', op.id)
  const saw = edit.seenDots(op.saw)
  coverByRemoval(edit.store, { kind: 'dir', id: op.id }, dir.live, saw, edit.stamp)
  setDirLive(edit, op.id, dir, without(edit, 'dir', op.id, dir.live, saw))
  touchDir(edit, op.from)
}

function applyAttributes(edit: OpEdit, op: OpOf<'attributes'>): void {
  const inode = edit.seenInode(op.id)
  if (inode !== undefined) {
    mergeAttributes(inode.attributes, op.attributes, edit.stamp)
    edit.putInode(op.id, inode)
    return touchInode(edit, op.id)
  }
  const dir = edit.seenDir(op.id)
  if (dir === undefined) return
  mergeAttributes(dir.attributes, op.attributes, edit.stamp)
  edit.putDir(op.id, dir)
  edit.changes.dirs.add(op.id)
}

function applyXattr(edit: OpEdit, op: OpOf<'xattr'>): void {
  if (edit.seenInode(op.id) !== undefined) {
    mergeXattr(edit.store, op, edit.stamp)
    return touchInode(edit, op.id)
  }
  const dir = edit.seenDir(op.id)
  if (dir === undefined) return
  mergeXattr(edit.store, op, edit.stamp)
  edit.changes.dirs.add(op.id)
  if (dir.xattrsChanged !== undefined && dir.xattrsChanged >= edit.stamp) return
  dir.xattrsChanged = edit.stamp
  edit.putDir(op.id, dir)
}

function applyVersion(edit: OpEdit, op: OpOf<'version'>): void {
  const { stamp, dot } = edit
  const { size, content, modifiedNs } = op
  const inode = edit.seenInode(op.inode)
  if (inode === undefined) return
  const ending = { how: 'overwritten', goesOn: op.goesOn === true } as const
  const { newest } = inode
  if (newest !== undefined && op.base.includes(newest.dot))
    edit.changes.lost.push({ inode: op.inode, began: newest.stamp, ended: stamp })
  changeVersions(edit, op.inode, inode, () => {
    for (const base of edit.seenDots(op.base)) supersede(edit, [op.inode, inode], base, ending)
    while (isPlanted('last-version-alone') && inode.newest !== undefined)
      dropVersion(edit.store, op.inode, inode, inode.newest.dot)
    addVersion(edit.store, op.inode, inode, { dot, stamp, size, content, modifiedNs })
  })
  mergeAttributes(inode.attributes, { modifiedNs }, stamp)
  edit.putInode(op.inode, inode)
  touchInode(edit, op.inode)
  for (const { link: id, saw } of op.touch) {
    const link = edit.seenLink(id)
    if (link === undefined) continue
    setLinkLive(edit, id, link, replaced(edit, 'link', id, link.live, saw))
    // A conflict copy may begin or cease to show beside it.
    edit.changes.names.push([link.parent, link.name])
  }
}

/** Presence after an op that saw some of it. */
function replaced(
  edit: OpEdit,
  owner: 'dir' | 'link',
  id: NodeId,
  live: ItemSet<Dot>,
  saw: readonly Dot[],
): ItemSet<Dot> {
  const seen = edit.seenDots(saw)
  coverByOther(edit.store, { kind: owner, id }, live, seen)
  const left = without(edit, owner, id, live, seen)
  return withDot(edit, owner, id, left, edit.dot)
}

/**
 * The names of a directory changed. Ops name the directories, so that all replicas touch the same.
 */
function touchDir(edit: OpEdit, id: NodeId): void {
  const dir = edit.seenDir(id)
  edit.changes.dirs.add(id)
  if (dir === undefined || dir.changed >= edit.stamp) return
  dir.changed = edit.stamp
  edit.putDir(id, dir)
}

function touchInode(edit: OpEdit, id: NodeId): void {
  const inode = edit.seenInode(id)
  if (inode !== undefined) edit.changes.inodes.add(id)
  if (inode === undefined || inode.changed >= edit.stamp) return
  inode.changed = edit.stamp
  edit.putInode(id, inode)
}
