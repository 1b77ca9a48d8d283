// The Linux driver: a file system mounted through the kernel's FUSE protocol on /dev/fuse, without
// libfuse.
//
// - The mount lives until unmount() or an outer umount(8); either way `ended` resolves after every
//   handle is released.
// - exit(0) is preceded by a forced unmount, or the reader thread, blocked in /dev/fuse, would keep
//   the process from ending. After SIGKILL, and a failure that ends the process, the mount stays
//   and answers ENOTCONN: nobody is to take the folder below for an empty volume.
// - The thread that calls mountKernel() answers the kernel: it must not use the mount by
//   synchronous calls, and its process must start no other while it has a file of the mount open
//   (the fork closes it, and waits for the answer).
import { writeFile } from 'node:fs/promises'
import { ShoalError } from '../../../../protocol/errors.ts'
import { KIB, MINUTE_MS } from '../../../../protocol/units.ts'
import { Device } from './device.ts'
import { userMounter } from './fusermount.ts'
import { KernelInvalidator } from './invalidator.ts'
import { rootMounter } from './mount-process.ts'
import { Notifier } from './notifier.ts'
import { MountPoint } from '../mount-point.ts'
import { preparePlace } from '../place.ts'
import { IO_MAX, MINOR_WITH_EPOCH } from './protocol.ts'
import { Session } from './session.ts'
import type { FileSystem, Invalidator, MountOptions, MountedFileSystem } from '../../file-system.ts'
import type { Mounter } from '../mounter.ts'
import { ignoreFailure } from '../../../world/ignore-failure.ts'

/** Changes are notified; this bounds the harm should a notification fail. */
const TIMEOUT_MS: number = 10 * MINUTE_MS
/**
 * How far the kernel reads ahead of a sequential reader: enough to keep several requests under way.
 */
const READ_AHEAD_BYTES: number = 4 * IO_MAX
/** The source of the mount, as df(1) shows it. */
const NAME = 'shoal'

/**
 * Mount `fileSystem` at `folder`, which is made if it is missing; a dead mount of ours there is
 * cleared first. As root by mount(8), else by fusermount3.
 *
 * throws ShoalError 'mount-failed' saying what is needed, 'EBUSY' if a mount is there,
 * 'unsupported' where not on Linux.
 */
export async function mountKernel(
  fileSystem: FileSystem,
  folder: string,
  options: MountOptions,
): Promise<MountedFileSystem> {
  if (process.platform !== 'linux') {
    throw new ShoalError('unsupported', `the kernel driver is for Linux, not ${process.platform}`)
  }
  const mounter = process.getuid?.() === 0 ? rootMounter : userMounter
  const { nonEmpty = false } = options
  const place = await preparePlace(folder, { mounter, nonEmpty })
  const descriptor = await mounter.mount(place, {
    name: NAME,
    readOnly: options.readOnly ?? false,
    allowOther: options.allowOther ?? false,
  })
  return KernelMount.start({ fileSystem, mounter }, { ...options, folder: place, descriptor })
}

class KernelMount implements MountedFileSystem {
  readonly folder: string
  readonly invalidator: Invalidator
  readonly ended: Promise<void>
  readonly #point: MountPoint

  /** Takes over `descriptor`. */
  static async start(
    { fileSystem, mounter }: { fileSystem: FileSystem; mounter: Mounter },
    options: MountOptions & { folder: string; descriptor: number },
  ): Promise<KernelMount> {
    const { folder, descriptor } = options
    const timeouts = {
      attributeMs: options.attributeTimeoutMs ?? TIMEOUT_MS,
      entryMs: options.entryTimeoutMs ?? TIMEOUT_MS,
    }
    const device = new Device(descriptor, warn)
    const session = new Session({ fileSystem, send: device.send, report: warn }, { timeouts })
    const hasEpoch = (): boolean => session.minor >= MINOR_WITH_EPOCH
    const notifier = new Notifier({ descriptor, report: warn }, { hasEpoch })
    device.start((frame) => session.receive(frame))
    const point = new MountPoint(folder, mounter)
    const mount = new KernelMount({ device, session, notifier, point })
    try {
      await session.ready
      await mount.#readFarAhead()
    } catch (error) {
      await mount.unmount({ force: true })
      throw error
    }
    return mount
  }

  private constructor(parts: {
    device: Device
    session: Session
    notifier: Notifier
    point: MountPoint
  }) {
    this.folder = parts.point.folder
    this.#point = parts.point
    this.invalidator = new KernelInvalidator(parts)
    this.ended = this.#end(parts)
  }

  /** Without `force`, waits for the last user if somebody else detached the mount already. */
  async unmount({ force = false }: { force?: boolean } = {}): Promise<void> {
    await this.#point.unmount(force)
    await this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount().catch(() => this.unmount({ force: true }))
  }

  async #end(parts: { device: Device; session: Session; notifier: Notifier }): Promise<void> {
    await parts.device.ended
    await parts.session.end()
    await parts.notifier.close()
    await parts.device.close()
    await this.#point.close()
  }

  /** The kernel starts with 128 KiB, whatever INIT says. Best effort: it takes root and /sys. */
  async #readFarAhead(): Promise<void> {
    const file = `/sys/class/bdi/${this.#point.number}/read_ahead_kb`
    await ignoreFailure(
      writeFile(file, String(READ_AHEAD_BYTES / KIB)),
      'the kernel reads ahead less',
    )
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
