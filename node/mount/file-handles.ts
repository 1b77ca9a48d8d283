// Open handles of a mount, and what programs do through them: reading, writing, sizes, and making
// it all durable.
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { KIB } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { contentSize } from '../content/content.ts'
import type { ContentEditor } from '../content/editor.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { ContentReader } from '../content/read-pipeline.ts'
import type { Store } from '../store/store.ts'
import type { HandlePosition } from './file-system.ts'
import type { RemoteChanges } from './remote-changes.ts'
import { isUnlinked } from './open-files.ts'
import type { FileTarget, OpenFile, OpenFiles } from './open-files.ts'

/** A flag of open(2), on Linux. */
const O_TRUNC = 0o1000

/** A flag of fallocate(2). */
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16

/**
 * Up to here, reading what was written and not closed costs less than storing it to reference it.
 */
const COPY_READ_MAX: number = 128 * KIB

export interface FileHandlesComponents {
  readonly namespace: Pick<Namespace, 'attributes' | 'nowNs' | 'volume'>
  readonly files: OpenFiles
  readonly cache: RemoteChanges
  /** The store whose room limits writes. */
  readonly store: Pick<Store, 'space'>
  /** Closing waits for the disk. */
  readonly isSynced: boolean
  /** Until the mount has ended. */
  readonly signal: AbortSignal
}

export class FileHandles {
  readonly #c: FileHandlesComponents
  readonly #handles = new Map<number, OpenFile>()
  #next = 1

  constructor(components: FileHandlesComponents) {
    this.#c = components
  }

  /** flags: as of open(2). returns a handle. */
  async open(target: ViewTarget, flags: number): Promise<number> {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const handle = this.#openNamed(target)
    try {
      if ((flags & O_TRUNC) !== 0) await this.truncate(target, 0, handle)
    } catch (error) {
      await this.release(handle)
      throw error
    }
    return handle
  }

  /** The same of what was just made. */
  openNew(target: FileTarget, options?: { isUnlinked: boolean }): number {
    return this.#open(target, options)
  }

