// The versions of a file as ops change them, and the conflicts that come and go with them.
import type { NodeId } from '../ids.ts'
import type { TreeOp } from '../op/op.ts'
import { isPlanted } from '../planted-faults.ts'
import { isIndexed } from './conflict-counts.ts'
import type { OpEdit } from './op-edit.ts'
import type { Inode } from './records.ts'
import { purgeFormer, supersede } from './superseded.ts'
import { removeVersion } from './versions.ts'
import { versionLinks } from './view.ts'

const DROPPED = { how: 'dropped', goesOn: false } as const

type OpOf<Kind extends TreeOp['kind']> = Extract<TreeOp, { kind: Kind }>

/** Contents go with the last name of a file, whatever else keeps that name. */
export function removeContents(edit: OpEdit, { inode: id, versions = [] }: OpOf<'unlink'>): void {
  const inode = versions.length === 0 ? undefined : edit.seenInode(id)
  if (inode === undefined || isPlanted('removed-content-returns')) return
  changeVersions(edit, id, inode, () => {
    for (const dot of edit.seenDots(versions)) removeVersion(edit.store, id, inode, dot)
  })
  edit.putInode(id, inode)
}

export function applyDropVersion(edit: OpEdit, op: OpOf<'drop-version'>): void {
  const inode = edit.seenInode(op.inode)
  if (inode === undefined) return
  changeVersions(edit, op.inode, inode, () => {
    for (const dot of edit.seenDots(op.saw)) supersede(edit, [op.inode, inode], dot, DROPPED)
  })
  edit.putInode(op.inode, inode)
  edit.changes.inodes.add(op.inode)
  for (const id of versionLinks(edit.store, op.inode, inode)) {
    const link = edit.link(id)
    if (link !== undefined) edit.changes.names.push([link.parent, link.name])
  }
}

/** Those that are still held are purged once an op that had seen them ends them. */
export function applyPurgeVersions(edit: OpEdit, op: OpOf<'purge-versions'>): void {
  if (edit.seenInode(op.inode) === undefined) return
  for (const dot of edit.seenDots(op.versions)) purgeFormer(edit, op.inode, dot)
}

/**
 * Which versions an inode has may be what makes a conflict. Mutates `inode`; the caller puts it.
 */
export function changeVersions(edit: OpEdit, id: NodeId, inode: Inode, change: () => void): void {
  const wasConflict = inode.losers.length > 0
  change()
  const isConflict = wasConflict || inode.losers.length > 0
  for (const name of versionLinks(edit.store, id, inode)) {
    const link = edit.link(name)
    if (link === undefined) continue
    // Also files that held the same may differ now.
    if (isConflict || isIndexed(edit.store, link.parent, link.name))
      edit.recount(link.parent, link.name)
  }
}
