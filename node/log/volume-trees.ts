// The Prolly trees of a volume: those of its checkpoints and of its snapshots, which share nodes.
import { deriveKey } from '../../protocol/hash.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { clearTreeKey, storedTrees } from '../state/checkpoint-view.ts'
import type { TreeKeys, Trees } from '../state/checkpoint-view.ts'
import { SnapshotView } from '../state/snapshot-view.ts'
import type { Volume } from './volume.ts'

/** The keys that hash the nodes of a volume's trees. A keeper has no key of the sealed tree. */
export function treeKeys(volume: Volume): TreeKeys {
  const [first] = volume.membership.allSecrets()
  const clear = clearTreeKey(volume.id)
  return {
    clear,
    sealed: first === undefined ? clear : deriveKey('shoal 2026 sealed checkpoint v1', first[1]),
  }
}

export function treesOf(volume: Volume): Trees {
  return storedTrees({ view: volume.view, keys: treeKeys(volume) })
}

/** The state under the root of a sealed tree, all of which is here. */
export function viewOf(volume: Volume, root: NodeHash | undefined): SnapshotView {
  return new SnapshotView(treesOf(volume).sealed, root)
}
