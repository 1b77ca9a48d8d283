// Writes a former state of files and folders by ordinary ops: folders made, files created or
// written over. Nothing that was removed is named by them, since a checkpoint may forget it: what
// comes back is new, and holds what the other did. Its chunks are referenced as if they had been
// written again, so that nobody gives them up meanwhile. It is whole file by file: one that was
// broken off goes on where it was when it is asked for again.
import { STAMP_ZERO, isSameActor, stampMs } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { isSameContent } from '../../protocol/op/same-content.ts'
import { dirAttributes } from '../../protocol/tree/attributes.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { BroughtBack } from '../control/versions.ts'
import type { Namespace } from '../tree/namespace.ts'
import { DEPTH_MAX, goneFrom } from '../tree/past.ts'
import type { PastState, Placed } from '../tree/past.ts'
import { contentOf } from './file-contents.ts'
import type { FileContents } from './file-contents.ts'
import type { Change } from './files.ts'
import type { PastFiles } from './past-files.ts'
import { PastTree, kept, twinKey } from './past/tree.ts'
import type { Source } from './past/tree.ts'
import { formatPath } from './paths.ts'
import type { SnapshotFiles } from './snapshot-files.ts'

export interface BringBackComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly past: PastFiles
  readonly snapshots: SnapshotFiles
}

export interface BringBackOptions {
  readonly to: readonly string[] | undefined
  /** Set where a folder is brought back with what went with it, from then on, each as it was. */
  readonly goneSince?: Stamp | undefined
  /** Set where it comes from a snapshot: then all is as it was there. */
  readonly from?: Source | undefined
  readonly change: Change
  readonly signal: AbortSignal
}

type Tally = {
  -readonly [Key in 'files' | 'folders' | 'sizeBytes' | 'unchanged' | 'nearest']: number
}

/** One call: the state just before a stamp comes back. */
export class Work {
  readonly #c: BringBackComponents
  readonly #at: Stamp
  readonly #options: BringBackOptions
  readonly #tree: PastTree
  readonly #tally: Tally = { files: 0, folders: 0, sizeBytes: 0, unchanged: 0, nearest: 0 }
  /** Files made so far, by those that they stand for: other names of one become links. */
  readonly #made = new Map<string, ViewTarget>()

  constructor(components: BringBackComponents, at: Stamp, options: BringBackOptions) {
    this.#c = components
    this.#at = at
    this.#options = options
    this.#tree = new PastTree(components.namespace, at, options.from)
  }

  async run(object: Placed, to: readonly string[], from: readonly string[]): Promise<BroughtBack> {
    await this.#makeFolders(to.slice(0, -1), from.slice(0, -1))
    await this.#bring(object, to)
    return this.#done(to)
  }

  async runFile(
    state: PastState & { readonly isExact: boolean },
    to: readonly string[],
    from: readonly string[],
  ): Promise<BroughtBack> {
    await this.#makeFolders(to.slice(0, -1), from.slice(0, -1))
    await this.#bringFile(state, to)
    if (!state.isExact) this.#tally.nearest++
    return this.#done(to)
  }

  #done(to: readonly string[]): BroughtBack {
    return { path: formatPath(to), ...this.#tally, atMs: stampMs(this.#at) }
  }

  /** The folders on the way to a path, those that are not there as they were. */
  async #makeFolders(to: readonly string[], from: readonly string[]): Promise<void> {
    for (let length = 1; length <= to.length; length++) {
      const path = to.slice(0, length)
      if (this.#lookup(path) !== undefined) continue
      const was = to.join('/') === from.join('/') ? await this.#c.past.folders(path) : []
      await this.#makeFolder(was[0]?.id, path)
    }
  }

  async #bring(object: Placed, to: readonly string[]): Promise<void> {
    this.#options.signal.throwIfAborted()
    if (object.kind === 'dir') {
      const isMade = await this.#makeFolder(object.id, to)
      if (to.length >= DEPTH_MAX) return
      for await (const [name, child] of this.#childrenOf(object.id))
        await this.#bring(child, [...to, nameText(name)])
      if (isMade) await this.#setTime(object.id, to)
      return
    }
    const at = this.#options.goneSince === undefined ? this.#at : (object.removed ?? this.#at)
    const found = await this.#tree.stateOf(object, at)
    if (found === undefined) return
    await this.#bringFile(found.state, to)
    if (!found.isExact) this.#tally.nearest++
  }

