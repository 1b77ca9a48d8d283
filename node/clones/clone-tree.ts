// Makes a copy of a folder where nothing is yet and nobody looks. Files are made some at a time; of
// a folder that is being made, some names stay in memory while their subfolders are made, and no
// others.
import type { NodeId } from '../../protocol/ids.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { dirAttributes } from '../../protocol/tree/attributes.ts'
import { readDir, readInode } from '../../protocol/tree/records.ts'
import type { ContentRef } from '../../protocol/op/op.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import { countXattrs } from '../../protocol/tree/xattrs.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Cloned } from '../control/clones.ts'
import type { Lease } from '../content/in-flight-references.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { PastState } from '../tree/past.ts'
import type { CloneContents } from './clone-contents.ts'
import type { CloneChild, CloneSource } from './clone-source.ts'
import type { Change } from '../volume/files.ts'
import { attributesAs, kept, twinKey } from '../volume/past/tree.ts'

/**
 * So much is made in one step, which is one entry of the log if the volume is strong: names,
 * extended attributes and small contents of these, and contents that are read for them.
 */
const AT_ONCE = { names: 48, bytes: 96 * KIB, bytesRead: 16 * MIB } as const satisfies Room
/** An extended attribute, as it is counted before it is read. */
const XATTR_BYTES = 1024

interface Room {
  readonly names: number
  readonly bytes: number
  readonly bytesRead: number
}

export interface CloneTreeComponents {
  /** The volume in which it is made. */
  readonly namespace: Namespace
  readonly source: CloneSource
  readonly contents: CloneContents
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
  /** The folder that is copied. */
  #top: NodeId | undefined

  constructor(components: CloneTreeComponents) {
    this.#c = components
  }

  /** Make a copy of a folder, or of a file. */
  async run(child: CloneChild, { parent, name }: Place): Promise<void> {
    if (child.kind === 'dir') this.#top = child.id
    await this.#makeAll(parent, [[name, child]])
  }

  async #fill(was: NodeId, dir: NodeId): Promise<void> {
    const { source, signal } = this.#c
    let some: Named[] = []
    let left: Room = AT_ONCE
    for await (const named of source.childrenOf(was)) {
      signal.throwIfAborted()
      this.#checkPlace(named[1], was)
      const rest = this.#without(left, named[1])
      if (some.length > 0 && (rest.names < 0 || rest.bytes < 0 || rest.bytesRead < 0)) {
        await this.#makeAll(dir, some)
        some = []
        left = AT_ONCE
      }
      some.push(named)
      left = this.#without(left, named[1])
    }
    if (some.length > 0) await this.#makeAll(dir, some)
    await this.#setTimes(was, dir)
  }

  /**
   * Checks what whoever made a snapshot may have made up: a folder in itself would have no end.
   * throws 'corrupt'.
   */
  #checkPlace(child: CloneChild, parent: NodeId): void {
    if (child.kind !== 'dir') return
    const isHere = readDir(this.#c.source.tree.view, child.id)?.parent === parent
    if (isHere && child.id !== this.#top) return
    throw new ShoalError('corrupt', 'a folder is listed where it does not lie; nothing was cloned')
  }

  /** Make some names of a folder; then all that is in the folders of these. */
  async #makeAll(parent: NodeId, some: readonly Named[]): Promise<void> {
    const { change, namespace } = this.#c
    const leases: Lease[] = []
    let made: readonly ViewTarget[]
    try {
      const contents = await Promise.all(some.map((named) => this.#take(named, parent, leases)))
      made = await change(() =>
        some.map(([name, child], at) => this.#make(child, { parent, name }, contents[at])),
      )
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

  async #take(
    [name, child]: Named,
    folder: NodeId,
    leases: Lease[],
  ): Promise<ContentRef | undefined> {
    if (child.kind === 'dir' || child.state.version === undefined) return undefined
    // It will have the content of another of its names.
    if (this.#twinOf(child.state) !== undefined) return undefined
    try {
      return await this.#c.contents.take(child.state, folder, leases)
    } catch (error) {
      if (!(error instanceof ShoalError) || this.#c.signal.aborted) throw error
      const { code, message, permanent } = error
      const options = { cause: error, permanent }
      throw new ShoalError(code, `${nameText(name)}: ${message}`, options)
    }
  }

  #make(child: CloneChild, place: Place, content: ContentRef | undefined): ViewTarget {
    if (child.kind === 'dir') return this.#makeFolder(child.id, place)
    const twin = this.#twinOf(child.state)
    if (twin === undefined) return this.#makeFile(child.state, place, content)
    this.#c.namespace.link(twin, place.parent, place.name)
    return twin
  }

  #makeFolder(was: NodeId, { parent, name }: Place): ViewTarget {
    const { namespace, source } = this.#c
    const dir = readDir(source.tree.view, was)
    if (dir === undefined) throw lacking(name)
    const id = namespace.makeDir(parent, name, kept(dirAttributes(was, dir)))
    const made = { kind: 'dir', id } as const
    source.tree.copyXattrs(was, made, namespace)
    return made
  }

  #makeFile(
    state: PastState,
    { parent, name }: Place,
    content: ContentRef | undefined,
  ): ViewTarget {
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
      const { size } = version
      // It was left out for another name that is gone meanwhile.
      if (content === undefined) throw lacking(name)
      namespace.fill(made.id, { content, size, modifiedNs: attributes.modifiedNs })
    }
    source.tree.copyXattrs(id, made, namespace)
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

  /** The room that is left with it: its ops have roughly so many bytes. */
  #without({ names, bytes, bytesRead }: Room, child: CloneChild): Room {
    const { source, contents } = this.#c
    const id = child.kind === 'dir' ? child.id : child.state.inode
    const content = child.kind === 'dir' ? undefined : child.state.version?.content
    const xattrs = countXattrs(source.tree.view, id) * XATTR_BYTES
    return {
      names: names - 1,
      bytes: bytes - xattrs - (content?.kind === 'inline' ? content.bytes.length : 0),
      bytesRead: bytesRead - (child.kind === 'dir' ? 0 : contents.bytesRead(child.state)),
    }
  }
}

function lacking(name: Name): ShoalError {
  const why = 'what was to be cloned has just expired, or its snapshot was removed'
  return new ShoalError('ESTALE', `${nameText(name)}: ${why}`)
}
