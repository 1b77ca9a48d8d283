// The Linux driver: a file system mounted through the kernel's FUSE protocol on /dev/fuse, without libfuse.
//
// - The mount lives until unmount() or an outer umount(8); either way `ended` resolves after every handle is released.
// - Whatever ends this process, the mount goes too: exit() is preceded by a forced unmount (or the blocked reads of
//   /dev/fuse would keep the process from ending), and after SIGKILL the watchdog unmounts.
// - The thread that calls mountKernel() answers the kernel: it must not use the mount by synchronous calls.
import { spawnSync } from 'node:child_process'
import { closeSync, writeFileSync } from 'node:fs'
import { ShoalError } from '../../../../protocol/errors.ts'
import { Device } from './device.ts'
import { userMounter } from './fusermount.ts'
import { rootMounter } from './mount-process.ts'
import { mountAt } from './mount-table.ts'
import { failureOf } from './mounter.ts'
import { Notifier } from './notifier.ts'
import { preparePlace } from './place.ts'
import { Session } from './session.ts'
import { startWatchdog } from './watchdog.ts'
import type { FileSystem, Invalidator, MountOptions, MountedFileSystem } from '../../file-system.ts'
import type { Mounter } from './mounter.ts'
import type { Report } from './session.ts'

/** Changes are notified; this bounds the harm should a notification fail. */
const TIMEOUT_MS = 60_000

export interface KernelMountOptions extends MountOptions {
  /** Shown as the source of the mount, for instance by df(1). @default 'shoal' */
  readonly name?: string
  /** Mount also on a folder that has something in it, hiding it. @default false */
  readonly overNonEmpty?: boolean
  /** Told of failures that are bugs. @default a process warning */
  readonly report?: Report
  /** @default mount(8) for root, else fusermount3 */
  readonly mounter?: Mounter
}

/**
 * Mount `fileSystem` at `folder`, which is made if it is missing; a dead mount there is cleared first.
 *
 * throws ShoalError 'mount-failed' saying what is needed, 'ENOTEMPTY', 'ENOTDIR', 'unsupported' where not on Linux.
 */
export async function mountKernel(
  fileSystem: FileSystem,
  folder: string,
  options: KernelMountOptions = {},
): Promise<MountedFileSystem> {
  if (process.platform !== 'linux') {
    throw new ShoalError('unsupported', `the kernel driver is for Linux, not ${process.platform}`)
  }
  const isRoot = process.getuid?.() === 0
  const mounter = options.mounter ?? (isRoot ? rootMounter : userMounter)
  const report = options.report ?? warn
  const place = await preparePlace(folder, mounter, { overNonEmpty: options.overNonEmpty ?? false })
  const descriptor = await mounter.mount(place, {
    name: (options.name ?? 'shoal').replace(/[^\w.@:-]/g, '_'),
    readOnly: options.readOnly ?? false,
    allowOther: options.allowOther ?? isRoot,
  })
  return KernelMount.start({ fileSystem, mounter, report }, { ...options, folder: place, descriptor })
}

class KernelMount implements MountedFileSystem {
  readonly folder: string
  readonly invalidator: Invalidator
  readonly ended: Promise<void>
  readonly #mounter: Mounter
  readonly #device: Device
  /** 'major:minor' of the mount. */
  readonly #number: string | undefined

  static async start(
    components: { fileSystem: FileSystem; mounter: Mounter; report: Report },
    options: MountOptions & { folder: string; descriptor: number },
  ): Promise<KernelMount> {
    const { fileSystem, mounter, report } = components
    const { folder, attributeTimeoutMs, entryTimeoutMs } = options
    const letGo = startWatchdog(folder, mounter.unmountCommand(folder, true))
    const device = new Device(options.descriptor, report)
    const session = new Session(
      { fileSystem, send: device.send, report },
      {
        timeouts: {
          attributeMs: attributeTimeoutMs ?? TIMEOUT_MS,
          entryMs: entryTimeoutMs ?? TIMEOUT_MS,
        },
      },
    )
    const 
  }
}
