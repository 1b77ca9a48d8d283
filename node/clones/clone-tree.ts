// Makes a copy of a folder by reference, where nothing is yet and nobody looks: its content is that
// of what it is taken from, of which no byte is read. Files are made some at a time; of a folder
// that is being made, all names stay in memory of which the subfolders are not done, and no others.
import type { NodeId } from '../../protocol/ids.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { dirAttributes } from '../../protocol/tree/attributes.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import { countXattrs } from '../../protocol/tree/xattrs.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Cloned } from '../control/clones.ts'
import type { Lease } from '../content/in-flight-references.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { PastState } from '../tree/past.ts'
import { fileVersionOf } from '../tree/tree-reading.ts'
import type { CloneChild, CloneSource } from './clone-source.ts'
import { contentOf } from '../volume/file-contents.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { Change } from '../volume/files.ts'
import { attributesAs, kept, twinKey } from '../volume/past-tree.ts'

/** Names made in one step, which is one entry of the log if the volume is strong. */
const NAMES_AT_ONCE = 48
/** Extended attributes and small contents of these. */
const BYTES_AT_ONCE: number = 96 * 1024
/** An extended attribute, as it is counted before it is read. */
const XATTR_BYTES = 1024

export interface CloneTreeComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly source: CloneSource
  readonly change: Change
  /** Told now and then of what is made so far. */
  readonly onProgress: (made: Cloned) => void
  readonly signal: AbortSignal
}

interface Place {
  readonly parent: NodeId
  readonly name: Name
}

type Named = readonly [name: Name, child: CloneChild]

export class CloneTree {
  /** So far. */
  readonly made: { -readonly [Key in keyof Cloned]: Cloned[Key] } = {
    files: 0,
    folders: 0,
    sizeBytes: 0,
    nearest: 0,
  }
  readonly #c: CloneTreeComponents
  /** Files made that have other names, by what they stand for. */
  readonly #twins = new Map<string, ViewTarget>()

  constructor(components: CloneTreeComponents) {
    this.#c = components
  }

  /** Make a copy of a folder, or of a file. */
  async run(child: CloneChild, { parent, name }: Place): Promise<void> {
    await this.#makeAll(parent, [[name, child]])
  }

  async #fill(was: NodeId, dir: NodeId): Promise<void> {
    const { source, signal } = this.#c
    let some: Named[] = []
    let bytes = 0
    for await (const named of source.childrenOf(was)) {
      signal.throwIfAborted()
      const weight = this.#bytesOf(named[1])
      if (some.length >= NAMES_AT_ONCE || (some.length > 0 && bytes + weight > BYTES_AT_ONCE)) {
        await this.#makeAll(dir, some)
        some = []
        bytes = 0
      }
      some.push(named)
      bytes += weight
    }
    if (some.length > 0) await this.#makeAll(dir, some)
    await this.#setTimes(was, dir)
  }

  /** Make some names of a folder; then all that is in the folders of these. */
  async #makeAll(parent: NodeId, some: readonly Named[]): Promise<void> {
    const { change, contents, namespace } = this.#c
    const leases = [contents.begin()]
    let made: readonly ViewTarget[]
    try {
      await Promise.all(some.map(([, child]) => this.#adopt(parent, child, leases)))
      made = await change(() => some.map(([name, child]) => this.#make(child, { parent, name })))
    } finally {
      for (const lease of leases) lease.end()
    }
    for (const [, child] of some) this.#count(child)
    this.#c.onProgress({ ...this.made })
    await namespace.volume.makeRoom()
    for (const [at, [, child]] of some.entries()) {
      const folder = made[at]
      if (child.kind === 'dir' && folder !== undefined) await this.#fill(child.id, folder.id)
    }
  }

  async #adopt(folder: NodeId, child: CloneChild, leases: Lease[]): Promise<void> {
    if (child.kind === 'dir' || child.state.version?.content.kind !== 'chunks') return
    const { contents, namespace, signal } = this.#c
    const { inode, version } = child.state
    const file = fileVersionOf(namespace.volume, version)
    leases.push(contents.hold(inode, contentOf(file)))
    await contents.adopt(file, { folder, replaced: undefined }, { isShared: true, signal })
  }

  #make(child: CloneChild, place: Place): ViewTarget {
    if (child.kind === 'dir') return this.#makeFolder(child.id, place)
    const twin = this.#twinOf(child.state)
    if (twin === undefined) return this.#makeFile(child.state, place)
    this.#c.namespace.link(twin, place.parent, place.name)
    return twin
  }

  #makeFolder(was: NodeId, { parent, name }: Place): ViewTarget {
    const { namespace, source } = this.#c
    const dir = readDir(source.tree.view, was)
    if (dir === undefined) throw lacking(name)
    const id = namespace.makeDir(parent, name, kept(dirAttributes(was, dir)))
    const made = { kind: 'dir', id } as const
    source.tree.copyXattrs(was, made)
    return made
  }

  #makeFile(state: PastState, { parent, name }: Place): ViewTarget {
    const { namespace, source } = this.#c
    const { inode: id, version } = state
    const inode = readInode(source.tree.view, id)
    if (inode === undefined || !source.tree.isKept(state)) throw lacking(name)
    const attributes = kept(attributesAs(inode, version))
    const made =
      inode.special === undefined
        ? namespace.create(parent, name, attributes, inode.target)
        : namespace.makeSpecial(parent, name, attributes, inode.special)
    if (version !== undefined) {
      const { content, size } = version
      namespace.fill(made.id, { content, size, modifiedNs: attributes.modifiedNs })
    }
    source.tree.copyXattrs(id, made)
    if (!source.hasOneName(inode)) this.#twins.set(twinKey(state), made)
    return made
  }

  /** A file that was made under another name. A step that was taken back has made none. */
  #twinOf(state: PastState): ViewTarget | undefined {
    if (isPlanted('clone-shares-file'))
      return { kind: 'inode', id: state.inode, link: state.link, version: undefined }
    const made = this.#twins.get(twinKey(state))
    const { view } = this.#c.namespace.volume
    return made && readInode(view, made.id) && made
  }

  /** Give a folder its time again, which changed with what was made in it. */
  async #setTimes(was: NodeId, id: NodeId): Promise<void> {
    const { namespace, source, change } = this.#c
    const dir = readDir(source.tree.view, was)
    if (dir === undefined) return
    const { modifiedNs } = dirAttributes(was, dir)
    await change(() => namespace.setAttributes({ kind: 'dir', id }, { modifiedNs }))
  }

  #count(child: CloneChild): void {
    if (child.kind === 'dir') {
      this.made.folders++
      return
    }
    this.made.files++
    this.made.sizeBytes += child.state.version?.size ?? 0
    if (!child.isExact) this.made.nearest++
  }

  /** Roughly the bytes of its ops. */
  #bytesOf(child: CloneChild): number {
    const id = child.kind === 'dir' ? child.id : child.state.inode
    const xattrs = countXattrs(this.#c.source.tree.view, id) * XATTR_BYTES
    const content = child.kind === 'dir' ? undefined : child.state.version?.content
    return xattrs + (content?.kind === 'inline' ? content.bytes.length : 0)
  }
}

function lacking(name: Name): ShoalError {
  const why = 'what was to be cloned has just expired, or its snapshot was removed'
  return new ShoalError('ESTALE', `${nameText(name)}: ${why}`)
}
