// Open files of a mount, one record per inode however many handles it has, so that all handles of
// this node see each other's writes at once. A record keeps what its handles have seen: what is
// written is an edit of that, and replaces nothing else (seen-versions.ts). What has come since
// from elsewhere stays, as the other side of a conflict.
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { contentOf } from '../volume/file-contents.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { FileLocks } from '../volume/file-locks.ts'
import type { Change } from '../volume/files.ts'
import type { ContentEditor, CopySource } from '../content/editor.ts'
import type { Attributes } from './file-system.ts'
import type { FileVersion } from '../tree/tree-reading.ts'
import type { Lease } from '../content/in-flight-references.ts'
import type { ContentReader } from '../content/read-pipeline.ts'
import type { InodeTable } from './inode-table.ts'
import type { RemoteChanges } from './remote-changes.ts'
import { SeenVersions } from './seen-versions.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

export type FileTarget = Extract<ViewTarget, { kind: 'inode' }>

export interface OpenFile {
  readonly target: FileTarget
  readonly key: string
  handles: number
  /** Present while there are writes that are not in a version yet. */
  editor: ContentEditor | undefined
  /** While there is an editor. */
  edit: Lease | undefined
  readonly seen: SeenVersions
  /** Its content stays readable though it is replaced. */
  kept: Lease | undefined
  reader: { readonly dots: string; readonly reader: ContentReader } | undefined
  /** Time of the last write, which the version will carry. */
  modifiedNs: bigint | undefined
  /** When its content was last changed through a handle; 0 for never. */
  changedNs: bigint
  /** Why what was written through these handles is gone: others are opened afresh. */
  refused: ShoalError | undefined
  /** Why these handles may not even read: their locks ran out. */
  lost: ShoalError | undefined
  /**
   * The version it began with, if it has no name and is known to this mount alone: then nothing of
   * it is logged.
   */
  unlinked: FileVersion | undefined
  /** The version that it was last synced as; none once a handle was closed after it. */
  synced: Dot | undefined
  /** Its last name was removed through this mount. */
  isRemoved: boolean
  /** Edits and commits run one after the other. */
  readonly queue: SerialQueue
  /** While it is open. */
  hold: Lease
}

/** The first version of a file without a name. */
const UNWRITTEN: FileVersion = {
  content: { kind: 'inline', bytes: new Uint8Array() },
  size: 0,
  base: [],
  author: undefined,
}

export class OpenFiles {
  readonly #contents: FileContents
  readonly #change: Change
  readonly #cache: Pick<RemoteChanges, 'logging'>
  readonly #locks: Pick<FileLocks, 'check'> | undefined
  readonly #inodes: Pick<InodeTable, 'numberOf'>
  readonly #byKey = new Map<string, OpenFile>()

  constructor(components: {
    readonly contents: FileContents
    readonly change: Change
    readonly cache: Pick<RemoteChanges, 'logging'>
    readonly inodes: Pick<InodeTable, 'numberOf'>
    readonly locks?: Pick<FileLocks, 'check'> | undefined
  }) {
    this.#contents = components.contents
    this.#change = components.change
    this.#cache = components.cache
    this.#inodes = components.inodes
    this.#locks = components.locks
  }

  /** The record of a target, if it is open. */
  get(target: ViewTarget): OpenFile | undefined {
    return this.#byKey.get(fileKey(target))
  }

  /** The attributes of a target for the kernel, with what its handles have made of it. */
  attributes(target: ViewTarget, logged: Attributes): Attributes {
    const file = this.get(target)
    if (file === undefined) return logged
    const shown = withEdits(logged, file)
    file.seen.toldSize = shown.sizeBytes
    return shown
  }

  open(target: FileTarget, { isUnlinked = false }: { isUnlinked?: boolean } = {}): OpenFile {
    let file = this.get(target)
    if (file === undefined) file = this.#begin(target, isUnlinked ? UNWRITTEN : undefined)
    else this.seeAll(file)
    file.handles++
    return file
  }

  /** A handle is gone. */
  close(file: OpenFile): void {
    file.handles--
    this.end(file)
  }

