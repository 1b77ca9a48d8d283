// The interface that a mount driver serves: an inode-based asynchronous file system. Drivers know
// nothing of Shoal beyond this file.
import type { LockFamily } from '../../protocol/locks/claim.ts'
import type { LockKind, LockRange } from '../../protocol/locks/held-locks.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import type { SpecialFile } from '../../protocol/op/op.ts'
import type { LockInTheWay } from '../volume/file-locks.ts'

export type { LockInTheWay }

/** Names are byte strings: one char per byte (protocol/bytes.ts). Inode 1 is the root. */
export interface FileSystem {
  /** A child by name, or undefined. */
  lookup(parent: number, name: string): Promise<Attributes | undefined>
  /**
   * May the kernel keep what this name means, or that it means nothing, until it is told? Always
   * without.
   */
  readonly keepsName?: (name: string) => boolean
  getAttributes(inode: number): Promise<Attributes>
  setAttributes(
    inode: number,
    change: AttributeChange,
    handle: number | undefined,
  ): Promise<Attributes>
  readLink(inode: number): Promise<string>
  makeSymlink(parent: number, name: string, target: string, caller: Caller): Promise<Attributes>
  makeFolder(parent: number, name: string, mode: number, maker: Maker): Promise<Attributes>
  makeSpecial(
    parent: number,
    name: string,
    mode: number,
    special: SpecialFile,
    maker: Maker,
  ): Promise<Attributes>
  removeFolder(parent: number, name: string): Promise<void>
  unlink(parent: number, name: string): Promise<void>
  /** flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. */
  rename(
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    flags: number,
  ): Promise<void>
  link(inode: number, toParent: number, toName: string): Promise<Attributes>
  /** Open a file; flags as of open(2). returns a handle. */
  open(inode: number, flags: number): Promise<number>
  create(
    parent: number,
    name: string,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }>
  /**
   * As open(2) with O_TMPFILE: a file without a name, for a folder in which link() may give it one.
   */
  createUnlinked(
    parent: number,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }>
  /** Parts to send back to back; together shorter than `length` only at the end of the file. */
  read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]>
  /** `bytes` is only valid until the promise settles. returns bytes written. */
  write(handle: number, position: number | 'end', bytes: Uint8Array): Promise<number>
  /**
   * As fallocate(2); mode: KEEP_SIZE 1, PUNCH_HOLE 2, ZERO_RANGE 16. throws 'unsupported' for
   * others, 'ENOSPC', 'EFBIG'.
   */
  allocate(handle: number, mode: number, position: number, length: number): Promise<void>
  /**
   * The first byte from `position` on that is data, or in a hole, as lseek(2) finds it. throws
   * 'ENXIO'.
   */
  seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number>
  /**
   * As copy_file_range(2). returns bytes copied. throws 'unsupported': the kernel then reads and
   * writes them.
   */
  copyRange(from: HandlePosition, to: HandlePosition, length: number): Promise<number>
  /** Called at each close(2); errors reach the closer. */
  flush(handle: number): Promise<void>
  fsync(handle: number): Promise<void>
  release(handle: number): Promise<void>
  openFolder(inode: number): Promise<number>
  /**
   * Entries after `cookie` (0 = start), in a stable order; '.' and '..' are the driver's. Cookies
   * are > 0.
   */
  readFolder(handle: number, cookie: number, countMax: number): Promise<readonly FolderEntry[]>
  releaseFolder(handle: number): Promise<void>
  /** fsync(2) of a folder: names made, moved and removed so far survive power loss. */
  syncFolder(handle: number): Promise<void>
  statFileSystem(): Promise<FileSystemSpace>
  /** An extended attribute, or undefined. throws 'unsupported' for a namespace that is not kept. */
  getXattr(inode: number, name: string): Promise<Uint8Array | undefined>
  /** As setxattr(2). throws 'unsupported', 'EEXIST', 'ENODATA', 'ENOSPC', 'E2BIG'. */
  setXattr(inode: number, name: string, value: Uint8Array, options: SetXattr): Promise<void>
  /** Names of the extended attributes that are set. */
  listXattrs(inode: number): Promise<readonly string[]>
  /** throws 'ENODATA', 'unsupported'. */
  removeXattr(inode: number, name: string): Promise<void>
  /**
   * Locks, if they are arbitrated here; else the kernel does it, between the processes of this
   * machine.
   */
  readonly locks?: Locks | undefined
  /**
   * The kernel now holds an inode that it was given in a folder's entries, as after a lookup. Never
   * fails.
   */
  retain(inode: number): void
  /** The kernel dropped its reference to an inode (FORGET): `count` lookups less. Never fails. */
  forget(inode: number, count: number): void
}

