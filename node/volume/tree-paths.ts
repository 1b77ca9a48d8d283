// Paths in a state of the tree: of the present, or of a snapshot.
import type { NodeId } from '../../protocol/ids.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { ROOT, isDirVisible, readDir } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { shownDirName } from '../../protocol/tree/view.ts'
import type { AuthorName } from '../../protocol/tree/view.ts'

/**
 * The path of a folder as it shows; undefined where it or one above it does not. A folder is
 * looked up once.
 */
export function folderPaths(
  view: StateStore,
  author: AuthorName,
): (dir: NodeId) => readonly string[] | undefined {
  const known = new Map<NodeId, readonly string[] | undefined>([[ROOT, []]])
  return (dir) => {
    const passed: { readonly id: NodeId; readonly name: Name | undefined }[] = []
    let at: NodeId | undefined = dir
    while (at !== undefined && !known.has(at)) {
      const record = readDir(view, at)
      const shows = record !== undefined && isDirVisible(at, record)
      passed.push({ id: at, name: shows ? shownDirName(view, at, record, author) : undefined })
      at = record?.parent
    }
    let path = at === undefined ? undefined : known.get(at)
    for (const { id, name } of passed.toReversed()) {
      path = path === undefined || name === undefined ? undefined : [...path, nameText(name)]
      known.set(id, path)
    }
    return path
  }
}
