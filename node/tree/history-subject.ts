// The subject of an op in the log: a file by its inode, a folder with all that lies in it today or
// was put in or taken out, wherever they were then.
import type { NodeId } from '../../protocol/ids.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import type { Op } from '../../protocol/op/op.ts'
import { linksOf, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'

/** True if `op` changed the target, or something in it. */
export function isAbout(view: StateStore, target: ViewTarget, op: Op): boolean {
  if (target.kind === 'inode') return inodeOf(view, op) === target.id
  return foldersOf(view, op).some((id) => isWithin(view, id, target.id))
}

function inodeOf(view: StateStore, op: Op): NodeId | undefined {
  switch (op.kind) {
    case 'create':
    case 'link':
    case 'version':
    case 'drop-version':
      return op.inode
    case 'move':
    case 'unlink':
      return readLink(view, op.link)?.inode
    case 'attributes':
    case 'xattr':
      return op.id
    default:
      return undefined
  }
}

/** The folders that an op is about, or that hold what it is about. */
function foldersOf(view: StateStore, op: Op): readonly NodeId[] {
  switch (op.kind) {
    case 'mkdir':
      return [op.id, op.parent]
    case 'create':
    case 'link':
      return [op.parent, ...foldersOfInode(view, op.inode, [op.link])]
    case 'move':
      return [op.from, op.parent, ...foldersOfLinks(view, [op.link])]
    case 'move-dir':
      return [op.id, op.from, op.parent]
    case 'unlink':
      return [op.from, ...foldersOfLinks(view, [op.link])]
    case 'rmdir':
      return [op.id, op.from]
    case 'attributes':
    case 'xattr':
      return [op.id, ...foldersOfInode(view, op.id, [])]
    case 'version': {
      const inFlight = op.touch.map(({ link }) => link)
      return foldersOfInode(view, op.inode, inFlight)
    }
    case 'drop-version':
      return foldersOfInode(view, op.inode, [])
    default:
      return []
  }
}

/** The folders of the names that it has, and of these. */
function foldersOfInode(
  view: StateStore,
  inode: NodeId,
  links: readonly NodeId[],
): readonly NodeId[] {
  const file = readInode(view, inode)
  return foldersOfLinks(view, [...(file === undefined ? [] : linksOf(view, inode, file)), ...links])
}

function foldersOfLinks(view: StateStore, links: readonly NodeId[]): readonly NodeId[] {
  return links.flatMap((link) => readLink(view, link)?.parent ?? [])
}
