// Mounting as root: mount(8) with the descriptor of /dev/fuse as its descriptor 3. No libfuse, no
// native code. Set-user-id bits and devices on a replicated volume are other people's, so the
// kernel ignores them (nosuid, nodev).
//
// Source: Documentation/filesystems/fuse/fuse.rst of Linux 6.18, mount options.
import { close, open } from 'node:fs'
import { promisify } from 'node:util'
import { ShoalError } from '../../../../protocol/errors.ts'
import { IO_MAX } from './protocol.ts'
import { MOUNT_TYPE } from '../../../world/mount-info.ts'
import { failureOf } from '../mounter.ts'
import type { Command, MountSettings, Mounter } from '../mounter.ts'

const DEVICE = '/dev/fuse'
/** A root folder, in octal. */
const ROOT_MODE = '40000'

export const rootMounter: Mounter = { mount, unmountCommand }

async function mount(folder: string, settings: MountSettings): Promise<number> {
  const descriptor = await openDevice()
  const options = [
    'fd=3',
    `rootmode=${ROOT_MODE}`,
    'user_id=0',
    'group_id=0',
    `max_read=${IO_MAX}`,
    'default_permissions',
    'nosuid',
    'nodev',
    ...(settings.allowOther ? ['allow_other'] : []),
    ...(settings.readOnly ? ['ro'] : []),
  ]
  const args = ['-i', '-t', MOUNT_TYPE, '-o', options.join(','), '--', settings.name, folder]
  const failure = await failureOf({ program: 'mount', args }, descriptor)
  if (failure === undefined) return descriptor
  await promisify(close)(descriptor)
  const isMissing = failure.startsWith('cannot run')
  const needed = isMissing ? '; it is in the package mount of Debian, util-linux elsewhere' : ''
  throw new ShoalError('mount-failed', `cannot mount at ${folder}: ${failure}${needed}`)
}

/**
 * -i: no /sbin/umount.fuse; -c: the path is canonical, so that a mount that answers nothing is not
 * asked; -f aborts the connection, so that nobody waits; -l detaches though it is busy.
 */
function unmountCommand(folder: string, force: boolean): Command {
  return { program: 'umount', args: ['-i', '-c', ...(force ? ['-f', '-l'] : []), '--', folder] }
}

async function openDevice(): Promise<number> {
  try {
    return await promisify(open)(DEVICE, 'r+')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    const isRefused = code === 'EACCES' || code === 'EPERM'
    const advice = isRefused
      ? 'this process may not use it'
      : "load the kernel module with 'modprobe fuse'"
    throw new ShoalError(
      'mount-failed',
      `cannot open ${DEVICE} (${code}): ${advice} (in a container: pass ` +
        `--device ${DEVICE} --cap-add SYS_ADMIN)`,
      { cause },
    )
  }
}
