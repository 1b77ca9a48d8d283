// The ops that move, remove or write to what a name stands for, as this node sees it now. Of
// several files that hold the same under one name, of which one shows, all are meant.
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { NAMES_SHOWN_MAX, OP_DOTS_MAX } from '../../protocol/limits.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import { clampTime } from '../../protocol/tree/attributes.ts'
import { readLastName } from '../../protocol/tree/dead.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { ContentRef, TreeOp } from '../../protocol/op/op.ts'
import { linksOf, readDir, readInode, readLink, seenOf } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { removedVersions, versionsOf } from '../../protocol/tree/versions.ts'
import { twinsOf } from '../../protocol/tree/view.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** A writer's new version of a file. */
export interface NewVersion {
  readonly content: ContentRef
  readonly size: number
  /** The versions it replaces. */
  readonly base: readonly Dot[]
  /** It goes on through the handle by which that was made. */
  readonly goesOn?: true
  readonly modifiedNs: bigint
}

/** Put a directory or a file under another name. */
export function moveOps(
  view: StateStore,
  target: ViewTarget,
  parent: NodeId,
  name: Name,
): TreeOp[] {
  if (target.kind === 'dir') {
    const { id } = target
    const dir = readDir(view, id)
    if (dir === undefined) return []
    return [
      { kind: 'move-dir', id, from: dir.parent, parent, name, saw: seenOf(view, 'dir', id, dir) },
    ]
  }
  const link = readLink(view, target.link)
  if (link === undefined) return []
  const twins = twinsOf(view, target.link).flatMap((twin) => unlinkOps(view, twin))
  const { inode, parent: from } = link
  const saw = seenOf(view, 'link', target.link, link)
  return [...twins, { kind: 'move', link: target.link, inode, from, parent, name, saw }]
}

/**
 * throws ShoalError 'EXDEV' for a conflict copy, which is no file of its own: whoever moves it
 * copies and removes it then.
 */
export function checkNotCopy(target: ViewTarget, name: Name): void {
  if (target.kind === 'dir' || target.version === undefined) return
  const why = 'this is a conflict copy; copy it, or keep it with "shoal conflicts keep"'
  throw new ShoalError('EXDEV', `"${nameText(name)}": ${why}`)
}

/** throws ShoalError 'ENOTDIR' or 'EISDIR' if one is a folder and what it replaces is none. */
export function checkSameKind(
  moved: ViewTarget,
  replaced: ViewTarget | undefined,
  name: Name,
): void {
  if (replaced === undefined || (moved.kind === 'dir') === (replaced.kind === 'dir')) return
  if (moved.kind === 'dir') throw new ShoalError('ENOTDIR', `"${nameText(name)}" is not a folder`)
  throw new ShoalError('EISDIR', `"${nameText(name)}" is a folder`)
}

/** Remove a directory, a name of a file, or of a conflict copy that version. */
export function removeOps(view: StateStore, target: ViewTarget): TreeOp[] {
  if (target.kind === 'dir') {
    const dir = readDir(view, target.id)
    if (dir === undefined) return []
    return [
      { kind: 'rmdir', id: target.id, from: dir.parent, saw: seenOf(view, 'dir', target.id, dir) },
    ]
  }
  if (target.version !== undefined)
    return [{ kind: 'drop-version', inode: target.id, saw: [target.version] }]
  return [target.link, ...twinsOf(view, target.link)].flatMap((link) => unlinkOps(view, link))
}

/**
 * Give a file new content. The last op is the `version`. A file whose last name somebody else
 * removed while it was being written to has that name again; one that was removed here (isSelf)
 * stays without.
 */
export function versionOps(
  view: StateStore,
  inode: NodeId,
  version: NewVersion,
  isSelf: (actor: ActorId) => boolean,
): TreeOp[] {
  const last = readLastName(view, inode)
  const file = readInode(view, inode)
  const named = file === undefined ? [] : Array.from(linksOf(view, inode, file).take(OP_DOTS_MAX))
  const links = last === undefined || isSelf(last.remover) ? named : [last.link]
  const touch = links.flatMap((id) => {
    const link = readLink(view, id)
    return link === undefined ? [] : [{ link: id, saw: seenOf(view, 'link', id, link) }]
  })
  const twins = links
    .slice(0, NAMES_SHOWN_MAX)
    .flatMap((link) => twinsOf(view, link))
    .filter((twin) => !links.includes(twin))
  const base =
    isPlanted('version-replaces-unseen') && file !== undefined
      ? dotsOf(versionsOf(view, inode, file))
      : [...version.base, ...(file === undefined ? [] : dotsOf(removedVersions(view, inode, file)))]
  const op: TreeOp = {
    kind: 'version',
    inode,
    ...version,
    base: seen(base),
    modifiedNs: clampTime(version.modifiedNs),
    touch,
  }
  return [...twins.flatMap((twin) => unlinkOps(view, twin)), op]
}

function unlinkOps(view: StateStore, id: NodeId): TreeOp[] {
  const link = readLink(view, id)
  if (link === undefined) return []
  const { inode, parent: from } = link
  const saw = seenOf(view, 'link', id, link)
  const file = readInode(view, inode)
  if (file?.newest === undefined || file.links.length !== 1)
    return [{ kind: 'unlink', link: id, inode, from, saw }]
  const versions = seen(dotsOf(versionsOf(view, inode, file)))
  // Who keeps the file under another name keeps what it holds now, not what was removed before.
  const gone = seen(dotsOf(removedVersions(view, inode, file)))
  const drops: TreeOp[] = gone.length === 0 ? [] : [{ kind: 'drop-version', inode, saw: gone }]
  return [{ kind: 'unlink', link: id, inode, from, saw, versions }, ...drops]
}

function dotsOf(versions: Iterable<Version>): readonly Dot[] {
  return Array.from(versions, ({ dot }) => dot)
}

/**
 * The items that an op can name as seen. So many are of as many writers at once; what is left out
 * stays, for the next op to see.
 */
function seen<Item>(all: readonly Item[]): readonly Item[] {
  return all.length > OP_DOTS_MAX ? all.slice(0, OP_DOTS_MAX) : all
}
