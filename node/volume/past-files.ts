// Former states of the files of one volume, by path: listed, found by a time or an id, and read.
// Paths lead through folders that were removed, as long as these are kept.
import { escapedBytes } from '../../protocol/byte-text.ts'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { STAMP_ZERO, dotActor, stampActor, stampMs } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { ROOT, readInode, readLink } from '../../protocol/tree/records.ts'
import type {
  FileContent,
  FolderPage,
  PageOptions,
  ReadRange,
  StatOptions,
} from '../control/files.ts'
import { VERSION_ID_CHARS } from '../../protocol/limits.ts'
import type {
  FoundVersion,
  Moment,
  RemovedItem,
  VersionFile,
  VersionInfo,
} from '../control/versions.ts'
import type { Namespace } from '../tree/namespace.ts'
import { fileVersionOf } from '../tree/tree-reading.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import {
  DEPTH_MAX,
  goneFrom,
  isReplaced,
  placedIn,
  stampAfter,
  stateBefore,
  statesOf,
  statesUnder,
} from '../tree/past.ts'
import type { PastState, Placed } from '../tree/past.ts'
import { pagesOf, slicesOf } from '../world/paging.ts'
import { contentOf } from './file-contents.ts'
import type { FileContents } from './file-contents.ts'
import { leased } from '../content/in-flight-references.ts'
import { rangeWithin } from './file-stat.ts'
import { tagFor } from './file-tags.ts'
import { pastExtended, pastPage } from './past/listing.ts'
import { attributesAs } from './past/tree.ts'
import { findPath, formatPath } from './paths.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

const PAGE = 256
/** Folders that had one path, one after the other; of more the newest. */
const FOLDERS_MAX = 64

export interface PastFilesComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly snapshots: SnapshotFiles
}

const SEE = '"shoal versions" lists those that are'
const ROOT_PLACED: Placed = {
  kind: 'dir',
  id: ROOT,
  name: '' as Name,
  began: STAMP_ZERO,
  placed: STAMP_ZERO,
  removed: undefined,
}

/** A state that was found, and whether it stood at the moment that was asked for. */
export type FoundState = PastState & { readonly isExact: boolean }

export class PastFiles {
  readonly #c: PastFilesComponents

  constructor(components: PastFilesComponents) {
    this.#c = components
  }

