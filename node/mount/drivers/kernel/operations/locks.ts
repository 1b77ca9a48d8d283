// Locks between processes, of fcntl(2) and flock(2), where the file system arbitrates and not the
// kernel.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { LOCK_END } from '../../../../../protocol/locks/held-locks.ts'
import { LOCK_EXCLUSIVE, LOCK_FLOCK, LOCK_NONE, LOCK_SHARED } from '../protocol.ts'
import { EMPTY, lockReply } from '../replies.ts'
import type { LockKind } from '../../../../../protocol/locks/held-locks.ts'
import type { LockRequest, Locks } from '../../../file-system.ts'
import type { Parts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

export async function getLock(served: Served, request: Request): Promise<Parts> {
  const { inode } = request
  return lockReply(await locksOf(served).test(inode, readLock(request)))
}

export async function setLock(
  served: Served,
  request: Request,
  { wait }: { readonly wait: boolean },
): Promise<Parts> {
  const { inode, signal } = request
  const isSet = await locksOf(served).set(inode, readLock(request), { wait, signal })
  if (!isSet) throw new ShoalError('EAGAIN', 'somebody else has the lock')
  return EMPTY
}

/** A 64-bit name of a process or an open file, which only has to be another one for each. */
export function lockOwner(request: Request): string {
  return BigInt.asUintN(64, request.i64()).toString(16)
}

/** fuse_lk_in. */
function readLock(request: Request): LockRequest {
  const handle = request.u64()
  const owner = lockOwner(request)
  const start = offset(request.i64())
  const last = offset(request.i64())
  const kind = kindOf(request.u32())
  const pid = request.u32()
  const family = request.u32() & LOCK_FLOCK ? 'flock' : 'fcntl'
  if (last < start) throw new ShoalError('EINVAL', 'a lock that ends before it begins')
  // The bytes behind all that a file may have count as one byte here.
  const range = { start: Math.min(start, LOCK_END - 1), end: Math.min(last + 1, LOCK_END) }
  return { handle, owner, pid, family, range, kind }
}

function offset(value: bigint): number {
  if (value < 0n) throw new ShoalError('EINVAL', 'a lock before the beginning of a file')
  return value > LOCK_END ? LOCK_END : Number(value)
}

function kindOf(type: number): LockKind | undefined {
  if (type === LOCK_SHARED) return 'shared'
  if (type === LOCK_EXCLUSIVE) return 'exclusive'
  if (type === LOCK_NONE) return undefined
  throw new ShoalError('EINVAL', `a lock of type ${type}`)
}

/** The kernel asks only if INIT said so. */
function locksOf({ fileSystem }: Served): Locks {
  if (fileSystem.locks === undefined) throw new ShoalError('unsupported', 'locks are the kernel’s')
  return fileSystem.locks
}
