// The checks of this machine: what a node needs of it, and whether that is there. None of them
// changes anything but a file of its own in the home, which it removes.
import { constants } from 'node:fs'
import { access, open, readFile, readdir, rm, stat, statfs } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { asShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import { readConfig } from '../../node/config.ts'
import { isHome } from '../../node/home.ts'
import { checkWay } from '../../node/world/closed-home.ts'
import { IDENTITY_FILE } from '../../node/world/home-files.ts'
import { failure, ok, unknown, warning } from './finding.ts'
import type { Finding } from './finding.ts'

const NODE_MIN = 24
/** Fewer open files than this, and a node with many peers and segments runs into it. */
const OPEN_FILES_MIN = 4096
const PROBE_BYTES: number = 16 * MIB
const SYNCS = 5
const SLOW_SYNC_MS = 50
const SLOW_BYTES_PER_SECOND: number = 20 * MIB
const FREE_BYTES_MIN: number = 256 * MIB
const FREE_SHARE_MIN = 0.05
const PROBE_FILE = 'doctor-probe'
const FUSE_DEVICE = '/dev/fuse'
/** Programs that set the clock; the kernel knows 15 characters of a name. */
const TIME_DAEMONS: readonly string[] = ['chronyd', 'ntpd', 'openntpd', 'systemd-timesyncd']
const KNOWN_CHARS = 15

/** All of them, each whatever the others find. */
export async function checkMachine(home: string): Promise<Finding[]> {
  const all = await Promise.all([
    check('program', checkProgram),
    check('home', () => checkHome(home)),
    check('config.yaml', () => checkConfig(home)),
    check('disk', () => checkDisk(home)),
    check('mounts', checkMounts),
    check('open files', checkOpenFiles),
    check('clock', checkClock),
  ])
  return all.flat()
}

/** A failure of the check itself is its finding. */
async function check(about: string, run: () => Finding[] | Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run()
  } catch (error) {
    return [unknown(about, `cannot be looked at: ${asShoalError(error).message}`)]
  }
}

function checkProgram(): Finding[] {
  const version = process.versions.node
  if (Number(version.split('.')[0]) >= NODE_MIN) return [ok('program', `Node ${version}`)]
  const next = `install Node ${NODE_MIN} or newer, or run shoal by "npm start"`
  return [failure('program', `Node ${version} is too old`, next)]
}

async function checkHome(home: string): Promise<Finding[]> {
  if (!(await isHome(home)))
    return [failure('home', `${home} is no home of a node`, 'make one: "shoal init" or "shoal up"')]
  try {
    await checkWay(home)
  } catch (error) {
    return [failure('home', asShoalError(error).message, 'do what it says')]
  }
  const { mode, uid } = await stat(join(home, IDENTITY_FILE))
  if ((mode & 0o077) !== 0)
    return [
      failure('home', 'others may read identity.key', `chmod 600 ${join(home, IDENTITY_FILE)}`),
    ]
  const self = process.geteuid?.()
  if (self !== undefined && uid !== self)
    return [failure('home', `identity.key belongs to user ${uid}`, 'run shoal as that user')]
  return [ok('home', `${home}, for its owner alone`)]
}

async function checkConfig(home: string): Promise<Finding[]> {
  try {
    await readConfig(home)
    return [ok('config.yaml', 'can be read')]
  } catch (error) {
    return [failure('config.yaml', asShoalError(error).message, 'correct it, then start the node')]
  }
}

async function checkDisk(home: string): Promise<Finding[]> {
  const { bavail, blocks, bsize } = await statfs(home)
  const [free, total] = [bavail * bsize, blocks * bsize]
  const room = `${formatBytes(free)} of ${formatBytes(total)} free`
  if (free < FREE_BYTES_MIN)
    return [failure('disk', room, 'free some space: without it the node cannot write')]
  const findings =
    free < FREE_SHARE_MIN * total
      ? [warning('disk', room, 'free some space, or move the home to another disk')]
      : [ok('disk', room)]
  return [...findings, await diskSpeed(home)]
}

/** Written and synced as the store does: much at once, and little each time. */
async function diskSpeed(home: string): Promise<Finding> {
  const path = join(home, PROBE_FILE)
  const bytes = Buffer.alloc(PROBE_BYTES, 1)
  const file = await open(path, 'w', 0o600)
  try {
    const begin = performance.now()
    await file.write(bytes)
    await file.datasync()
    const bytesPerSecond = (PROBE_BYTES / (performance.now() - begin)) * SECOND_MS
    const beforeSyncs = performance.now()
    for (let i = 0; i < SYNCS; i++) {
      await file.write(bytes, 0, 1, PROBE_BYTES + i)
      await file.datasync()
    }
    const syncMs = (performance.now() - beforeSyncs) / SYNCS
    const speed = `${formatBytes(bytesPerSecond)}/s written, ${syncMs.toFixed(1)} ms for a sync`
    const isSlow = syncMs > SLOW_SYNC_MS || bytesPerSecond < SLOW_BYTES_PER_SECOND
    const next =
      'each saved file waits for that; an SSD is faster, and a full or failing disk slower'
    return isSlow ? warning('disk speed', speed, next) : ok('disk speed', speed)
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}

async function checkMounts(): Promise<Finding[]> {
  const next = 'install the package fuse3, or in a container give it --device /dev/fuse'
  try {
    await access(FUSE_DEVICE, constants.R_OK | constants.W_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return [warning('mounts', `${FUSE_DEVICE} is not there: nothing can be mounted`, next)]
    const open = `chmod 666 ${FUSE_DEVICE} as root, or run as a member of its group`
    return [warning('mounts', `${FUSE_DEVICE} is closed to this user (${code})`, open)]
  }
  if (process.geteuid?.() === 0) return [ok('mounts', `${FUSE_DEVICE}, as root`)]
  const program = await inPath('fusermount3')
  return program === undefined
    ? [warning('mounts', 'fusermount3 is not there: mounting needs it or root', next)]
    : [ok('mounts', `${FUSE_DEVICE} and ${program}`)]
}

async function inPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false, // the next folder may have it
    )
    if (isThere) return path
  }
  return undefined
}

async function checkOpenFiles(): Promise<Finding[]> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(limits) ?? []
  if (soft === 'unlimited' || Number(soft) >= OPEN_FILES_MIN)
    return [ok('open files', `at most ${soft}`)]
  const next = `"ulimit -n ${OPEN_FILES_MIN}" before "shoal up", or raise the limit in its unit of systemd`
  return [warning('open files', `at most ${soft}: few for many peers and large stores`, next)]
}

async function checkClock(): Promise<Finding[]> {
  const time = new Date().toISOString().slice(0, 19)
  const running = new Set(await runningPrograms())
  const daemon = TIME_DAEMONS.find((name) => running.has(name.slice(0, KNOWN_CHARS)))
  if (daemon !== undefined) return [ok('clock', `${time} UTC, kept by ${daemon}`)]
  return [unknown('clock', `${time} UTC; no program is seen here that sets it (NTP)`)]
}

async function runningPrograms(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const names = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')), // it has ended
  )
  return names.map((name) => name.trim())
}
