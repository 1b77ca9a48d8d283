// The bundle of `shoal doctor --bundle`: all that somebody else needs to help, in one archive.
// Nothing in it opens anything: of the settings it has those that are listed here, and no key,
// ticket, password or web address of a target. Names of files and machines are in it, as the log
// has them.
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { jsonLine } from '../output.ts'
import { readConfig } from '../../node/config.ts'
import type { Config } from '../../node/config.ts'
import type { Client } from '../../node/control/client.ts'
import type { Finding } from './finding.ts'

const run = promisify(execFile)
const EVENTS_MAX = 1000
const SHOWN_SETTINGS = [
  'name',
  'zone',
  'capacityBytes',
  'repairBytesPerSecond',
  'cacheBytes',
  'listen',
  'advertise',
  'mdns',
  'metrics',
  'doors',
] as const satisfies readonly (keyof Config)[]
const LOGS = ['node.log', 'node.log.old'] as const

/** throws ShoalError 'EEXIST' over a file that is there. */
export async function writeBundle(
  file: string,
  parts: { readonly home: string; readonly client: Client; readonly findings: readonly Finding[] },
): Promise<void> {
  const { home, client, findings } = parts
  const target = resolve(file)
  await writeFile(target, '', { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw isErrno(error, 'EEXIST')
      ? new ShoalError('EEXIST', `${file} is there already; choose another name`)
      : error
  })
  // Beside it, where there is room for it.
  const folder = await mkdtemp(`${target}.`)
  const name = `shoal-${new Date().toISOString().slice(0, 10)}`
  const root = join(folder, name)
  try {
    await mkdir(root, { mode: 0o700 })
    const put = (to: string, value: unknown): Promise<void> =>
      writeFile(join(root, to), `${jsonLine(value)}\n`, { mode: 0o600 })
    await put('findings.json', findings)
    await put('machine.json', machine())
    await put('settings.json', await settings(home))
    await put('files.json', await sizes(home))
    await put('status.json', await asked(() => client.status()))
    await put('alerts.json', await asked(() => client.listAlerts({ limit: EVENTS_MAX })))
    await put('events.json', await asked(() => securityEvents(client)))
    for (const log of LOGS) await copyFile(join(home, 'logs', log), join(root, log)).catch(notThere)
    await run('tar', ['-czf', join(folder, 'bundle'), '-C', folder, '--', name])
    await copyFile(join(folder, 'bundle'), target)
  } catch (error) {
    await rm(target, { force: true })
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function machine(): object {
  const { versions, platform } = process
  const processors = cpus().map(({ model }) => model)
  return {
    versions,
    platform,
    type: type(),
    release: release(),
    arch: arch(),
    processors,
    memoryBytes: totalmem(),
  }
}

/** Those that open nothing, one by one: a new setting is not in it by itself. */
async function settings(home: string): Promise<object> {
  const config = await readConfig(home)
  const { targets, off, afterMs } = config.alerts
  return {
    ...Object.fromEntries(SHOWN_SETTINGS.map((key) => [key, config[key]])),
    alerts: { targets: targets.map(({ label, least }) => ({ label, least })), off, afterMs },
    backups: Object.keys(config.backups),
  }
}

/** The sizes of the files in a home. */
async function sizes(home: string): Promise<object> {
  const entries = await readdir(home, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const all = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name)
      const found = await stat(path).catch(notThere)
      return found === undefined ? [] : [{ path: path.slice(home.length + 1), bytes: found.size }]
    }),
  )
  return { home: basename(home), files: all.flat() }
}

/** The answer of the node, or why there is none. */
async function asked(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask()
  } catch (error) {
    const { code, message } = asShoalError(error)
    return { failure: { code, message } }
  }
}

async function securityEvents(client: Client): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const page of client.readSecurity({ limit: EVENTS_MAX })) all.push(...page)
  return all
}

function notThere(error: unknown): undefined {
  if (isErrno(error, 'ENOENT')) return undefined
  throw error
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
