// The thread of libfuse that serves a mount, and its descriptor of /dev/fuse, by way of the C
// library: fuse-native says neither when the thread has ended nor that children are not to inherit
// the descriptor.
import { readdirSync, readlinkSync } from 'node:fs'
import koffi from 'koffi'

/** The offset of the pthread_t in fuse_thread_t. */
const PTHREAD_OFFSET = 8
const F_SETFD = 2
const FD_CLOEXEC = 1

const library = koffi.load(null)
const fcntl = library.func('int fcntl(int, int, int)') as (...args: number[]) => number

/** Says whether the thread has ended. Once it has, it must not be asked again. */
export function endOf(thread: Buffer): () => boolean {
  const tryJoin = library.func('int pthread_tryjoin_np(uint64_t, void *)') as (
    thread: bigint,
    result: null,
  ) => number
  const id = thread.readBigUInt64LE(PTHREAD_OFFSET)
  return () => tryJoin(id, null) === 0
}

/**
 * Children do not inherit a connection to FUSE: it would outlive us, and the mount would hang and
 * not be dead.
 */
export function closeConnectionsOnExec(): void {
  const folder = '/proc/self/fd'
  for (const name of readdirSync(folder)) {
    if (targetOf(`${folder}/${name}`) === '/dev/fuse') fcntl(Number(name), F_SETFD, FD_CLOEXEC)
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined // the descriptor that listed the folder
  }
}
