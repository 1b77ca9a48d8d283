// Makes a folder ready to be mounted on: there, empty unless asked otherwise, and nothing of ours
// left dead on it.
import { opendir, realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ShoalError } from '../../../protocol/errors.ts'
import { makeFolders } from '../../world/make-folder.ts'
import { mountAt } from './mount-table.ts'
import { MOUNT_TYPE } from '../../world/mount-info.ts'
import { failureOf } from './mounter.ts'
import { unmountDeadCommand } from './watchdog.ts'
import type { Unmounter } from './mounter.ts'

/** Dead mounts can lie on one another; more than this is a loop. */
const DEAD_MAX = 16

/**
 * returns the folder's absolute path without symbolic links.
 *
 * throws 'EBUSY' when a FUSE mount is alive there, 'mount-failed' when a dead one cannot be
 * cleared, or there is no empty folder and none can be made.
 */
export async function preparePlace(
  folder: string,
  { mounter, nonEmpty }: { readonly mounter: Unmounter; readonly nonEmpty: boolean },
): Promise<string> {
  const place = await canonical(resolve(folder))
  await clearDead(place, mounter)
  try {
    await makeFolders(place)
    if (nonEmpty || (await isEmpty(place))) return place
  } catch (error) {
    const why = error instanceof ShoalError ? error.message : String(error)
    throw new ShoalError('mount-failed', `cannot mount at ${place}: ${why}`, { cause: error })
  }
  throw new ShoalError(
    'mount-failed',
    `cannot mount at ${place}: the folder is not empty; empty it, mount elsewhere, or mount over it with --non-empty`,
  )
}

async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    // What is not there yet lies where its parent lies.
    return path === '/' ? path : join(await canonical(dirname(path)), basename(path))
  }
}

async function clearDead(place: string, mounter: Unmounter): Promise<void> {
  for (let cleared = 0; cleared < DEAD_MAX; cleared++) {
    const there = mountAt(place)
    if (there === undefined || !/^fuse(\.|$)/.test(there.type)) return
    if (there.type !== MOUNT_TYPE || !(await isDead(place))) {
      if (mountAt(place)?.device !== there.device) continue // its watchdog has just cleared it
      throw new ShoalError('EBUSY', `cannot mount at ${place}: a ${there.type} is mounted there`)
    }
    const unmount = mounter.unmountCommand(place, true)
    const failure = await failureOf(unmountDeadCommand(place, unmount))
    if (failure !== undefined) {
      throw new ShoalError('mount-failed', `cannot clear the dead mount at ${place}: ${failure}`)
    }
  }
}

/** statfs(2), unlike stat(2), is never answered from the kernel's cache. */
async function isDead(place: string): Promise<boolean> {
  try {
    await statfs(place)
    return false
  } catch (error) {
    return codeOf(error) === 'ENOTCONN' || codeOf(error) === 'ECONNABORTED'
  }
}

async function isEmpty(place: string): Promise<boolean> {
  await using entries = await opendir(place)
  return (await entries.read()) === null
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
