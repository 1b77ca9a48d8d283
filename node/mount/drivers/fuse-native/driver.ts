// The driver by way of libfuse 2, for where the kernel's own protocol is not to be had (macOS), or
// by choice. What it cannot do is listed in docs/mount.md.
//
// - Names and attributes may be CACHE_MS out of date: nothing can be taken back from the kernel.
// - The mount lives until unmount() or an outer umount(8); either way `ended` resolves when the
//   thread of libfuse has ended and every handle is released.
// - The main thread answers: it must not use the mount by synchronous calls.
import { ShoalError } from '../../../../protocol/errors.ts'
import { SystemClock } from '../../../world/clock.ts'
import { errnoOf, isExpected } from '../errno.ts'
import { rootMounter } from '../kernel/mount-process.ts'
import { preparePlace } from '../place.ts'
import { MountPoint } from '../mount-point.ts'
import { OTHERWISE, loadBinding } from './binding.ts'
import { Handles } from './handles.ts'
import { attributeOperations } from './operations/attributes.ts'
import { contentOperations } from './operations/content.ts'
import { extendedAttributeOperations } from './operations/extended-attributes.ts'
import { nameOperations } from './operations/names.ts'
import { Paths } from './paths.ts'
import { closeConnectionsOnExec, endOf } from './thread.ts'
import type { FileSystem, Invalidator, MountOptions, MountedFileSystem } from '../../file-system.ts'
import type { Command, Unmounter } from '../mounter.ts'
import type { Binding, Handler, OperationName } from './binding.ts'
import type { Operation, Served } from './operations/served.ts'
import { ignoreFailure } from '../../../world/ignore-failure.ts'

/** A change from elsewhere shows after this long. */
const CACHE_MS = 500
/** How often to look whether the thread has ended: left alone, and while it is waited for. */
const LOOK_MS = 500
const LOOK_LEAVING_MS = 5
/** Numbers of operations are below. */
const OPERATIONS_MAX = 35

const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'

/**
 * Mount `fileSystem` at `folder`, which is made if it is missing; a dead mount of ours there is
 * cleared first.
 *
 * throws ShoalError 'mount-failed' saying what is needed, 'EBUSY' if a mount is there,
 * 'unsupported' for a file system that arbitrates locks.
 */
export async function mountFuseNative(
  fileSystem: FileSystem,
  folder: string,
  options: MountOptions,
): Promise<MountedFileSystem> {
  if (fileSystem.locks !== undefined)
    throw new ShoalError(
      'unsupported',
      `fuse-native carries no locks to other machines${OTHERWISE}`,
    )
  const binding = loadBinding()
  const { nonEmpty = false } = options
  const place = await preparePlace(folder, { mounter, nonEmpty })
  const mount = new FuseNativeMount({ binding, fileSystem }, { ...options, folder: place })
  await mount.ready
  return mount
}

class FuseNativeMount implements MountedFileSystem {
  readonly folder: string
  readonly ended: Promise<void>
  readonly #binding: Binding
  readonly #served: Served
  readonly #point: MountPoint
  /** Used by C code for as long as this process lives. */
  readonly #thread: Buffer
  /** By number. Emptied at the end, as fuse-native holds on to the handlers. */
  readonly #operations = new Map<number, [Operation, OperationName]>()
  readonly #ready = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  readonly #leaving = new AbortController()