  async read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const { files } = this.#c
    const file = this.#file(handle)
    const read = async (): Promise<readonly Uint8Array[]> => {
      const content = file.editor ?? files.reader(file)
      const { version } = file.seen
      const parts = await content.read(position, length, { signal })
      // Another may have come meanwhile, of which this is nothing.
      if (file.seen.version === version) file.seen.read(position, length)
      return parts
    }
    return file.editor === undefined ? read() : files.inOrder(file, read)
  }

  /** returns bytes written. */
  async write(handle: number, position: number | 'end', bytes: Uint8Array): Promise<number> {
    const { signal } = this.#c
    const file = this.#file(handle)
    // Appended data goes behind all that has come, and a writer that goes by a reported size does
    // so too.
    if (position === 'end' || position > file.seen.version.size) this.#c.files.see(file)
    await this.#edit(file, (editor) => {
      const start = position === 'end' ? editor.size : position
      file.seen.overwrite(start, start + bytes.byteLength)
      return editor.write(start, bytes, { signal })
    })
    return bytes.byteLength
  }

  /**
   * As fallocate(2). What is allocated stays a hole, and so takes no space that others could not
   * take first.
   */
  async allocate(handle: number, mode: number, position: number, length: number): Promise<void> {
    const { signal } = this.#c
    const keepsSize = (mode & KEEP_SIZE) !== 0
    const what = mode & ~KEEP_SIZE
    const isKnown = what === 0 || what === ZERO_RANGE || (what === PUNCH_HOLE && keepsSize)
    if (!isKnown) throw new ShoalError('unsupported', `fallocate with mode ${mode}`)
    const end = position + length
    const file = this.#file(handle)
    await this.#edit(file, async (editor) => {
      if (what !== 0) file.seen.overwrite(position, end)
      if (what === 0) await this.#checkRoom(editor, position, end)
      if (!keepsSize && end > editor.size) await editor.truncate(end, { signal })
      if (what !== 0) await editor.punch(position, end, { signal })
    })
  }

  /**
   * The position from which data, or a hole, begins or continues, as lseek(2) with SEEK_DATA or
   * SEEK_HOLE. throws 'ENXIO'.
   */
  async seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number> {
    const { files, signal } = this.#c
    const file = this.#file(handle)
    return files.inOrder(file, () =>
      seekIn(file.editor ?? files.reader(file), position, what, signal),
    )
  }

  /**
   * Take bytes of one open file over into another, or elsewhere in the same. returns how many:
   * fewer only at its end.
   */
  async copyRange(from: HandlePosition, to: HandlePosition, lengthMax: number): Promise<number> {
    const { files, signal } = this.#c
    const file = this.#file(from.handle)
    const target = this.#file(to.handle)
    if (file.editor !== undefined && lengthMax <= COPY_READ_MAX) {
      const parts = await this.read(from.handle, from.position, lengthMax, signal)
      return this.write(to.handle, to.position, concatBytes(parts))
    }
    const source = await files.inOrder(file, () => files.copySource(file, signal))
    try {
      const length = Math.min(lengthMax, contentSize(source.content) - from.position)
      if (length <= 0) return 0
      if (file === target && Math.abs(from.position - to.position) < length)
        throw new ShoalError('EINVAL', 'source and destination ranges overlap')
      file.seen.read(from.position, length)
      await this.#edit(target, (editor) => {
        target.seen.overwrite(to.position, to.position + length)
        return editor.copyFrom(source, from.position, to.position, length, { signal })
      })
      return length
    } finally {
      source.lease.end()
    }
  }

  async flush(handle: number): Promise<void> {
    const { files, namespace, isSynced } = this.#c
    const file = this.#file(handle)
    files.checkAccepted(file)
    // Another descriptor of this handle may write on, as in a shell that redirects.
    await this.#commitLast(file)
    // Also where nothing was written: the file may be new, or another handle's changes on their
    // way.
    await namespace.volume.keep({ sync: isSynced })
  }

  async fsync(handle: number): Promise<void> {
    const { files, namespace, signal } = this.#c
    const file = this.#file(handle)
    files.checkAccepted(file)
    if (file.editor !== undefined) await files.inOrder(file, () => files.commit(file, signal))
    await namespace.volume.keep({ sync: true })
  }

  async release(handle: number): Promise<void> {
    const file = this.#file(handle)
    try {
      await this.#commitLast(file)
    } finally {
      this.#handles.delete(handle)
      this.#c.files.wasClosed(file)
      this.#c.files.close(file)
    }
  }

  /** handle: undefined for truncate(2), which has no close that would log it. */
  async truncate(target: ViewTarget, sizeBytes: number, handle: number | undefined): Promise<void> {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    if (handle !== undefined) return this.#truncate(this.#file(handle), sizeBytes)
    const borrowed = this.#openNamed(target)
    try {
      await this.#truncate(this.#file(borrowed), sizeBytes)
    } finally {
      await this.release(borrowed)
    }
  }

  #truncate(file: OpenFile, sizeBytes: number): Promise<void> {
    const { signal } = this.#c
    return this.#edit(file, (editor) => {
      file.seen.overwrite(sizeBytes, Number.POSITIVE_INFINITY)
      return editor.truncate(sizeBytes, { signal })
    })
  }

  #edit(file: OpenFile, change: (editor: ContentEditor) => Promise<void>): Promise<void> {
    const { files, namespace } = this.#c
    return files.inOrder(file, async () => {
      await change(files.editor(file))
      file.modifiedNs = file.changedNs = namespace.nowNs()
    })
  }

  async #checkRoom(editor: ContentEditor, start: number, end: number): Promise<void> {
    const { store, signal } = this.#c
    const missing = await editor.missingIn(start, end, { signal })
    const { freeBytes } = await store.space()
    if (missing > freeBytes)
      throw new ShoalError(
        'ENOSPC',
        `${formatBytes(missing)} needed, ${formatBytes(freeBytes)} free`,
      )
  }

  /** Commit for who will not try again: what is refused now is gone. */
  async #commitLast(file: OpenFile): Promise<void> {
    if (file.editor === undefined) return
    const { files, cache, signal } = this.#c
    try {
      await files.inOrder(file, () =>
        files.commit(file, signal).catch((error: unknown) => {
          files.refuse(file, error)
          throw error
        }),
      )
    } catch (error) {
      await cache.forget(file.target)
      throw error
    }
  }

  /**
   * Opens a file that the kernel found by a name, which may be gone, or another file's, by now:
   * then it is to look again.
   */
  #openNamed(target: FileTarget): number {
    const { files, namespace } = this.#c
    const file = files.get(target)
    const isKnown = file !== undefined && isUnlinked(file)
    if (!isKnown && namespace.attributes(target).linkCount === 0)
      throw new ShoalError('ESTALE', 'the file is gone')
    return this.#open(target)
  }

  #open(target: FileTarget, options?: { isUnlinked: boolean }): number {
    const handle = this.#next++
    this.#handles.set(handle, this.#c.files.open(target, options))
    return handle
  }

  #file(handle: number): OpenFile {
    const known = this.#handles.get(handle)
    if (known === undefined) throw new ShoalError('ESTALE', `file handle ${handle} is not open`)
    return known
  }
}

/** As FileHandles.seek(), in one content. */
export async function seekIn(
  content: Pick<ContentReader, 'size' | 'seek'>,
  position: number,
  what: 'data' | 'hole',
  signal: AbortSignal,
): Promise<number> {
  const isInside = position < content.size
  const found = isInside ? await content.seek(what, position, { signal }) : undefined
  if (found !== undefined) return found
  // Behind the last byte every file has a hole.
  if (isInside && what === 'hole') return content.size
  throw new ShoalError('ENXIO', `no ${what} from ${position} on`)
}