  /** throws 'ENOENT', 'EISDIR'. */
  async *versions(
    path: readonly string[],
    { extended = false }: StatOptions = {},
  ): AsyncGenerator<readonly VersionInfo[]> {
    const states = await this.states(path)
    for (const some of slicesOf(states, PAGE))
      yield some.map((state) => {
        const info = this.info(state)
        return extended ? { ...info, file: this.#file(state) } : info
      })
  }

  /**
   * Names in all folders that have or had a path, also of what was removed and is kept. throws
   * 'ENOENT'.
   */
  async listPage(path: readonly string[], options: PageOptions): Promise<FolderPage> {
    const folders = await this.folders(path)
    if (folders.length === 0) throw this.#unknown(path)
    const { namespace } = this.#c
    return pastPage(
      namespace,
      folders.map(({ id }) => id),
      options,
    )
  }

  /** throws 'ENOENT', 'EISDIR'. */
  async find(path: readonly string[], moment: Moment): Promise<FoundState> {
    const snapshot = snapshotIn(moment)
    if (snapshot === undefined) return this.pick(path, await this.states(path), moment)
    return { ...(await this.#c.snapshots.stateAt(path, snapshot)), isExact: true }
  }

  /** The one that is meant of some states. throws 'ENOENT', 'usage'. */
  pick(path: readonly string[], states: readonly PastState[], moment: Moment): FoundState {
    const { version, atMs } = moment
    if ((version === undefined) === (atMs === undefined))
      throw new ShoalError('usage', 'give a time or a version')
    if (version !== undefined) {
      const [found, another] = states.filter((state) => idOf(state).startsWith(version))
      if (found !== undefined && another === undefined) return { ...found, isExact: true }
      const why = found === undefined ? 'is not kept' : 'is not unique'
      throw new ShoalError('ENOENT', `${this.#shown(path)}: version ${version} ${why}; ${SEE}`)
    }
    const found = stateBefore(states, stampAfter(atMs ?? 0))
    if (found === undefined) throw this.#unknown(path)
    return { ...found.state, isExact: found.isExact }
  }

  /** All states of a file that are kept, the newest first. throws 'ENOENT', 'EISDIR'. */
  async states(path: readonly string[]): Promise<readonly PastState[]> {
    const name = path.at(-1)
    if (name === undefined) throw this.#isFolder(path)
    const under = await this.#statesUnder(path.slice(0, -1), name)
    const states = under.length > 0 ? under : await this.#statesBehind(path)
    if (states.length > 0) return states.toSorted((a, b) => (a.began < b.began ? 1 : -1))
    if ((await this.folders(path)).length > 0) throw this.#isFolder(path)
    throw this.#unknown(path)
  }

  /** Is nothing of a file kept at a path? */
  async isNoFile(path: readonly string[]): Promise<boolean> {
    const name = path.at(-1)
    return name === undefined || (await this.#statesUnder(path.slice(0, -1), name)).length === 0
  }

  /** States of all files that had a name in any folder that had a path. */
  async #statesUnder(folder: readonly string[], name: string): Promise<readonly PastState[]> {
    const states: PastState[] = []
    for (const { id } of await this.folders(folder))
      states.push(...(await statesUnder(this.#view, id, nameFromText(name))))
    return states
  }

  /** Those of a file that shows under a conflict name: under its own. */
  async #statesBehind(path: readonly string[]): Promise<readonly PastState[]> {
    const target = findPath(this.#c.namespace, path)
    const link = target?.kind === 'inode' ? readLink(this.#view, target.link) : undefined
    return link === undefined ? [] : statesUnder(this.#view, link.parent, link.name)
  }

  /** All folders that have or had a path, of more than FOLDERS_MAX the newest. */
  async folders(path: readonly string[]): Promise<readonly Placed[]> {
    let at: readonly Placed[] = [ROOT_PLACED]
    for (const part of path) {
      const next: Placed[] = []
      for (const { id } of at) next.push(...(await this.objects(id, nameFromText(part), 'dir')))
      at = next.sort((a, b) => (a.began < b.began ? 1 : -1)).slice(0, FOLDERS_MAX)
    }
    return at
  }

  /** The objects that have or had a name in a folder. */
  async objects(dir: NodeId, name: Name, kind?: Placed['kind']): Promise<readonly Placed[]> {
    const found: Placed[] = []
    for await (const one of placedIn(this.#view, dir, name))
      if (one.name === name && (kind === undefined || one.kind === kind)) found.push(one)
    return found
  }

  /**
   * All that was removed below a folder that is there; of a removed folder, only itself. A file
   * that made room for another of its name is left out: that has it among its versions.
   */
  async *removed(
    path: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<readonly RemovedItem[]> {
    const target = this.#c.namespace.resolvePath(path)
    if (target.kind !== 'dir')
      throw new ShoalError(
        'ENOTDIR',
        `${this.#shown(path)}: is not a folder; "shoal versions" lists what it was`,
      )
    yield* pagesOf(this.#removedIn(target.id, path, signal), PAGE)
  }

  async *#removedIn(
    dir: NodeId,
    path: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<RemovedItem> {
    let taken: { readonly name: Name; readonly by: readonly Placed[] } | undefined
    for await (const gone of goneFrom(this.#view, dir)) {
      signal.throwIfAborted()
      // Those of one name come one after the other.
      if (taken?.name !== gone.name)
        taken = { name: gone.name, by: await this.objects(dir, gone.name, 'link') }
      if (isReplaced(gone, taken.by)) continue
      const item = await this.#removedItem(gone, path)
      if (item !== undefined) yield item
    }
    for await (const { name, target } of this.#c.namespace.list(dir)) {
      signal.throwIfAborted()
      if (target.kind !== 'dir' || path.length >= DEPTH_MAX) continue
      yield* this.#removedIn(target.id, [...path, nameText(name)], signal)
    }
  }

  async #removedItem(
    gone: Placed & { readonly removed: Stamp },
    path: readonly string[],
  ): Promise<RemovedItem | undefined> {
    const { kind, name, removed } = gone
    const common = {
      path: formatPath([...path, nameText(name)]),
      removedMs: stampMs(removed),
      removedBy: this.nameOf(stampActor(removed)),
    }
    if (kind === 'dir') return { ...common, kind: 'folder', sizeBytes: 0 }
    const last = stateBefore(await statesOf(this.#view, gone), removed)?.state
    if (last === undefined) return undefined
    const { kind: fileKind, sizeBytes } = this.attributes(last)
    return { ...common, kind: fileKind, sizeBytes }
  }

  info(state: PastState): VersionInfo {
    const { version, began, ended, end } = state
    const { kind, sizeBytes } = this.attributes(state)
    const writer = version === undefined ? stampActor(began) : dotActor(version.dot)
    return {
      id: idOf(state),
      kind,
      sizeBytes,
      timeMs: stampMs(began),
      author: this.nameOf(writer),
      end,
      ...(ended !== undefined && {
        endedMs: stampMs(ended),
        endedBy: this.nameOf(stampActor(ended)),
      }),
    }
  }

  #file(state: PastState): VersionFile {
    const { inode, version, view = this.#view } = state
    const { newest } = readInode(view, inode) ?? {}
    // Of the last content it is the time that a look at the file told.
    const isLast = version !== undefined && newest?.dot === version.dot
    const { modifiedNs } = isLast ? this.#shownAttributes(state) : this.attributes(state)
    const tag = tagFor(inode, version === undefined ? [] : [version.dot])
    return {
      modifiedNs,
      tag,
      extended: pastExtended(view, inode),
      hasContent: version !== undefined,
    }
  }

  found(state: FoundState): FoundVersion {
    return { ...this.info(state), isExact: state.isExact }
  }

  /** The name of the member behind an actor. */
  nameOf(actor: ActorId): string {
    const { actors, membership } = this.#c.namespace.volume
    const peer = actors.get(actor)?.peer
    return peer === undefined ? 'unknown' : membership.nameOf(peer)
  }

  /** A state as what is read. */
  fileVersion({ version }: PastState): FileVersion {
    return fileVersionOf(this.#c.namespace.volume, version)
  }

  /** throws 'ENOENT', 'EISDIR', 'EINVAL' for what has no content. */
  async read(
    path: readonly string[],
    moment: Moment,
    range: ReadRange,
    signal: AbortSignal,
  ): Promise<FileContent> {
    const state = await this.find(path, moment)
    const attributes = this.attributes(state)
    if (attributes.kind !== 'file')
      throw new ShoalError('EINVAL', `${this.#shown(path)}: was no file with content then`)
    const version = this.fileVersion(state)
    const reader = this.#c.contents.reader(version)
    const { offset, lengthBytes } = rangeWithin(reader.size, range)
    const { kind, mode, uid, gid, linkCount, sizeBytes, modifiedNs, changedNs } = attributes
    const name = path.at(-1) ?? ''
    const stat = { name, nameBytes: escapedBytes(name), kind, mode, uid, gid, linkCount }
    const hold = (): ReturnType<FileContents['hold']> =>
      this.#c.contents.hold(state.inode, contentOf(version))
    return {
      stat: { ...stat, sizeBytes, modifiedNs, changedNs },
      lengthBytes,
      content: leased(hold, reader.stream(offset, lengthBytes, { signal })),
    }
  }

  /**
   * Attributes of a state: as a snapshot has them; else those of now, but for the time and size of
   * its content.
   */
  attributes(state: PastState): NodeAttributes {
    const { version, view } = state
    const shown = this.#shownAttributes(state)
    if (version === undefined || view !== undefined) return shown
    return { ...shown, modifiedNs: version.modifiedNs }
  }

  #shownAttributes({ inode: id, version, view }: PastState): NodeAttributes {
    const inode = readInode(view ?? this.#view, id)
    if (inode === undefined) throw new ShoalError('ESTALE', 'the version is not kept any more')
    return attributesAs(inode, version)
  }

  get #view(): Namespace['volume']['view'] {
    return this.#c.namespace.volume.view
  }

  #shown(path: readonly string[]): string {
    return this.#c.namespace.shownPath(formatPath(path))
  }

  #isFolder(path: readonly string[]): ShoalError {
    const how = 'its files have versions, and "shoal undelete" lists what was removed in it'
    return new ShoalError('EISDIR', `${this.#shown(path)}: is a folder; ${how}`)
  }

  #unknown(path: readonly string[]): ShoalError {
    const why = 'nothing of that name is there or kept; the setting versions= says for how long'
    return new ShoalError('ENOENT', `${this.#shown(path)}: ${why}`)
  }
}

/** The name of the snapshot that is meant, if it is one. */
export function snapshotIn({ version }: Pick<Moment, 'version'>): string | undefined {
  return version?.startsWith('@') === true ? version.slice(1) : undefined
}

/**
 * The id by which people name a state: the same on all members. Two of one path have one id with a
 * chance of 2^-48.
 */
function idOf({ link, version }: PastState): string {
  return toHex(blake3(utf8(`${link} ${version?.dot ?? ''}`))).slice(0, VERSION_ID_CHARS)
}
