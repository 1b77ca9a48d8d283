// Open handles of a mount, and what programs do through them: reading, writing, sizes, and making it all durable.
import { ShoalError } from '../../protocol/errors.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Namespace } from '../namespace/namespace.ts'
import type { KernelCache } from './kernel-cache.ts'
import type { FileTarget, OpenFile, OpenFiles } from './open-files.ts'

/** Of open(2), on Linux. */
export const O_TRUNC = 0o1000
const O_APPEND = 0o2000

interface Handle {
  readonly file: OpenFile
  readonly append: boolean
}

export interface FileHandlesComponents {
  readonly namespace: Pick<Namespace, 'nowNs' | 'volume'>
  readonly files: OpenFiles
  readonly cache: KernelCache
  /** Until the mount has ended. */
  readonly signal: AbortSignal
}

export class FileHandles {
  readonly #c: FileHandlesComponents
  readonly #handles = new Map<number, Handle>()
  #next = 1

  constructor(components: FileHandlesComponents) {
    this.#c = components
  }

  /** flags: as of open(2). returns a handle. */
  async open(target: ViewTarget, flags: number): Promise<number> {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const handle = this.#open(target, flags)
    if ((flags & O_TRUNC) !== 0) await this.truncate(target, 0, handle)
    return handle
  }

  async read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const { files } = this.#c
    const { file } = this.#handle(handle)
    if (file.editor === undefined) return files.reader(file).read(position, length, { signal })
    return files.inOrder(file, () =>
      (file.editor ?? files.reader(file)).read(position, length, { signal }),
    )
  }

  /** returns bytes written. */
  async write(handle: number, position: number, bytes: Uint8Array): Promise<number> {
    const { files, namespace, signal } = this.#c
    const { file, append } = this.#handle(handle)
    await files.inOrder(file, async () => {
      const editor = files.editor(file)
      await editor.write(append ? editor.size : position, bytes, { signal })
      file.modifiedNs = namespace.nowNs()
    })
    return bytes.byteLength
  }

  async flush(handle: number): Promise<void> {
    const { files, namespace } = this.#c
    const { file } = this.#handle(handle)
    files.checkAccepted(file)
    if (file.editor === undefined) return
    await this.#commitLast(file)
    await namespace.volume.commit()
  }

  async fsync(handle: number): Promise<void> {
    const { files, namespace, signal } = this.#c
    const { file } = this.#handle(handle)
    files.checkAccepted(file)
    if (file.editor !== undefined) await files.inOrder(file, () => files.commit(file, signal))
    await namespace.volume.commit()
  }

  async release(handle: number): Promise<void> {
    const { file } = this.#handle(handle)
    try {
      await this.#commitLast(file)
    } finally {
      this.#handles.delete(handle)
      this.#c.files.close(file)
    }
  }

  /** handle: undefined for truncate(2), which has no close that would log it. */
  async truncate(target: ViewTarget, sizeBytes: number, handle: number | undefined): Promise<void> {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    if (handle !== undefined) return this.#truncate(this.#handle(handle).file, sizeBytes)
    const borrowed = this.#open(target, 0)
    await this.#truncate(this.#handle(borrowed).file, sizeBytes)
    await this.release(borrowed)
  }

  async #truncate(file: OpenFile, sizeBytes: number): Promise<void> {
    const { files, namespace, signal } = this.#c
    await files.inOrder(file, async () => {
      await files.editor(file).truncate(sizeBytes, { signal })
      file.modifiedNs = namespace.nowNs()
    })
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

  #open(target: FileTarget, flags: number): number {
    const handle = this.#next++
    const append = (flags & O_APPEND) !== 0
    this.#handles.set(handle, { file: this.#c.files.open(target), append })
    return handle
  }

  #handle(handle: number): Handle {
    const known = this.#handles.get(handle)
    if (known === undefined) throw new ShoalError('ESTALE', `file handle ${handle} is not open`)
    return known
  }
}