  constructor(
    components: { readonly binding: Binding; readonly fileSystem: FileSystem },
    options: MountOptions & { readonly folder: string },
  ) {
    const { binding, fileSystem } = components
    this.folder = options.folder
    this.#binding = binding
    this.#served = {
      fileSystem,
      paths: new Paths(fileSystem),
      handles: new Handles(fileSystem),
      maker: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, umask: 0 },
      signal: this.#stop.signal,
    }
    this.#thread = Buffer.alloc(binding.sizeof_fuse_thread_t)
    this.#mount(libfuseOptions(options))
    this.#point = new MountPoint(this.folder, mounter)
    this.ended = this.#end()
  }

  /** Resolves when the kernel and libfuse agree. Rejects with ShoalError 'mount-failed'. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** There is nothing that the kernel could be told. */
  get invalidator(): Invalidator {
    return { inode: () => {}, entry: () => {}, settled: () => Promise.resolve() }
  }

  /** Without `force`, waits for the last user if somebody else detached the mount already. */
  async unmount({ force = false }: { force?: boolean } = {}): Promise<void> {
    if (force) this.#stop.abort(new ShoalError('aborted', 'the mount is being unmounted'))
    await this.#point.unmount(force)
    this.#leaving.abort()
    await this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount().catch(() => this.unmount({ force: true }))
  }

  #mount(options: string): void {
    const handlers: Handler[] = Array.from({ length: OPERATIONS_MAX }, () => this.#answer)
    const implemented = new Uint32Array(OPERATIONS_MAX)
    for (const [name, operation] of this.#table()) {
      const number = this.#binding[`op_${name}`]
      this.#operations.set(number, [operation, name])
      implemented[number] = 1
    }
    try {
      this.#binding.fuse_native_mount(
        this.folder,
        `-o${options}`,
        this.#thread,
        {},
        (bytes) => Buffer.alloc(bytes),
        handlers,
        implemented,
      )
    } catch (cause) {
      const needed = isRoot || !isLinux ? '' : ': without root it takes fusermount and /dev/fuse'
      const message = `libfuse cannot mount at ${this.folder}${needed}`
      throw new ShoalError('mount-failed', message, { cause })
    }
    if (isLinux) closeConnectionsOnExec()
  }

  #table(): [OperationName, Operation][] {
    const init: Operation = {
      run: async () => {
        this.#ready.resolve()
        return [0]
      },
      failed: () => [],
    }
    const operations = {
      init,
      ...attributeOperations(this.#served),
      ...nameOperations(this.#served),
      ...contentOperations(this.#served),
      ...extendedAttributeOperations(this.#served),
    }
    return Object.entries(operations) as [OperationName, Operation][]
  }

  /** Every call is answered once, whatever the file system throws: a thread waits. */
  readonly #answer: Handler = (call, number, ...args) => {
    const known = this.#operations.get(number)
    if (known === undefined) return
    const [{ run, failed }, name] = known
    const answer = this.#binding[`fuse_native_signal_${name}`]
    const fail = (error: unknown): void => {
      if (!isExpected(error)) warn(error)
      answer(call, -errnoOf(error), ...failed(...args))
    }
    Promise.try(run, call, ...args).then((reply) => answer(call, ...reply), fail)
  }

  async #end(): Promise<void> {
    const hasEnded = isLinux ? endOf(this.#thread) : () => !this.#point.isThere()
    while (!hasEnded()) await this.#pause()
    this.#ready.reject(new ShoalError('mount-failed', 'the mount ended before it was ready'))
    this.#binding.fuse_native_unmount(this.folder, this.#thread)
    this.#operations.clear()
    this.#stop.abort()
    for (const error of await this.#served.handles.releaseAll()) warn(error)
    this.#served.paths.close()
    await this.#point.close()
  }

  #pause(): Promise<void> {
    const { signal } = this.#leaving
    if (signal.aborted) return clock.sleep(LOOK_LEAVING_MS)
    return ignoreFailure(clock.sleep(LOOK_MS, { signal }), 'it ends early when the mount does')
  }
}

const clock = new SystemClock()
const mounter: Unmounter = { unmountCommand }

function unmountCommand(folder: string, force: boolean): Command {
  if (!isLinux) return { program: 'umount', args: [...(force ? ['-f'] : []), folder] }
  if (isRoot) return rootMounter.unmountCommand(folder, force)
  return { program: 'fusermount', args: ['-u', ...(force ? ['-z'] : []), '--', folder] }
}

/**
 * Those of libfuse 2.9 (mount.fuse(8)). The place is empty, or may be full: `nonempty` saves
 * libfuse a look.
 */
function libfuseOptions({ readOnly, allowOther = false, ...cache }: MountOptions): string {
  const seconds = (timeoutMs = CACHE_MS): number => Math.min(timeoutMs, CACHE_MS) / 1000
  return [
    'fsname=shoal',
    'default_permissions',
    'use_ino',
    `attr_timeout=${seconds(cache.attributeTimeoutMs)}`,
    `entry_timeout=${seconds(cache.entryTimeoutMs)}`,
    ...(isLinux ? ['subtype=shoal', 'big_writes', 'nonempty'] : []),
    ...(allowOther ? ['allow_other'] : []),
    ...(readOnly === true ? ['ro'] : []),
  ].join(',')
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
