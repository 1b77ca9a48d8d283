// The native half of the optional package fuse-native: libfuse 2.9 on threads of its own, each of
// which calls a handler on the main thread and waits for its answer. The package's JavaScript half
// is left out: it answers extended attributes beyond the room there is, drops times, gives up after
// 15 s, and cannot say that a mount has ended.
//
// Source: fuse-native.c of fuse-native 2.2.6.
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { ShoalError } from '../../../../protocol/errors.ts'

const PACKAGE = 'fuse-native'
const isLinux: boolean = process.platform === 'linux'
/** Advice for platforms on which this driver does not work. */
export const OTHERWISE: string = isLinux ? '; or mount with --driver kernel' : ''
/** A flag of dlopen(3), on Linux: keep the library though Node finds no module in it. */
const RTLD_NODELETE = 0x1000

/**
 * Operations of libfuse; each has a number (`op_getattr`) and a way to answer
 * (`fuse_native_signal_getattr`).
 */
export type OperationName =
  | 'init'
  | 'statfs'
  | 'getattr'
  | 'fgetattr'
  | 'flush'
  | 'fsync'
  | 'fsyncdir'
  | 'readdir'
  | 'truncate'
  | 'ftruncate'
  | 'utimens'
  | 'readlink'
  | 'chown'
  | 'chmod'
  | 'mknod'
  | 'setxattr'
  | 'getxattr'
  | 'listxattr'
  | 'removexattr'
  | 'open'
  | 'read'
  | 'write'
  | 'release'
  | 'create'
  | 'unlink'
  | 'rename'
  | 'link'
  | 'symlink'
  | 'mkdir'
  | 'rmdir'

/** `call` stands for the thread that waits, and goes into the answer. */
export type Handler = (call: Buffer, operation: number, ...args: never[]) => void

/**
 * A thread may go on: result or negative error number, and what else the operation gives. Once for
 * each call.
 */
export type Answer = (call: Buffer, result: number, ...outs: readonly unknown[]) => void

export type Binding = Readonly<
  Record<`op_${OperationName}`, number> & Record<`fuse_native_signal_${OperationName}`, Answer>
> & {
  readonly sizeof_fuse_thread_t: number
  /**
   * Mounts, and starts the thread that serves. `thread` and what is allocated are used until the
   * process ends.
   */
  fuse_native_mount(
    folder: string,
    options: string,
    thread: Buffer,
    owner: object,
    allocate: (bytes: number) => Buffer,
    handlers: readonly Handler[],
    implemented: Uint32Array,
  ): void
  /** The thread has ended: let the process end, too. */
  fuse_native_unmount(folder: string, thread: Buffer): void
}

/**
 * Handlers are called on the main thread only. throws ShoalError 'mount-failed' saying what is
 * needed.
 */
export function loadBinding(): Binding {
  if (!isMainThread) throw new ShoalError('mount-failed', `${PACKAGE} needs the main thread`)
  const folder = packageFolder()
  const load = createRequire(join(folder, 'package.json'))('node-gyp-build') as (
    folder: string,
  ) => Binding
  try {
    return load(folder)
  } catch {
    // It is tried again with the library of the package, and then throws.
    loadBundledLibrary(folder)
  }
  try {
    return load(folder)
  } catch (cause) {
    const library = isLinux ? 'libfuse 2' : 'macFUSE'
    throw new ShoalError(
      'mount-failed',
      `${PACKAGE} cannot be loaded on ${process.platform}-${process.arch}: ` +
        `install ${library} and a compiler, then run "npm rebuild ${PACKAGE}"${OTHERWISE}`,
      { cause },
    )
  }
}

function packageFolder(): string {
  try {
    return dirname(fileURLToPath(import.meta.resolve('fuse-native/package.json')))
  } catch (cause) {
    throw new ShoalError(
      'mount-failed',
      `the optional package ${PACKAGE} is not installed: ` +
        `run "npm ci" in the folder of Shoal without --omit=optional${OTHERWISE}`,
      { cause },
    )
  }
}

/**
 * A machine without libfuse.so.2 has the one of the package. It is no module, hence an error that
 * means nothing.
 */
function loadBundledLibrary(folder: string): void {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen
  const library = join(folder, 'prebuilds', `${process.platform}-${process.arch}`, 'libfuse.so')
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)
  } catch {
    // As said above; if it was not loaded, load() fails again.
  }
}
