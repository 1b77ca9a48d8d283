// Brings a folder to what it was in a snapshot, by ordinary ops: what was renamed gets its name
// back, what was removed or changed comes back, then what was made since is removed. What others
// write meanwhile stays, since only what was seen at the beginning is removed. It can be done
// again where it was broken off, and undone by what is kept of the past.
import { stampMs } from '../../protocol/clock/dot.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { hasCode } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { dirAttributes, inodeAttributes } from '../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { readXattr, readXattrNames } from '../../protocol/tree/xattrs.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import type { RolledBack } from '../control/snapshots.ts'
import { viewOf } from '../log/volume-trees.ts'
import type { ReplicaView } from '../state/state-view.ts'
import type { Namespace } from '../tree/namespace.ts'
import { stampAfter } from '../tree/past.ts'
import type { BringBack } from './bring-back.ts'
import type { Change } from './files.ts'
import { changeOf, differences } from './snapshot-diff.ts'
import type { Difference } from './snapshot-diff.ts'
import type { SnapshotFiles } from './snapshot-files.ts'
import { formatPath } from './paths.ts'
import { isPathWithin } from '../../protocol/path-within.ts'

const SAMPLES_MAX = 20

export interface RollBackComponents {
  readonly namespace: Namespace
  readonly snapshots: SnapshotFiles
  readonly bringBack: BringBack
}

export interface RollBackOptions {
  /** The root of the tree of what is here now. */
  readonly now: NodeHash | undefined
  readonly dryRun: boolean
  /** As differences() has it. */
  readonly pause: () => Promise<void>
  readonly change: Change
  readonly signal: AbortSignal
}

interface Steps {
  readonly differences: readonly Difference[]
  /** The snapshot. */
  readonly was: ReplicaView
  readonly options: RollBackOptions
}

export class RollBack {
  readonly #c: RollBackComponents

  constructor(components: RollBackComponents) {
    this.#c = components
  }

  /** throws 'ENOENT'. */
  async run(path: readonly string[], name: string, options: RollBackOptions): Promise<RolledBack> {
    const { namespace, snapshots, bringBack } = this.#c
    const { snapshot, view: was, target } = await snapshots.at(path, name)
    const { volume } = namespace
    const now = viewOf(volume, options.now)
    const folder = target.kind === 'dir' ? target.id : target.link
    const { pause } = options
    const found = await differences(volume, [was, now], { folder, pause })
    const all = found.filter(({ path: at, from }) =>
      [at, from].some((one) => one !== undefined && isPathWithin(one, formatPath(path))),
    )
    const done = planOf(path, stampMs(stampAfter(hlcMillis(snapshot.hlc))), all)
    if (options.dryRun || all.length === 0) return done
    const steps = { differences: all, was, options }
    await this.#moveBack(steps)
    const { change, signal } = options
    await bringBack.restore(path, { version: `@${name}` }, { to: undefined, change, signal })
    await this.#remove(steps)
    await this.#setBack(steps)
    return done
  }