  /**
   * The last handle takes the record with it; of a file without a name, the last that the kernel
   * knows of it.
   */
  end(file: OpenFile): void {
    if (file.handles > 0) return
    if (isUnlinked(file) && this.#inodes.numberOf(file.target) !== undefined) return
    this.#forget(file)
  }

  #begin(target: FileTarget, unlinked: FileVersion | undefined): OpenFile {
    const key = fileKey(target)
    const version = unlinked ?? this.#contents.version(target)
    const file: OpenFile = {
      target,
      key,
      handles: 0,
      editor: undefined,
      edit: undefined,
      seen: new SeenVersions(version),
      kept: this.#hold(target, version),
      reader: undefined,
      modifiedNs: undefined,
      changedNs: 0n,
      refused: undefined,
      lost: undefined,
      unlinked,
      synced: undefined,
      isRemoved: false,
      queue: new SerialQueue(),
      hold: this.#contents.hold(target.id),
    }
    this.#byKey.set(key, file)
    return file
  }

  /**
   * Somebody looks: its handles look at what the file holds by now, unless they are writing. A
   * conflict copy is one version, and what they make of it.
   */
  see(file: OpenFile): void {
    if (file.editor !== undefined || file.unlinked !== undefined) return
    if (file.target.version !== undefined) return
    const version = this.#contents.version(file.target)
    if (file.seen.version.base.join() === version.base.join()) return
    file.seen.lookAt(version)
    this.#keepReadable(file)
  }

  /** The same of who goes on from all that it holds. */
  seeAll(file: OpenFile): void {
    this.see(file)
    if (file.editor === undefined) file.seen.all()
  }

  /** The content a reader without own writes sees now. */
  reader(file: OpenFile): ContentReader {
    if (file.lost !== undefined) throw file.lost
    this.see(file)
    const version = seenBy(file)
    const dots = version.base.join()
    if (file.reader?.dots !== dots) {
      endReading(file)
      file.reader = { dots, reader: this.#contents.reader(version) }
    }
    return file.reader.reader
  }

  /** The content of a file to copy from, with unlogged writes, until the lease ends. */
  async copySource(
    file: OpenFile,
    signal: AbortSignal,
  ): Promise<CopySource & { readonly lease: Lease }> {
    this.see(file)
    const edited = await file.editor?.commit({ signal })
    return this.#contents.copySource(file.target.id, seenBy(file), edited)
  }

  /**
   * throws why what was written through the file's handles was refused, as whoever goes on would
   * leave a hole.
   */
  checkAccepted({ refused }: OpenFile): void {
    if (refused !== undefined) throw refused
  }

  /** Refuses further use of a file whose writes are lost. */
  refuse(file: OpenFile, reason: unknown): void {
    file.refused = asShoalError(reason)
    endEdit(file)
    endReading(file)
    file.modifiedNs = undefined
    this.#forget(file)
  }

  /** Its handles do no more: others may have its locks by now. */
  lose(file: OpenFile, reason: ShoalError): void {
    file.lost = reason
    this.refuse(file, reason)
  }

  /** The editor of a file, begun on the version its handles have seen. throws as checkAccepted. */
  editor(file: OpenFile): ContentEditor {
    this.checkAccepted(file)
    if (file.editor !== undefined) return file.editor
    const version = seenBy(file)
    file.edit = this.#contents.edit(file.target.id, version)
    return (file.editor = this.#contents.editor(file.target.id, version))
  }

  /** Run after everything queued for the file before. */
  inOrder<Result>(file: OpenFile, run: () => Promise<Result>): Promise<Result> {
    return file.queue.run(run)
  }

  /** Log what was written as a new version. Nothing to do without writes. */
  async commit(file: OpenFile, signal: AbortSignal): Promise<void> {
    if (file.editor === undefined || file.unlinked !== undefined) return
    await this.#log(file, (put) => this.#cache.logging(file.target, put), signal)
    file.synced = file.seen.version.base[0]
  }

  /** The same of each file that is open. */
  commitAll(signal: AbortSignal): readonly Promise<void>[] {
    const files = [...this.#byKey.values()]
    return files.map((file) => this.inOrder(file, () => this.commit(file, signal)))
  }

  /** A handle of it has ended: what is written from now on is another version. */
  wasClosed(file: OpenFile): void {
    file.synced = undefined
  }

  /**
   * Its last name was removed here. What it holds stays for its handles, and for those that the
   * kernel opens because it had found it before: it is sent back only once to look again, which in
   * a file replaced over and over is too few.
   */
  async remove(target: FileTarget, kept: () => void): Promise<void> {
    const known = this.get(target)
    if (known === undefined && this.#inodes.numberOf(target) === undefined) return
    const file = known ?? this.#begin(target, undefined)
    file.isRemoved = true
    // After what is being logged of it.
    await this.inOrder(file, async () => {
      if (this.get(target) !== file || !file.isRemoved) return
      this.#keep(file)
      kept()
    })
  }

  /** The kernel is gone, which need not have told that it let go of each. */
  endAll(): void {
    for (const file of this.#byKey.values()) this.#forget(file)
  }

  /** It shows under some name again. */
  found(target: ViewTarget): void {
    const file = this.get(target)
    if (file === undefined || !file.isRemoved) return
    file.unlinked = undefined
    file.isRemoved = false
    this.end(file)
  }

  #keep(file: OpenFile): void {
    const version = this.#contents.version(file.target)
    const { hold } = file
    const content = this.#contents.hold(file.target.id, contentOf(version))
    file.hold = { end: () => [hold, content].forEach((lease) => lease.end()) }
    file.unlinked = version
  }

  /** Give a file a name: `make` it in one step with what was written. */
  async name(
    file: OpenFile,
    make: (put: () => FileVersion | undefined) => FileVersion | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#log(file, make, signal)
    file.unlinked = undefined
  }

  async #log(
    file: OpenFile,
    make: (put: () => FileVersion | undefined) => FileVersion | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const content = await file.editor?.commit({ signal })
    const put = (): FileVersion | undefined => {
      // As it is now: somebody may have set it meanwhile.
      const modifiedNs = file.modifiedNs ?? this.#contents.nowNs()
      const { base } = file.seen
      const goesOn = base.length === 1 && base[0] === file.synced
      return content && this.#contents.putVersion(file.target.id, content, base, modifiedNs, goesOn)
    }
    const written = await this.#change(() => {
      this.checkAccepted(file)
      this.#locks?.check(file.target.id)
      return make(put)
    })
    if (written !== undefined) {
      file.seen.wrote(written)
      this.#keepReadable(file)
    }
    endEdit(file)
    endReading(file)
    file.modifiedNs = undefined
  }

  #keepReadable(file: OpenFile): void {
    file.kept?.end()
    file.kept = this.#hold(file.target, file.seen.version)
  }

