// UnixFS in an archive, made into files: looked at as a whole first, then made.
import { UnixfsTree } from './unixfs-tree.ts'
import type { Cid } from '../../protocol/car/car.ts'
import type { UnixfsNode } from '../../protocol/car/unixfs.ts'
import type { FileAttributes } from '../control/files.ts'
import type { CarFile } from './car-file.ts'
import type { ImportPlace } from './import-place.ts'
import type { Making } from './making.ts'

/** throws ShoalError 'corrupt', 'malformed', 'unsupported' naming the block that is to blame. */
export async function openUnixfs(car: CarFile, root: Cid, signal: AbortSignal): Promise<Making> {
  const tree = new UnixfsTree(car, signal)
  const { names, bytes } = await tree.survey(root)
  return { total: { names, bytes }, make: (place) => make(tree, root, place, []) }
}

async function make(
  tree: UnixfsTree,
  cid: Cid,
  place: ImportPlace,
  path: readonly string[],
): Promise<void> {
  const node = await tree.node(cid)
  switch (node.kind) {
    case 'file':
      return place.makeFile(path, tree.content(node), attributesOf(node))
    case 'symlink':
      return place.makeSymlink(path, node.target)
    default:
      await place.makeFolder(path)
      for (const entry of await tree.entries(cid, node))
        await make(tree, entry.cid, place, [...path, entry.name])
      await place.setAttributes(path, attributesOf(node))
  }
}

function attributesOf({ mode, modifiedNs }: UnixfsNode): FileAttributes {
  return {
    ...(mode === undefined ? {} : { mode: mode & 0o7777 }),
    ...(modifiedNs === undefined ? {} : { modifiedNs: BigInt.asIntN(64, modifiedNs) }),
  }
}
