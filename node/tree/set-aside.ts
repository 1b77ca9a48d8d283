// The other sides of a conflict, when the one that has the plain name is removed, replaced or
// renamed: each becomes a file of its own under the conflict name by which people know it, so that
// an ordinary save or removal touches only what it names.
import { LRUCache } from 'lru-cache'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import { inodeAttributes } from '../../protocol/tree/attributes.ts'
import { readChildren } from '../../protocol/tree/children.ts'
import { isIndexed } from '../../protocol/tree/conflict-counts.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { findVersion } from '../../protocol/tree/versions.ts'
import { resolve, targetKey } from '../../protocol/tree/view.ts'
import type { ViewEntry, ViewTarget } from '../../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../../protocol/tree/xattrs.ts'
import { conflictsOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import { moveOps } from './target-ops.ts'
import type { NewVersion } from './target-ops.ts'

const SEPARATE_MAX = 1024

/** A version that becomes a file of its own. */
export interface SeparateVersion {
  readonly version: Dot
  readonly inode: NodeId
}

export interface SetAside {
  /** To be made before those that take the plain name away. */
  readonly ops: readonly TreeOp[]
  readonly versions: readonly SeparateVersion[]
}

/** A version that shows under a conflict name. of: its file. */
interface VersionSide extends SeparateVersion {
  readonly name: Name
  readonly of: NodeId
}

/**
 * The ops that give what shows beside these, and would go or be renamed with them, its conflict
 * name for good. What the policy keeps out of listings, or what is too much to show, stays as it
 * is. freshId: an id that nothing has.
 */
export function setAside(
  volume: Volume,
  targets: readonly ViewTarget[],
  freshId: () => NodeId,
): SetAside {
  const { view } = volume
  const done = new Set(targets.map(targetKey))
  const versions: VersionSide[] = []
  const moves: TreeOp[] = []
  const files: TreeOp[] = []
  for (const { parent, name, target } of targets.flatMap((one) => sidesBeside(volume, one))) {
    if (done.has(targetKey(target))) continue
    done.add(targetKey(target))
    if (target.kind === 'dir' || target.version === undefined) {
      moves.push(...moveOps(view, target, parent, name))
      continue
    }
    const { id: of, version } = target
    const side = { version, inode: freshId(), name, of }
    versions.push(side)
    files.push(...fileOps(view, side, parent, freshId()))
  }
  return { ops: [...files, ...dropOps(view, versions), ...moves], versions }
}

/** All that shows under its name only as long as `target` is where it is. */
function sidesBeside(
  volume: Volume,
  target: ViewTarget,
): readonly (ViewEntry & { readonly parent: NodeId })[] {
  const { view, authorName } = volume
  const at = target.kind === 'dir' ? readDir(view, target.id) : readLink(view, target.link)
  if (at === undefined || !isIndexed(view, at.parent, at.name)) return []
  if (isPlanted('conflict-copies-go-along')) return []
  const { parent } = at
  const children = readChildren(view, parent, at.name)
  const [plain, ...others] = resolve(view, parent, children, authorName, conflictsOf(volume))
  const isPlain = plain !== undefined && targetKey(plain.target) === targetKey(target)
  const sides = isPlain ? others : others.filter((side) => isVersionOf(side.target, target))
  return sides.map((side) => ({ ...side, parent }))
}

/** Is this a version of a file, beside that name of it? */
function isVersionOf(side: ViewTarget, name: ViewTarget): boolean {
  return (
    side.kind === 'inode' &&
    side.version !== undefined &&
    targetKey({ ...side, version: undefined }) === targetKey(name)
  )
}

/** A file with the content, the attributes and the extended attributes that the side shows. */
function fileOps(
  view: StateStore,
  { version: dot, inode, name, of }: VersionSide,
  parent: NodeId,
  link: NodeId,
): TreeOp[] {
  const from = readInode(view, of)
  const version = from === undefined ? undefined : findVersion(view, of, from, dot)
  if (from === undefined || version === undefined) return []
  const { mode, uid, gid, accessedNs, modifiedNs } = inodeAttributes(from, version)
  const attributes = { mode, uid, gid, accessedNs, modifiedNs }
  const { content, size } = version
  return [
    { kind: 'create', inode, link, parent, name, attributes, target: undefined },
    { kind: 'version', inode, base: [], size, content, modifiedNs, touch: [] },
    ...readXattrNames(view, of).map((xattr): TreeOp => {
      return { kind: 'xattr', id: inode, name: xattr, value: readXattr(view, of, xattr) }
    }),
  ]
}

/** A file that has other names keeps its versions: they show beside those, too. */
function dropOps(view: StateStore, sides: readonly VersionSide[]): TreeOp[] {
  return [...Map.groupBy(sides, ({ of }) => of)].flatMap(([inode, versions]): TreeOp[] => {
    if (readInode(view, inode)?.links.length !== 1) return []
    return [{ kind: 'drop-version', inode, saw: versions.map(({ version }) => version) }]
  })
}

/** Files that were conflict copies until this node set them aside, for those who have them open. */
export class SeparateFiles {
  /** By the version that the copy was, or is by now. */
  readonly #files = new LRUCache<Dot, { readonly inode: NodeId; readonly dot: Dot }>({
    max: SEPARATE_MAX,
  })

  made(view: StateStore, versions: readonly SeparateVersion[]): void {
    for (const { version, inode } of versions) {
      const dot = readInode(view, inode)?.newest?.dot
      if (dot !== undefined) this.#files.set(version, { inode, dot })
    }
  }

  /** Writes over what the writer has read of this inode to the file that has that now. */
  write(inode: NodeId, version: NewVersion, put: (inode: NodeId, version: NewVersion) => Dot): Dot {
    const [base, ...more] = version.base
    const file = base === undefined || more.length > 0 ? undefined : this.#files.get(base)
    if (file === undefined) return put(inode, version)
    const dot = put(file.inode, { ...version, base: [file.dot] })
    this.#files.set(dot, { inode: file.inode, dot })
    return dot
  }
}
