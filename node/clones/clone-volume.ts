// Copies all of a volume, as it is now or was in a snapshot, into another one that is empty: its
// content is read, sealed and stored anew, under that volume's keys. It appears whole; one that was
// broken off leaves the other volume empty, and begins again.
import { ShoalError } from '../../protocol/errors.ts'
import { ROOT, readDir } from '../../protocol/tree/records.ts'
import type { Cloned } from '../control/clones.ts'
import { viewOf } from '../log/volume-trees.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { World } from '../world/world.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { nameOfPath } from '../volume/past-work.ts'
import { CopiedContents } from './clone-contents.ts'
import { originIn } from './clone-source.ts'
import type { Origin, WithPresent } from './clone-source.ts'
import { CloneTree } from './clone-tree.ts'
import { HiddenPlace, freshPlaceId } from './hidden-place.ts'

export interface CloneVolumeComponents {
  readonly from: HostedVolume
  readonly to: HostedVolume
  readonly world: Pick<World, 'disk' | 'random'>
  /** As Snapshots.withPresent, of the volume that is copied. */
  readonly withPresent: WithPresent
}

export interface CloneVolumeOptions {
  /** The name of one; undefined: now. */
  readonly snapshot: string | undefined
  /** Told of what is made, and the bytes that were read for it, of so many if that is known. */
  readonly onProgress: (made: Cloned & { readonly totalBytes?: number | undefined }) => void
  readonly signal: AbortSignal
  /** Ends with the node: until then what failed is taken back. */
  readonly kept: AbortSignal
}

/** throws 'ENOENT', 'EEXIST', 'EPERM', 'ENOSPC', 'chunk-unavailable'. */
export async function cloneVolume(
  components: CloneVolumeComponents,
  options: CloneVolumeOptions,
): Promise<Cloned> {
  const { from, to, withPresent } = components
  const { snapshot } = options
  to.checkMayWrite()
  checkEmpty(to)
  const root = { kind: 'dir', id: ROOT } as const
  if (snapshot !== undefined) {
    const { view, snapshot: found } = await from.snapshots.at([], snapshot)
    const isThere = (): boolean => from.snapshots.isThere(found)
    return fill(components, options, originIn(from.namespace, view, root, isThere))
  }
  const totalBytes = Number(from.volume.replica.files.totals.bytes)
  return withPresent((hash) => {
    const view: ReplicaView = viewOf(from.volume, hash)
    return fill(components, options, originIn(from.namespace, view, root), totalBytes)
  })
}

/** throws 'EEXIST'. */
export function checkEmpty({ namespace }: HostedVolume): void {
  const root = readDir(namespace.volume.view, ROOT)
  if (root === undefined || root.visibleChildren === 0) return
  const message = `${namespace.shownPath('/')}: has files; a volume is cloned into an empty one`
  throw new ShoalError('EEXIST', message)
}

async function fill(
  { from, to, world }: CloneVolumeComponents,
  { onProgress, signal, kept }: CloneVolumeOptions,
  { child, source }: Origin,
  totalBytes?: number,
): Promise<Cloned> {
  const change = to.changing(signal)
  let bytes = 0
  const tell = (): void => onProgress({ ...tree.made, sizeBytes: bytes, totalBytes })
  const contents = new CopiedContents({
    volume: from.volume,
    from: from.contents,
    to: to.contents,
    onBytes: (count) => {
      bytes += count
      tell()
    },
    signal,
  })
  const { namespace } = to
  const tree = new CloneTree({ namespace, source, contents, change, onProgress: tell, signal })
  const parts = { disk: world.disk, hosted: to, dest: ['clone'], change }
  const place = await HiddenPlace.open(parts, 'clone', freshPlaceId(world))
  let isFinished = false
  try {
    await tree.run(child, { parent: ROOT, name: nameOfPath(place.path) })
    signal.throwIfAborted()
    await place.finishAsRoot()
    isFinished = true
  } finally {
    if (!isFinished)
      await ignoreFailure(place.takeBack(kept), 'it is tried again when the node starts')
  }
  return tree.made
}
