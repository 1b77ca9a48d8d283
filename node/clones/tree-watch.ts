// Tells whether anything changes in a folder, or below it.
import { linksOf, readInode, readLink } from '../../protocol/tree/records.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import type { Volume } from '../log/volume.ts'

export interface TreeWatch {
  /** Makes changes of which none is in the folder: they are not looked at. */
  aside<Result>(make: () => Result): Result
  end(): void
}

/**
 * Calls `changed` at each change of a name, content or attribute in a folder or below, by whomever,
 * and when the state is replaced.
 */
export function watchTree(volume: Volume, folder: NodeId, changed: () => void): TreeWatch {
  let isAside = false
  const { view, events } = volume
  const isFileIn = (id: NodeId): boolean => {
    const inode = readInode(view, id)
    return inode !== undefined && linksOf(view, id, inode).some(isLinkIn)
  }
  const isLinkIn = (id: NodeId): boolean => {
    const parent = readLink(view, id)?.parent
    return parent !== undefined && isWithin(view, parent, folder)
  }
  const isIn = ({ names, dirs, inodes }: ChangeSet): boolean =>
    names.some(([dir]) => isWithin(view, dir, folder)) ||
    [...dirs].some((dir) => isWithin(view, dir, folder)) ||
    [...inodes].some(isFileIn)
  const unlisten = [
    events.change.add((changes) => {
      if (!isAside && isIn(changes)) changed()
    }),
    events.onReset(() => {
      changed()
      return () => undefined
    }),
  ]
  return {
    aside: (make) => {
      isAside = true
      try {
        return make()
      } finally {
        isAside = false
      }
    },
    end: () => unlisten.forEach((end) => end()),
  }
}