  /** All that was in a folder, each under a name of its own. */
  async *#childrenOf(dir: NodeId): AsyncGenerator<readonly [Name, Placed]> {
    const { goneSince } = this.#options
    if (goneSince !== undefined) return yield* this.#goneFrom(dir, goneSince)
    yield* this.#tree.childrenOf(dir)
  }

  /** The last of each name that the same member removed, in this go. */
  async *#goneFrom(dir: NodeId, since: Stamp): AsyncGenerator<readonly [Name, Placed]> {
    const last = new Map<Name, Placed & { readonly removed: Stamp }>()
    for await (const gone of goneFrom(this.#view, dir)) {
      const { name, removed } = gone
      if (removed < since || removed > this.#at || !isSameActor(removed, this.#at)) continue
      if (removed > (last.get(name)?.removed ?? STAMP_ZERO)) last.set(name, gone)
    }
    yield* last
  }

  /** Gives a folder its time again, which changed with what was made in it. */
  async #setTime(was: NodeId, path: readonly string[]): Promise<void> {
    const dir = readDir(this.#tree.view, was)
    const target = this.#lookup(path)
    if (dir === undefined || target?.kind !== 'dir') return
    const { modifiedNs } = dirAttributes(was, dir)
    await this.#options.change(() => this.#c.namespace.setAttributes(target, { modifiedNs }))
  }

  /** returns whether it was not there. */
  async #makeFolder(was: NodeId | undefined, path: readonly string[]): Promise<boolean> {
    const known = this.#lookup(path)
    if (known?.kind === 'dir') return false
    if (known !== undefined) throw this.#inTheWay('ENOTDIR', path, 'a folder')
    const { namespace } = this.#c
    const dir = was === undefined ? undefined : readDir(this.#tree.view, was)
    const attributes =
      was === undefined || dir === undefined ? NEW_FOLDER : kept(dirAttributes(was, dir))
    await this.#options.change(() => {
      const { parent, name } = this.#place(path)
      if (namespace.lookup(parent, name) !== undefined) return
      const id = namespace.makeDir(parent, name, attributes)
      if (was !== undefined) this.#tree.copyXattrs(was, { kind: 'dir', id }, namespace)
    })
    this.#tally.folders++
    await namespace.volume.makeRoom()
    return true
  }

  async #bringFile(state: PastState, to: readonly string[]): Promise<void> {
    const { namespace, contents, past } = this.#c
    const { signal } = this.#options
    const known = this.#lookup(to)
    if (known?.kind === 'dir') throw this.#inTheWay('EISDIR', to, 'a file')
    if (known !== undefined && this.#holds(known, state)) {
      this.#tally.unchanged++
      return
    }
    const leases = [contents.begin()]
    try {
      const version = past.fileVersion(state)
      const { parent } = this.#place(to)
      if (state.version !== undefined) {
        leases.push(contents.hold(state.inode, contentOf(version)))
        await contents.adopt(version, { folder: parent, replaced: known?.id }, { signal })
      }
      await this.#options.change(() => this.#put(state, to))
    } finally {
      for (const lease of leases) lease.end()
    }
    this.#tally.files++
    this.#tally.sizeBytes += state.version?.size ?? 0
    await namespace.volume.makeRoom()
  }

  /** In one step with a look at whether the state is kept still. throws 'ESTALE'. */
  #put(state: PastState, to: readonly string[]): void {
    const { namespace } = this.#c
    const { parent, name } = this.#place(to)
    const inode = readInode(this.#tree.view, state.inode)
    if (inode === undefined || !this.#tree.isKept(state)) {
      const why = 'what was to be brought back has just expired; see "shoal versions"'
      throw new ShoalError('ESTALE', `${namespace.shownPath(formatPath(to))}: ${why}`)
    }
    namespace.volume.atomically(() => {
      const known = namespace.lookup(parent, name)
      const { version } = state
      if (known?.kind === 'inode' && version !== undefined && this.#isFile(known)) {
        const { content, size, modifiedNs } = version
        const { base } = namespace.fileVersion(known)
        namespace.putVersion(known.id, { content, size, base, modifiedNs })
        return
      }
      if (known !== undefined) namespace.unlink(parent, name)
      const twin = this.#twinOf(state)
      if (twin !== undefined) return namespace.link(twin, parent, name)
      this.#create(state, parent, name)
    })
  }

  #create(state: PastState, parent: NodeId, name: Name): void {
    const { namespace } = this.#c
    const inode = readInode(this.#tree.view, state.inode)
    if (inode === undefined) return
    const { version } = state
    const attributes = kept(this.#c.past.attributes(state))
    const made =
      inode.special === undefined
        ? namespace.create(parent, name, attributes, inode.target)
        : namespace.makeSpecial(parent, name, attributes, inode.special)
    if (version !== undefined) {
      const { content, size } = version
      const { modifiedNs } = attributes
      namespace.putVersion(made.id, { content, size, base: [], modifiedNs })
    }
    this.#tree.copyXattrs(state.inode, made, namespace)
    this.#made.set(twinKey(state), made)
  }

  /**
   * A file that holds the state under another name: one that was made here, or that is there yet.
   */
  #twinOf(state: PastState): ViewTarget | undefined {
    const made = this.#made.get(twinKey(state))
    if (made !== undefined && (readInode(this.#view, made.id)?.links.length ?? 0) > 0) return made
    const inode = readInode(this.#view, state.inode)
    const isThere = inode !== undefined && inode.links.length > 0
    // Beside itself, elsewhere, it would change with it.
    if (!isThere || this.#options.to !== undefined) return undefined
    if (inode.newest?.dot !== state.version?.dot) return undefined
    return { kind: 'inode', id: state.inode, link: state.link, version: undefined }
  }

  #isFile(target: ViewTarget): boolean {
    return this.#c.namespace.attributes(target).kind === 'file'
  }

  /** Does what is there hold the same? */
  #holds(target: ViewTarget, { inode, version }: PastState): boolean {
    if (target.kind === 'dir') return false
    const now = readInode(this.#view, target.id)
    if (target.id === inode) return now?.newest?.dot === version?.dot
    const was = readInode(this.#tree.view, inode)
    if (version === undefined || now?.newest === undefined || was === undefined) return false
    return version.dot === now.newest.dot || isSameContent(version, now.newest)
  }

  #lookup(path: readonly string[]): ViewTarget | undefined {
    const { namespace } = this.#c
    let at: ViewTarget = namespace.resolvePath([])
    for (const part of path) {
      if (at.kind !== 'dir') throw this.#inTheWay('ENOTDIR', path, 'a folder')
      const next = namespace.lookup(at.id, nameFromText(part))
      if (next === undefined) return undefined
      at = next
    }
    return at
  }

  #place(path: readonly string[]): { readonly parent: NodeId; readonly name: Name } {
    const { id, kind } = this.#c.namespace.resolvePath(path.slice(0, -1))
    if (kind !== 'dir') throw this.#inTheWay('ENOTDIR', path.slice(0, -1), 'a folder')
    return { parent: id, name: nameOfPath(path) }
  }

  #inTheWay(code: 'EISDIR' | 'ENOTDIR', path: readonly string[], what: string): ShoalError {
    const shown = this.#c.namespace.shownPath(formatPath(path))
    const is = code === 'EISDIR' ? 'a folder' : 'not a folder'
    const how = 'move it away, or give another path with --to'
    return new ShoalError(code, `${shown}: is ${is} now and was ${what}; ${how}`)
  }

  get #view(): Namespace['volume']['view'] {
    return this.#c.namespace.volume.view
  }
}

const NEW_FOLDER = { mode: 0o755 } as const

export function nameOfPath(path: readonly string[]): Name {
  const last = path.at(-1)
  if (last === undefined)
    throw new ShoalError('EBUSY', '/: the root of a volume is always there; name what was in it')
  return nameFromText(last)
}