/** Locks of fcntl(2) and flock(2). */
export interface Locks {
  /** The lock that is in the way of another. throws 'ENOLCK'. */
  test(inode: number, request: LockRequest): Promise<LockInTheWay | undefined>
  /**
   * Lock or unlock. returns false if it is not to wait, and somebody else has the lock.
   * throws 'ENOLCK', and the reason of `signal`, after which nothing has changed.
   */
  set(
    inode: number,
    request: LockRequest,
    how: { readonly wait: boolean; readonly signal: AbortSignal },
  ): Promise<boolean>
  /** A process has closed the file, and so has no locks of fcntl(2) there any more. */
  closed(inode: number, owner: string): Promise<void>
}

export interface LockRequest {
  readonly handle: number
  /** Another text for each process, or open file description. */
  readonly owner: string
  readonly pid: number
  readonly family: LockFamily
  readonly range: LockRange
  /** Undefined: unlock. */
  readonly kind: LockKind | undefined
}

/** A byte of an open file. */
export interface HandlePosition {
  readonly handle: number
  readonly position: number
}

export interface Attributes extends NodeAttributes {
  readonly inode: number
}

export interface AttributeChange {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly sizeBytes?: number
  readonly accessedNs?: bigint
  readonly modifiedNs?: bigint
}

export interface FolderEntry {
  readonly name: string
  readonly cookie: number
  readonly attributes: Attributes
}

export interface FileSystemSpace {
  readonly blockBytes: number
  readonly blocks: number
  readonly blocksFree: number
}

/** The process that asks. */
export interface Caller {
  readonly uid: number
  readonly gid: number
}

/** The process that makes something, and the permission bits that are masked. */
export interface Maker extends Caller {
  readonly umask: number
}

export interface SetXattr {
  /** XATTR_CREATE 1, XATTR_REPLACE 2. */
  readonly flags: number
  /** False: an access ACL takes the set-gid bit away, for whoever sets it is not of the group. */
  readonly keepsSetGid: boolean
}

/**
 * The invalidation that a driver offers to the file system: make the kernel forget what a remote
 * change made stale.
 */
export interface Invalidator {
  /** Attributes and cached content of an inode. */
  inode(inode: number): void
  /** A name in a folder, present or cached as absent. */
  entry(parent: number, name: string): void
  /**
   * Resolves when the kernel has been told what came so far; of content that is being read, when
   * that is over.
   */
  settled(): Promise<void>
}

/** A file system at a folder. */
export interface MountedFileSystem extends AsyncDisposable {
  readonly folder: string
  readonly invalidator: Invalidator
  /** Resolves when the mount is gone, by unmount() or by an outer umount(8). */
  readonly ended: Promise<void>
  /**
   * Unmount; pending requests are answered first. `force` detaches a busy mount. throws ShoalError
   * 'EBUSY'.
   */
  unmount(options?: { force?: boolean }): Promise<void>
}

export interface MountOptions {
  readonly readOnly?: boolean
  /** Mount over what is in the folder. */
  readonly nonEmpty?: boolean
  /** May other users of the machine look in? Default: no, also where root mounts. */
  readonly allowOther?: boolean
  /**
   * How long the kernel may trust attributes and names, in ms; remote changes invalidate earlier.
   */
  readonly attributeTimeoutMs?: number
  readonly entryTimeoutMs?: number
}