  #hold({ id }: FileTarget, version: FileVersion): Lease | undefined {
    const content = contentOf(version)
    return content.kind === 'inline' ? undefined : this.#contents.hold(id, content)
  }

  #forget(file: OpenFile): void {
    if (this.#byKey.get(file.key) === file) this.#byKey.delete(file.key)
    endEdit(file)
    endReading(file)
    file.hold.end()
    file.kept?.end()
  }
}

/**
 * Has no name, or has lost its last: only its handles, and what the kernel knows of it, keep it.
 */
export function isUnlinked({ unlinked, isRemoved }: OpenFile): boolean {
  return unlinked !== undefined || isRemoved
}

/** The attributes of a file as its handles have made it, which may be more than is logged. */
function withEdits(logged: Attributes, open: OpenFile): Attributes {
  const { editor, seen, target } = open
  const changedNs = open.changedNs > logged.changedNs ? open.changedNs : logged.changedNs
  if (editor === undefined) {
    // The version after a write is known to its handles alone.
    const isCopy = target.kind === 'inode' && target.version !== undefined
    return isCopy ? { ...logged, ...sizesOf(seen.version), changedNs } : { ...logged, changedNs }
  }
  const modifiedNs = open.modifiedNs ?? logged.modifiedNs
  const { size: sizeBytes, allocated: allocatedBytes } = editor
  return { ...logged, sizeBytes, allocatedBytes, modifiedNs, changedNs }
}

/** The version that its handles edit and read. */
function seenBy({ unlinked, seen }: OpenFile): FileVersion {
  return unlinked ?? seen.version
}

function sizesOf({ size, content }: FileVersion): Pick<Attributes, 'sizeBytes' | 'allocatedBytes'> {
  const allocated = content.kind === 'chunks' ? content.allocated : undefined
  return { sizeBytes: size, allocatedBytes: Math.min(allocated ?? size, size) }
}

function endEdit(file: OpenFile): void {
  file.editor?.end()
  file.editor = undefined
  file.edit?.end()
  file.edit = undefined
}

/** Nobody goes on reading where the last one ended. */
function endReading(file: OpenFile): void {
  file.reader?.reader.stop()
  file.reader = undefined
}

function fileKey(target: ViewTarget): string {
  return target.kind === 'dir' ? target.id : `${target.id}${target.version ?? ''}`
}
