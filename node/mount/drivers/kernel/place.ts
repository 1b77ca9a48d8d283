// Makes a folder ready to be mounted on: there, empty, and nothing of ours left dead on it.
import { mkdir, opendir, realpath, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ShoalError } from '../../../../protocol/errors.ts'
import { mountAt } from './mount-table.ts'
import { failureOf } from './mounter.ts'
import type { Mounter } from './mounter.ts'

/** A mount that answers nothing for this long is alive, but hung. */
const ANSWER_MS = 5_000
/** Dead mounts can lie on one another; more than this is a loop. */
const DEAD_MAX = 16

/**
 * returns the folder's absolute path without symbolic links.
 *
 * throws 'mount-failed' when a FUSE mount is alive there or a dead one cannot be cleared, 'ENOTEMPTY' unless
 * `overNonEmpty`, 'ENOTDIR'.
 */
export async function preparePlace(
  folder: string,
  mounter: Mounter,
  options: { overNonEmpty: boolean },
): Promise<string> {
  const place = await canonical(resolve(folder))
  await clearDead(place, mounter)
  try {
    await mkdir(place, { recursive: true })
    if (!options.overNonEmpty && !(await isEmpty(place))) {
      throw new ShoalError('ENOTEMPTY', `${place} is not empty: mount on an empty folder`)
    }
  } catch (error) {
    if (error instanceof ShoalError) throw error
    const code = codeOf(error) === 'EEXIST' ? 'ENOTDIR' : codeOf(error)
    if (code === 'ENOTDIR') throw new ShoalError('ENOTDIR', `${place} is not a folder`)
    throw new ShoalError('mount-failed', `cannot use ${place} as a folder`, { cause: error })
  }
  return place
}

async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    return path === '/' ? path : join(await canonical(dirname(path)), basename(path))
  }
}

async function clearDead(place: string, mounter: Mounter): Promise<void> {
  for (let cleared = 0; cleared < DEAD_MAX; cleared++) {
    const there = await mountAt(place)
    if (there === undefined || !/^fuse(\.|$)/.test(there.type)) return
    if (!(await isDead(place))) {
      throw new ShoalError('mount-failed', `something (${there.type}) is mounted at ${place} already`)
    }
    const failure = await failureOf(mounter.unmountCommand(place, true))
    if (failure !== undefined) {
      throw new ShoalError('mount-failed', `cannot clear the dead mount at ${place}: ${failure}`)
    }
  }
}

/** statfs(2) is never answered from the kernel's cache, as stat(2) of a dead mount may be. */
async function isDead(place: string): Promise<boolean> {
  const { promise: late, resolve: giveUp } = Promise.withResolvers<boolean>()
  const timer = setTimeout(giveUp, ANSWER_MS, false)
  const asked = statfs(place).then(
    () => false,
    (error: unknown) => codeOf(error) === 'ENOTCONN' || codeOf(error) === 'ECONNABORTED',
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}

async function isEmpty(place: string): Promise<boolean> {
  await using entries = await opendir(place)
  return (await entries.read()) === null
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}
