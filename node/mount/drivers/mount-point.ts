// A folder with a file system of ours mounted on it, and how that is taken away: on demand and at
// exit(); if the process is killed meanwhile, by a watchdog. Where a failure ends the process the
// mount stays, dead.
import { spawnSync } from 'node:child_process'
import { writeFile, readFile, readdir, readlink } from 'node:fs/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { mountAt } from './mount-table.ts'
import { failureOf } from './mounter.ts'
import { startWatchdog } from './watchdog.ts'
import type { Watchdog } from './watchdog.ts'
import type { Unmounter } from './mounter.ts'
import { loadExitNow } from '../../world/exit-now.ts'
import type { ExitNow } from '../../world/exit-now.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'

/** More are not named. */
const NAMED_MAX = 5

export class MountPoint {
  readonly folder: string
  /** 'major:minor' of the mount. */
  readonly number: string | undefined
  readonly #mounter: Unmounter
  readonly #watchdog: Watchdog
  #exitNow: ExitNow | undefined
  #isUnmounting = false
  #isOver = false

  /** The mount must be there. */
  constructor(folder: string, mounter: Unmounter) {
    this.folder = folder
    this.number = mountAt(folder)?.device
    this.#mounter = mounter
    this.#watchdog = startWatchdog(folder, mounter.unmountCommand(folder, true))
    process.on('exit', this.#atExit)
    void loadExitNow().then((exitNow) => (this.#exitNow = exitNow))
  }

  /** Is it still in the table of mounts, and on top? */
  isThere(): boolean {
    const there = mountAt(this.folder)
    return !this.#isOver && there !== undefined && there.device === this.number
  }

  /**
   * `force`: also a busy mount; nobody waits for an answer any more. throws ShoalError 'EBUSY',
   * 'mount-failed'.
   */
  async unmount(force: boolean): Promise<void> {
    this.#isUnmounting = true
    try {
      await this.#unmount(force)
    } catch (error) {
      this.#isUnmounting = false
      throw error
    }
  }

  async #unmount(force: boolean): Promise<void> {
    if (force) {
      this.#watchdog.unmounting()
      await this.#abort()
    }
    if (!this.isThere()) return
    const failure = await failureOf(this.#mounter.unmountCommand(this.folder, force))
    if (failure === undefined || !this.isThere()) return
    if (!failure.includes('busy'))
      throw new ShoalError('mount-failed', `cannot unmount ${this.folder}: ${failure}`)
    const users = (await usersOf(this.folder)) || 'some program'
    throw new ShoalError(
      'EBUSY',
      `${this.folder} is in use by ${users}; close it, or unmount with --force`,
    )
  }

  /** Nobody answers any more. A mount that is still there is dead, and is taken away. */
  async close(): Promise<void> {
    if (this.isThere()) await failureOf(this.#mounter.unmountCommand(this.folder, true))
    this.#isOver = true
    process.off('exit', this.#atExit)
    this.#watchdog.letGo()
  }

  /**
   * End the conversation with the kernel, so that nobody waits. Needs the fusectl file system;
   * umount -f does it too.
   */
  async #abort(): Promise<void> {
    const connection = this.number?.split(':')[1]
    const file = `/sys/fs/fuse/connections/${connection}/abort`
    await ignoreFailure(writeFile(file, '1'), 'the mount ends without it, later')
  }

  /** The thread that waits for the kernel would keep the process from ending. */
  readonly #atExit = (code: number): void => {
    if (!this.isThere()) return
    if (code !== 0 && !this.#isUnmounting) this.#exitNow?.(code)
    const { program, args } = this.#mounter.unmountCommand(this.folder, true)
    spawnSync(program, args, { cwd: '/', stdio: 'ignore' })
  }
}

/**
 * Names the programs that keep a mount busy, as "vim (process 812), bash (process 77)": those with
 * a file of it open, or that are in it, as far as this process may see. Only links of /proc are
 * read, which asks nothing of the mount. Source: proc(5), as fuser(1) uses it.
 */
async function usersOf(folder: string): Promise<string> {
  const users: string[] = []
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid) || !(await isIn(folder, pid))) continue
    if (users.length === NAMED_MAX) return `${users.join(', ')} and others`
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    users.push(`${name.trim()} (process ${pid})`)
  }
  return users.join(', ')
}

async function isIn(folder: string, pid: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const links = ['cwd', 'root', 'exe', ...descriptors.map((descriptor) => `fd/${descriptor}`)]
  for (const link of links) {
    const target = await readlink(`/proc/${pid}/${link}`).catch(() => '')
    if (target === folder || target.startsWith(`${folder}/`)) return true
  }
  return false
}
