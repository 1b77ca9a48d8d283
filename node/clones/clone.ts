// Copies a file or a folder by reference within its volume: as it is now, all at one moment, or as
// it was. It is made beside its place, and appears whole.
import { ShoalError } from '../../protocol/errors.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Cloned } from '../control/clones.ts'
import type { Moment } from '../control/versions.ts'
import { viewOf } from '../log/volume-trees.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { World } from '../world/world.ts'
import { originIn, pastOrigin } from './clone-source.ts'
import type { Origin, WithPresent } from './clone-source.ts'
import { SharedContents } from './clone-contents.ts'
import { CloneTree } from './clone-tree.ts'
import type { Change } from '../volume/files.ts'
import { HiddenPlace, checkFree, freshPlaceId } from './hidden-place.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { nameOfPath } from '../volume/past-work.ts'
import { formatPath } from '../volume/paths.ts'
import { isPathWithin } from '../../protocol/path-within.ts'
import { watchTree } from './tree-watch.ts'

export interface CloneComponents {
  readonly hosted: HostedVolume
  readonly world: Pick<World, 'disk' | 'random'>
  /** As Snapshots.withPresent. */
  readonly withPresent: WithPresent
}

export interface CloneOptions {
  readonly from: readonly string[]
  /** Nothing may be there yet. */
  readonly to: readonly string[]
  /** Undefined: now. */
  readonly moment: Moment | undefined
  readonly change: Change
  readonly onProgress: (made: Cloned) => void
  readonly signal: AbortSignal
  /** Ends with the node: until then what failed is taken back. */
  readonly kept: AbortSignal
}

/**
 * Makes a clone. Of a folder as it is now, the records in use are read; if they change meanwhile,
 * it begins again with those of one moment, which take longer to be had.
 * throws 'ENOENT', 'EEXIST', 'ENOTDIR', 'EINVAL', 'ESTALE', 'chunk-unavailable'.
 */
export async function clone(components: CloneComponents, options: CloneOptions): Promise<Cloned> {
  const { hosted, withPresent } = components
  const { namespace, bringBack } = hosted
  const { from, to, moment } = options
  nameOfPath(to)
  checkFree(hosted, to)
  if (moment !== undefined)
    return make(components, options, pastOrigin(namespace, await bringBack.find(from, moment)))
  const target = namespace.resolvePath(from)
  if (target.kind === 'inode')
    return make(components, options, originIn(namespace, namespace.volume.view, target))
  if (isPathWithin(formatPath(to), formatPath(from))) {
    const how = 'make a snapshot, and clone that with --at'
    const message = `${namespace.shownPath(formatPath(from))}: cannot be cloned into itself; ${how}`
    throw new ShoalError('EINVAL', message)
  }
  const done = await ifUnchanged(components, options, target)
  if (done !== undefined) return done
  return withPresent((root) =>
    make(components, options, originIn(namespace, viewOf(namespace.volume, root), target)),
  )
}

/** Clones the records in use. returns undefined, and leaves nothing, if they changed meanwhile. */
async function ifUnchanged(
  components: CloneComponents,
  options: CloneOptions,
  folder: ViewTarget,
): Promise<Cloned | undefined> {
  const { hosted, world } = components
  const { namespace } = hosted
  const { volume } = namespace
  const changed = new AbortController()
  const abort = (): void =>
    changed.abort(new ShoalError('ESTALE', 'what is cloned has changed meanwhile'))
  const watch = watchTree(volume, folder.id, abort)
  if (world.random.unlucky('clones.changed-meanwhile')) abort()
  try {
    const signal = AbortSignal.any([options.signal, changed.signal])
    const change: Change = (run) => options.change(() => watch.aside(run))
    const origin = originIn(namespace, volume.view, folder)
    return await make(components, { ...options, change, signal }, origin)
  } catch (error) {
    if (!changed.signal.aborted || options.signal.aborted) throw error
    return undefined
  } finally {
    watch.end()
  }
}

async function make(
  { hosted, world }: CloneComponents,
  { to, change, onProgress, signal, kept }: CloneOptions,
  { child, source }: Origin,
): Promise<Cloned> {
  const { namespace, contents } = hosted
  const tree = new CloneTree({
    namespace,
    source,
    contents: new SharedContents(namespace.volume, contents, signal),
    change,
    onProgress,
    signal,
  })
  const { id: parent } = namespace.resolvePath(to.slice(0, -1))
  // One file is made in one step anyway.
  if (child.kind === 'file') {
    await tree.run(child, { parent, name: nameOfPath(to) })
    return tree.made
  }
  const place = await HiddenPlace.open(
    { disk: world.disk, hosted, dest: to, change },
    'clone',
    freshPlaceId(world),
  )
  let isFinished = false
  try {
    await tree.run(child, { parent, name: nameOfPath(place.path) })
    signal.throwIfAborted()
    await place.finish()
    isFinished = true
  } finally {
    if (!isFinished)
      await ignoreFailure(place.takeBack(kept), 'it is tried again when the node starts')
  }
  return tree.made
}
