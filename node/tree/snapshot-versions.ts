// The contents that snapshots name, as far as the checkpoint here has them in no such form: each
// tree is compared with the one made after it, so what they share is looked at once.
import { keptVersion } from '../../protocol/tree/superseded.ts'
import { fromByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { TREE_PREFIXES } from '../../protocol/tree/key-prefixes.ts'
import { linksOf, readDir, readInode, readLink, ROOT } from '../../protocol/tree/records.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { findVersion, versionsOf } from '../../protocol/tree/versions.ts'
import { treesOf, viewOf } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'
import { readMissingTrees, readSnapshotTrees } from '../state/snapshot-trees.ts'
import type { Snapshot } from '../state/snapshots.ts'
import { prefixEnd } from '../state/state-view.ts'

/** Files after which others have their turn. */
const PAUSE_EVERY = 256

export interface SpaceOptions {
  readonly all: readonly Snapshot[]
  readonly present: NodeHash | undefined
  readonly pause: () => Promise<void>
}

/** Tables whose records tell of contents. */
const TABLES = [TREE_PREFIXES.inode, TREE_PREFIXES.version]

/**
 * By file. all: the snapshots that there are, the newest first. throws ShoalError
 * 'chunk-unavailable' while the tree of one is awaited: nobody can tell then what it names.
 */
export async function* snapshotVersions(
  volume: Volume,
  all: readonly Snapshot[],
): AsyncGenerator<readonly [file: NodeId, versions: readonly Version[]]> {
  const trees = readSnapshotTrees(volume.view)
  const missing = readMissingTrees(volume.view)
  const { sealed } = treesOf(volume)
  let known = volume.checkpoint?.sealed
  for (const snapshot of all) {
    const tree = trees.get(snapshot.key)
    if (tree === undefined && missing.get(snapshot.key)?.isLost === true) continue
    if (tree === undefined) throw notHere(snapshot)
    const view = viewOf(volume, tree.root)
    const isInFolder = folderCheck(view, snapshot.folder)
    for (const table of TABLES) {
      const range = { from: table, to: prefixEnd(table) }
      for (const [key] of sealed.newRecords(known, tree.root, range)) {
        const id = fileOf(key)
        const inode = readInode(view, id)
        if (inode !== undefined && isInFolder(id, inode))
          yield [id, [...versionsOf(view, id, inode)]]
      }
    }
    // Not all of a folder's snapshot was looked at: another may share what was passed by.
    if (snapshot.folder === ROOT) known = tree.root
  }
}

/**
 * Bytes, as they were written, of contents that a snapshot names and nothing else does: neither
 * other snapshots, nor the present, nor what the volume keeps of the past. Chunks that files share
 * are counted for each. present: the root of the tree of now. all: the snapshots that there are,
 * the newest first. Undefined while the tree is not here.
 * cost: O(difference to the next newer one * snapshots).
 */
export async function snapshotBytes(
  volume: Volume,
  snapshot: Snapshot,
  { all, present, pause }: SpaceOptions,
): Promise<number | undefined> {
  const trees = readSnapshotTrees(volume.view)
  const own = trees.get(snapshot.key)
  if (own === undefined) return undefined
  const index = all.findIndex(({ key }) => key === snapshot.key)
  const newer = all.slice(0, index).findLast(({ key, folder }) => folder === ROOT && trees.has(key))
  const known = newer === undefined ? present : trees.get(newer.key)?.root
  const others = all.flatMap(({ key, folder }) => {
    const tree = key === snapshot.key ? undefined : trees.get(key)
    const view = tree && viewOf(volume, tree.root)
    return view === undefined ? [] : [{ view, isInFolder: folderCheck(view, folder) }]
  })
  const isElsewhere = (id: NodeId, dot: Dot): boolean =>
    keptVersion(volume.view, id, dot) !== undefined ||
    others.some(({ view, isInFolder }) => {
      const inode = readInode(view, id)
      return (
        inode !== undefined &&
        isInFolder(id, inode) &&
        findVersion(view, id, inode, dot) !== undefined
      )
    })
  const view = viewOf(volume, own.root)
  const isInFolder = folderCheck(view, snapshot.folder)
  const seen = new Set<NodeId>()
  let bytes = 0
  for (const table of TABLES) {
    const range = { from: table, to: prefixEnd(table) }
    for (const [key] of treesOf(volume).sealed.newRecords(known, own.root, range)) {
      const id = fileOf(key)
      const inode = seen.has(id) ? undefined : readInode(view, id)
      if (inode === undefined || !isInFolder(id, inode)) continue
      seen.add(id)
      for (const { dot, size } of versionsOf(view, id, inode))
        if (!isElsewhere(id, dot)) bytes += size
      if (seen.size % PAUSE_EVERY === 0) await pause()
    }
  }
  return bytes
}

function fileOf(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(1, 1 + SHORT_ID_BYTES))) as NodeId
}

/** Tells whether a file has a name in a folder or below. */
function folderCheck(view: StateStore, folder: NodeId): (id: NodeId, inode: Inode) => boolean {
  const known = new Map<NodeId, boolean>([[folder, true]])
  if (folder !== ROOT) known.set(ROOT, false)
  const isBelow = (dir: NodeId): boolean => {
    const passed: NodeId[] = []
    let at: NodeId | undefined = dir
    while (at !== undefined && !known.has(at)) {
      passed.push(at)
      at = readDir(view, at)?.parent
    }
    const isIn = at !== undefined && known.get(at) === true
    for (const one of passed) known.set(one, isIn)
    return isIn
  }
  return (id, inode) => {
    if (folder === ROOT) return inode.links.length > 0
    for (const link of linksOf(view, id, inode)) {
      const parent = readLink(view, link)?.parent
      if (parent !== undefined && isBelow(parent)) return true
    }
    return false
  }
}

function notHere({ name }: Snapshot): ShoalError {
  return new ShoalError(
    'chunk-unavailable',
    `the tree of the snapshot ${name} is not here yet, and nothing is deleted until it is; if its ` +
      'maker is gone for good, remove it with "shoal snapshot rm"',
  )
}
