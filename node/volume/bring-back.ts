// Brings back what was removed, or a former state of a file or folder: finds what is meant, and the
// moment before it went. How it comes back is in past-work.ts.
import { isSameActor, stampMs } from '../../protocol/clock/dot.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { readDir } from '../../protocol/tree/records.ts'
import type { BroughtBack, Moment } from '../control/versions.ts'
import type { Namespace } from '../tree/namespace.ts'
import { DEPTH_MAX, goneFrom, isReplaced, stampAfter, stoodBefore } from '../tree/past.ts'
import type { Placed } from '../tree/past.ts'
import { Work, nameOfPath } from './past-work.ts'
import type { BringBackComponents, BringBackOptions } from './past-work.ts'
import { snapshotIn } from './past-files.ts'
import type { FoundState } from './past-files.ts'
import type { Source } from './past/tree.ts'
import { findPath, formatPath } from './paths.ts'

/** Removals by one member with no longer pause between them went together. */
const PAUSE_MS = MINUTE_MS

/** The file or folder that was at a path at a moment. */
export interface FoundPast {
  readonly at: Stamp
  /** The snapshot that it is in. */
  readonly from?: Source
  readonly found:
    (Placed & { readonly kind: 'dir' }) | { readonly kind: 'file'; readonly state: FoundState }
}

export class BringBack {
  readonly #c: BringBackComponents

  constructor(components: BringBackComponents) {
    this.#c = components
  }

  /** Undo the last removal at a path. throws 'ENOENT', 'EEXIST'. */
  async undelete(path: readonly string[], options: BringBackOptions): Promise<BroughtBack> {
    const name = nameOfPath(path)
    const to = options.to ?? path
    this.#checkFree(to)
    let last: (Placed & { readonly removed: Stamp }) | undefined
    for (const { id } of await this.#c.past.folders(path.slice(0, -1))) {
      const links = await this.#c.past.objects(id, name, 'link')
      for await (const gone of goneFrom(this.#view, id, name)) {
        if (gone.name !== name || isReplaced(gone, links)) continue
        if (last === undefined || gone.removed > last.removed) last = gone
      }
    }
    if (last === undefined) {
      const why = 'nothing that was removed there is kept; the setting versions= says for how long'
      throw new ShoalError('ENOENT', `${this.#shown(path)}: ${why}`)
    }
    const goneSince = last.kind === 'dir' ? await this.#beginOf(last, options.signal) : last.removed
    return new Work(this.#c, last.removed, { ...options, goneSince }).run(last, to, path)
  }

  /** throws 'ENOENT', 'EEXIST' for `to`, 'EISDIR', 'ENOTDIR' where something else is in the way. */
  async restore(
    path: readonly string[],
    moment: Moment,
    options: BringBackOptions,
  ): Promise<BroughtBack> {
    if (options.to !== undefined) this.#checkFree(options.to)
    const to = options.to ?? path
    const { at, from, found } = await this.find(path, moment)
    const work = new Work(this.#c, at, { ...options, from })
    return found.kind === 'dir' ? work.run(found, to, path) : work.runFile(found.state, to, path)
  }

  /** Finds what was at a path. throws 'ENOENT', 'ENOTDIR', 'chunk-unavailable'. */
  async find(path: readonly string[], moment: Moment): Promise<FoundPast> {
    const { past } = this.#c
    const snapshot = snapshotIn(moment)
    if (snapshot !== undefined) return this.#inSnapshot(path, snapshot)
    if (moment.atMs !== undefined && moment.version === undefined) {
      const at = stampAfter(moment.atMs)
      const folders = await past.folders(path)
      const folder = folders.find((one) => stoodBefore(one, at))
      if (folder !== undefined) return { at, found: { ...folder, kind: 'dir' } }
      const [last] = folders
      if (last !== undefined && (await past.isNoFile(path))) throw this.#wasNotThere(path, last)
    }
    const state = await past.find(path, moment)
    const at = moment.atMs === undefined ? state.began : stampAfter(moment.atMs)
    return { at, found: { kind: 'file', state } }
  }

  async #inSnapshot(path: readonly string[], name: string): Promise<FoundPast> {
    const { past, snapshots } = this.#c
    const { snapshot, view, target } = await snapshots.at(path, name)
    const from = { view, isThere: () => snapshots.isThere(snapshot) }
    const at = stampAfter(hlcMillis(snapshot.hlc))
    if (target.kind === 'inode') {
      const state = await past.find(path, { version: `@${name}` })
      return { at, from, found: { kind: 'file', state } }
    }
    const dir = readDir(view, target.id)
    if (dir === undefined)
      throw new ShoalError('corrupt', 'a snapshot lacks the record of a folder')
    const { name: was, created } = dir
    const placed = { began: created, placed: created, removed: undefined }
    return { at, from, found: { kind: 'dir', id: target.id, name: was, ...placed } }
  }

  /** A folder was not there then: when it was. */
  #wasNotThere(path: readonly string[], { began, removed }: Placed): ShoalError {
    const since = new Date(stampMs(began)).toISOString()
    const until = removed === undefined ? '' : ` until ${new Date(stampMs(removed)).toISOString()}`
    const how = removed === undefined ? '' : '; "shoal undelete" brings it back as it was removed'
    const message = `was not there then, but from ${since}${until}${how}`
    return new ShoalError('ENOENT', `${this.#shown(path)}: ${message}`)
  }

  /** The first removal of those by which a folder and what was in it went, in one go. */
  async #beginOf(
    folder: Placed & { readonly removed: Stamp },
    signal: AbortSignal,
  ): Promise<Stamp> {
    const removals: Stamp[] = []
    const open: (readonly [id: NodeId, depth: number])[] = [[folder.id, 0]]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [id, depth] = next
      for await (const gone of goneFrom(this.#view, id)) {
        signal.throwIfAborted()
        if (gone.removed > folder.removed) continue
        if (isSameActor(gone.removed, folder.removed)) removals.push(gone.removed)
        if (gone.kind === 'dir' && depth < DEPTH_MAX) open.push([gone.id, depth + 1])
      }
    }
    let first = folder.removed
    for (const removed of removals.sort().toReversed()) {
      if (stampMs(first) - stampMs(removed) > PAUSE_MS) break
      first = removed
    }
    return first
  }

  #checkFree(path: readonly string[]): void {
    if (findPath(this.#c.namespace, path) === undefined) return
    const how = 'give another path with --to, or bring it to a former state with "shoal restore"'
    throw new ShoalError('EEXIST', `${this.#shown(path)}: exists; ${how}`)
  }

  #shown(path: readonly string[]): string {
    return this.#c.namespace.shownPath(formatPath(path))
  }

  get #view(): Namespace['volume']['view'] {
    return this.#c.namespace.volume.view
  }
}