  /** As far as the place is free and its folder is there; the rest comes back as a new name. */
  async #moveBack({ differences: all, was, options }: Steps): Promise<void> {
    const { namespace } = this.#c
    const renamed = all.filter(({ kind }) => kind === 'renamed')
    for (const { id } of renamed.sort((a, b) => depthOf(a.from) - depthOf(b.from))) {
      options.signal.throwIfAborted()
      const [from, to] = [placeOf(namespace.volume.view, id), placeOf(was, id)]
      if (from === undefined || to === undefined) continue
      await passing(
        options.change(() => {
          if (namespace.lookup(to.parent, to.name) === undefined)
            namespace.rename(from.parent, from.name, to.parent, to.name)
        }),
      )
    }
  }

  /** Removes what was made since, the deepest first; folders with something newer in them stay. */
  async #remove({ differences: all, was, options }: Steps): Promise<void> {
    const { namespace } = this.#c
    const { view } = namespace.volume
    const made = all.filter(({ kind }) => kind !== 'removed')
    for (const { id } of made.sort((a, b) => depthOf(b.path) - depthOf(a.path))) {
      options.signal.throwIfAborted()
      // A name that it had then, too, stays.
      const place = placeOf(view, id)
      if (place === undefined || isSame(place, placeOf(was, id))) continue
      await passing(
        options.change(() => {
          const target = namespace.lookup(place.parent, place.name)
          if (target?.kind === 'dir' && target.id === id)
            namespace.removeDir(place.parent, place.name)
          if (target?.kind === 'inode' && target.link === id)
            namespace.unlink(place.parent, place.name)
        }),
      )
      await namespace.volume.makeRoom()
    }
  }

  /** Modes, owners, times and extended attributes. */
  async #setBack({ differences: all, was, options }: Steps): Promise<void> {
    const { namespace } = this.#c
    const { view } = namespace.volume
    for (const { id, kind } of all.toReversed()) {
      if (kind === 'added') continue
      options.signal.throwIfAborted()
      const [before, place] = [nodeIn(was, id), placeOf(was, id)]
      if (before === undefined || place === undefined) continue
      await passing(
        options.change(() => {
          const target = namespace.lookup(place.parent, place.name)
          const after = target && nodeAt(view, target)
          if (target === undefined || after === undefined) return
          if (!sameAttributes(before.attributes, after.attributes))
            namespace.setAttributes(target, settable(before.attributes))
          this.#setXattrs(was, before.id, target)
        }),
      )
    }
  }

  #setXattrs(was: ReplicaView, from: NodeId, target: ViewTarget): void {
    const { namespace } = this.#c
    const { view } = namespace.volume
    const names = new Set(readXattrNames(was, from))
    for (const name of names) {
      const [then, now] = [readXattr(was, from, name), readXattr(view, target.id, name)]
      if (then !== undefined && (now === undefined || !equalBytes(then, now)))
        namespace.xattrs.set(target, name, then)
    }
    for (const name of readXattrNames(view, target.id))
      if (!names.has(name)) namespace.xattrs.remove(target, name)
  }
}

/** Passes by what somebody else does meanwhile: that is not undone. */
async function passing(change: Promise<unknown>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!PASSED.some((code) => hasCode(error, code))) throw error
  }
}

const PASSED = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY', 'ESTALE', 'EINVAL'] as const

function planOf(
  path: readonly string[],
  atMs: RolledBack['atMs'],
  all: readonly Difference[],
): RolledBack {
  const of = (kind: Difference['kind']): readonly Difference[] =>
    all.filter((one) => one.kind === kind)
  const bytes = (some: readonly Difference[]): number =>
    some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const [made, gone, changed, renamed] = [of('added'), of('removed'), of('changed'), of('renamed')]
  return {
    path: formatPath(path),
    atMs,
    removed: made.length,
    removedBytes: bytes(made),
    broughtBack: gone.length,
    changed: changed.length,
    renamed: renamed.length,
    bytes: bytes(gone) + bytes(changed),
    samples: all.slice(0, SAMPLES_MAX).map(changeOf),
  }
}

function depthOf(path = '/'): number {
  return path.split('/').length
}

interface NamePlace {
  readonly parent: NodeId
  readonly name: Name
}

/** The place of a folder or a link that shows. */
function placeOf(view: StateStore, id: NodeId): NamePlace | undefined {
  const found = readDir(view, id) ?? readLink(view, id)
  if (found === undefined) return undefined
  const shows = found.live.length > 0 || ('visibleChildren' in found && found.visibleChildren > 0)
  return shows ? { parent: found.parent, name: found.name } : undefined
}

function isSame(a: NamePlace, b: NamePlace | undefined): boolean {
  return a.parent === b?.parent && a.name === b.name
}

interface NodeIn {
  readonly id: NodeId
  readonly attributes: NodeAttributes
}

/** The folder, or the file behind a link. */
function nodeIn(view: StateStore, id: NodeId): NodeIn | undefined {
  const dir = readDir(view, id)
  if (dir !== undefined) return { id, attributes: dirAttributes(id, dir) }
  const link = readLink(view, id)
  return link && fileIn(view, link.inode)
}

function nodeAt(view: StateStore, target: ViewTarget): NodeIn | undefined {
  return target.kind === 'dir' ? nodeIn(view, target.id) : fileIn(view, target.id)
}

function fileIn(view: StateStore, id: NodeId): NodeIn | undefined {
  const inode = readInode(view, id)
  return inode && { id, attributes: inodeAttributes(inode, inode.newest) }
}

function settable({
  mode,
  uid,
  gid,
  modifiedNs,
}: NodeAttributes): Pick<NodeAttributes, 'mode' | 'uid' | 'gid' | 'modifiedNs'> {
  return { mode, uid, gid, modifiedNs }
}

function sameAttributes(a: NodeAttributes, b: NodeAttributes): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.modifiedNs === b.modifiedNs
}
