// A file system in memory, mounted for one test, and what tests of mounts do to it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { mountKernel } from '../../node/mount/drivers/kernel/driver.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import type { TestContext } from 'node:test'
import type { MountedFileSystem, MountOptions } from '../../node/mount/file-system.ts'
import type { Mounter } from '../../node/mount/mounts.ts'

/** Why mounts cannot be tested here, or false. */
export const skip: string | false =
  existsSync('/dev/fuse') && process.getuid?.() === 0 ? false : 'needs /dev/fuse and root'

const WAIT_MS = 60_000

export interface Mounted {
  readonly fileSystem: MemoryFileSystem
  readonly mount: MountedFileSystem
  readonly folder: string
  /** A path in the mount. */
  readonly at: (name: string) => string
}

/** A folder that goes with the test, whatever is mounted on it. */
export async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-mount-'))
  t.after(async () => {
    await run('umount', '-q', '-f', '-l', folder).catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

/**
 * Mounted until the test ends, for all users. Caches last, so that only a notification can refresh
 * them.
 */
export async function mounted(
  t: TestContext,
  options: MountOptions = {},
  mounter: Mounter = mountKernel,
): Promise<Mounted> {
  const folder = await emptyFolder(t)
  const fileSystem = new MemoryFileSystem()
  const hourMs = 3_600_000
  const timeouts = { attributeTimeoutMs: hourMs, entryTimeoutMs: hourMs }
  const mount = await mounter(fileSystem, folder, { ...timeouts, allowOther: true, ...options })
  t.after(() => mount.unmount({ force: true }))
  return { fileSystem, mount, folder, at: (name) => join(folder, name) }
}

/** Run a program. returns what it says. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await once(child, 'close')) as [number | null]
  const [out, err] = await said
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${err}`)
  return out
}

/** Ask again until it is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(WAIT_MS)
  while (!(await isSo())) {
    late.throwIfAborted()
    await new Promise(setImmediate)
  }
}
