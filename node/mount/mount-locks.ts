// Locks of a mount's processes, where they are those of all nodes: what the kernel asks for by
// inode, owner and handle is asked of the volume's locks, and what these say is done to open files
// and to what the kernel caches.
import { asShoalError, ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LockFamily } from '../../protocol/locks/claim.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { FileLocks, LockChange, LockInTheWay, LockUser } from '../volume/file-locks.ts'
import type { LockRequest, Locks } from './file-system.ts'
import type { InodeTable } from './inode-table.ts'
import type { RemoteChanges } from './remote-changes.ts'
import type { FileTarget, OpenFiles } from './open-files.ts'

const FAMILIES: readonly LockFamily[] = ['fcntl', 'flock']

export interface MountLocksComponents {
  readonly locks: FileLocks
  readonly inodes: InodeTable
  readonly files: OpenFiles
  readonly cache: RemoteChanges
  /** Until the mount has ended. */
  readonly signal: AbortSignal
}

export class MountLocks implements Locks, LockUser {
  readonly #c: MountLocksComponents
  /**
   * Owners of locks by the handle through which they locked: an open file description, which goes
   * with it, is not told apart otherwise.
   */
  readonly #byHandle = new Map<number, { readonly file: NodeId; readonly owners: Set<string> }>()

  constructor(components: MountLocksComponents) {
    this.#c = components
    components.locks.join(this)
  }

  async test(inode: number, request: LockRequest): Promise<LockInTheWay | undefined> {
    const { kind } = request
    return kind && this.#c.locks.test(this.#change(this.#file(inode), request), kind)
  }

  async set(
    inode: number,
    request: LockRequest,
    how: { readonly wait: boolean; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const { locks } = this.#c
    const file = this.#file(inode)
    const change = this.#change(file, request)
    if (request.kind === undefined) {
      await locks.unlock(change)
      return true
    }
    const known = this.#byHandle.get(request.handle) ?? { file, owners: new Set() }
    this.#byHandle.set(request.handle, known)
    known.owners.add(request.owner)
    return locks.lock(change, request.kind, how)
  }

  async closed(inode: number, owner: string): Promise<void> {
    await this.#c.locks.unlockAll(this.#owner(owner, 0), this.#file(inode), 'fcntl')
  }

  /** A handle is gone, and what was locked through it. */
  async released(handle: number): Promise<void> {
    const known = this.#byHandle.get(handle)
    this.#byHandle.delete(handle)
    for (const owner of known?.owners ?? []) {
      for (const family of FAMILIES)
        await this.#c.locks.unlockAll(this.#owner(owner, 0), known?.file ?? ROOT, family)
    }
  }

  /** The mount has ended. */
  async end(): Promise<void> {
    await this.#c.locks.leave(this)
  }

  async flush(id: NodeId): Promise<void> {
    const { files, signal } = this.#c
    const file = files.get(targetOf(id))
    if (file?.editor !== undefined) await files.inOrder(file, () => files.commit(file, signal))
  }

  async refresh(id: NodeId): Promise<void> {
    const { files } = this.#c
    const file = files.get(targetOf(id))
    if (file !== undefined) files.seeAll(file)
    await this.#c.cache.forget(targetOf(id))
  }

  lose(id: NodeId): void {
    const { files, cache } = this.#c
    const file = files.get(targetOf(id))
    if (file === undefined) return
    files.lose(file, new ShoalError('EIO', 'this node could not renew its locks of the file'))
    cache.forget(file.target).catch((error: unknown) => {
      throw asShoalError(error)
    })
  }

  #file(inode: number): NodeId {
    const target = this.#c.inodes.target(inode)
    if (target.kind === 'dir') throw new ShoalError('EINVAL', 'a folder cannot be locked')
    return target.id
  }

  #change(file: NodeId, { owner, pid, family, range }: LockRequest): LockChange {
    return { owner: this.#owner(owner, pid), file, family, range }
  }

  #owner(id: string, pid: number): LockChange['owner'] {
    return { user: this, id, pid }
  }
}

function targetOf(id: NodeId): FileTarget {
  return { kind: 'inode', id, link: ROOT, version: undefined }
}
