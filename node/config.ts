// The home of a node: a 0700 folder with `identity.key` (the 32-byte Ed25519 seed as hex, 0600),
// `config.yaml`, and whatever the store keeps. identity.key is written last and makes the folder a
// home; it never changes after.
import { randomBytes, randomInt } from 'node:crypto'
import { chmod, open, readFile, readdir, realpath, rename, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { fromHex, toHex, utf8 } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { MEMBER_NAME } from '../protocol/membership/names.ts'
import { parseSize } from '../protocol/size.ts'
import { GIB, MIB } from '../protocol/units.ts'
import { CONFIG_FILE, IDENTITY_FILE } from './world/home-files.ts'
import { makeFolders } from './world/make-folder.ts'
import { checkWay, closeHome } from './world/closed-home.ts'
import { aboutFile, readLock, settleHome, unlock } from './world/home-key.ts'
import type { HomeKey, HomeLock } from './world/home-key.ts'

const SEED_BYTES = 32
/** Chars of a command line. */
const LINE_MAX = 4096
/** Below it a single shard would take more than an hour. */
const REPAIR_RATE_MIN = 1000
/** The part of the cache in memory (node/content/decoded-cache.ts). */
const CACHE_BYTES_MIN: number = 32 * MIB
/** The range from which a port is chosen: below what Linux hands out to outgoing connections. */
const PORTS = { from: 20_000, to: 32_000 } as const
/** Folders that a node keeps in its home, and hardly anything else has beside each other. */
const STORE_FOLDERS: readonly string[] = ['index', 'segments']
/**
 * Names that a folder may contain that is to become a home: a half-made home, and those of a new
 * file system.
 */
const NOT_IN_THE_WAY: ReadonlySet<string> = new Set([
  CONFIG_FILE,
  `${CONFIG_FILE}.new`,
  `${IDENTITY_FILE}.new`,
  'lost+found',
])

/**
 * The owner's settings; in config.yaml under the same names, but `capacity` as a size ("200GB").
 */
export interface Config {
  /** How people call this node. */
  readonly name: string
  /** Failure domain; undefined: the node is one by itself. */
  readonly zone: string | undefined
  /** The store grows to this; undefined: to the free space of its disk. */
  readonly capacityBytes: number | undefined
  /**
   * Bytes a second that repair and other moving of shards may take; undefined: NodeUpkeep's
   * default.
   */
  readonly repairBytesPerSecond: number | undefined
  /** Chunks fetched from peers may take so much, in memory and on the disk, beside the capacity. */
  readonly cacheBytes: number
  /** Multiaddrs to listen on. */
  readonly listen: readonly string[]
  /** More multiaddrs at which others reach this node, as when a router forwards a port. */
  readonly advertise: readonly string[]
  /** Find and be found on the local network. */
  readonly mdns: boolean
  /** By the name of a backup: command lines that are run before and after. */
  readonly backups: Readonly<Record<string, BackupHooks>>
}

/** Command lines for the shell of this machine, as the user that runs the node. */
export interface BackupHooks {
  readonly before?: string | undefined
  readonly after?: string | undefined
}

export interface Home {
  readonly folder: string
  readonly config: Config
  /** Files and folders in it that were open to others, and are no more; '.' for itself. */
  readonly opened: readonly string[]
  /** The Ed25519 seed: whoever has it is this node. */
  readonly seed: Uint8Array
  /** The key of a protected home. */
  readonly key?: HomeKey | undefined
}

/** Gives the secret of a protected home. throws where there is none. */
export type AskSecret = (lock: HomeLock) => Promise<Uint8Array>

/** Undefined leaves the default, or what the file says. */
export interface ConfigOptions {
  readonly name?: string | undefined
  readonly zone?: string | undefined
  /** A size, as for parseSize. */
  readonly capacity?: string | undefined
  /** A size, for each second. */
  readonly repairRate?: string | undefined
  /** A size. */
  readonly cacheSize?: string | undefined
  readonly listen?: readonly string[] | undefined
  readonly advertise?: readonly string[] | undefined
  readonly mdns?: boolean | undefined
}

const label = z.string().regex(MEMBER_NAME, {
  error: 'must be letters, digits, ".", "_" and "-", at most 64',
})
const address = z.string().refine(isMultiaddr, {
  error: 'must be a multiaddr such as /ip4/0.0.0.0/tcp/4100',
})
const size = z.union([z.string(), z.number()]).transform(readSize)
const line = z.string().min(1).max(LINE_MAX)
const configSchema = z.strictObject({
  name: label,
  zone: label.optional(),
  capacity: size.optional(),
  repairRate: size
    .refine((bytes) => bytes >= REPAIR_RATE_MIN, { error: 'must be at least 1KB, for each second' })
    .optional(),
  cacheSize: size
    .refine((bytes) => bytes >= CACHE_BYTES_MIN, { error: 'must be at least 32MiB' })
    .default(GIB),
  listen: z.array(address).min(1, { error: 'needs at least one multiaddr' }),
  advertise: z.array(address).default([]),
  mdns: z.boolean({ error: 'must be true or false' }).default(true),
  backups: z
    .record(label, z.strictObject({ before: line.optional(), after: line.optional() }))
    .default({}),
})

const CONFIG_HEADER = `# This node's settings, read when it starts ("shoal up").
#   name: how people call it          zone: failure domain (room, house, ...); left out: this node by itself
#   capacity: what the store may take (200GB); left out: the disk
#   repairRate: what repair and moving of shards may send and receive a second (5MB); left out: 64MiB
#   cacheSize: what is fetched from other nodes to be read may take, beside the capacity (2GiB); left out: 1GiB
#   listen, advertise: multiaddrs     mdns: find and be found on the local network
#   backups: {NAME: {before: COMMAND, after: COMMAND}}: what the shell runs around each run of a backup
`

/**
 * Make a home: folder, identity and config. The folder may exist if it is empty.
 * throws ShoalError 'EEXIST' over a home or among other files, 'usage' for an option that does not
 * fit.
 */
export async function initHome(folder: string, options: ConfigOptions = {}): Promise<Home> {
  await makeFolders(folder, 0o700)
  const names = await readdir(folder)
  if (names.includes(IDENTITY_FILE)) {
    throw new ShoalError(
      'EEXIST',
      `${folder} is a Shoal home already. Start its node with "shoal up".`,
    )
  }
  const other = names.find((name) => !NOT_IN_THE_WAY.has(name))
  if (STORE_FOLDERS.every((name) => names.includes(name))) throw lostIdentity(folder)
  if (other !== undefined) {
    throw new ShoalError(
      'EEXIST',
      `${folder} is not empty (${other}). Choose another folder with --home.`,
    )
  }
  const text = editConfig(CONFIG_HEADER, {
    ...options,
    name: options.name ?? defaultName(),
    listen: options.listen ?? [`/ip4/0.0.0.0/tcp/${await freePort()}`],
  })
  const config = parseConfig(text, 'option')
  const seed = randomBytes(SEED_BYTES)
  await chmod(folder, 0o700)
  await checkWay(await realpath(folder))
  await writeDurably(join(folder, CONFIG_FILE), text)
  await writeDurably(join(folder, IDENTITY_FILE), `${toHex(seed)}\n`)
  return { folder, config, opened: [], seed }
}

/** Is there a home in this folder? */
export async function isHome(folder: string): Promise<boolean> {
  try {
    await stat(join(folder, IDENTITY_FILE))
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw error
  }
}

/**
 * Read a home, once it is closed to all others (closeHome).
 * throws ShoalError 'ENOENT' if there is none, 'EPERM' if others may read its key or put another in
 * its place, 'malformed' or 'corrupt' naming file and key.
 *
 * askSecret: for one that is protected.
 */
export async function loadHome(folder: string, askSecret?: AskSecret): Promise<Home> {
  const identityFile = join(folder, IDENTITY_FILE)
  await checkIsHome(folder)
  if (((await stat(identityFile)).mode & 0o077) !== 0) {
    throw new ShoalError(
      'EPERM',
      `${identityFile} is accessible to other users. Fix it with "chmod 600 ${identityFile}".`,
    )
  }
  const opened = await closeHome(folder)
  await settleHome(folder)
  const key = await unlockHome(folder, askSecret)
  const file = join(folder, CONFIG_FILE)
  const config = parseConfig(await readConfig(file), file)
  return { folder, config, opened, seed: await readSeed(identityFile, key), key }
}

/** The commands around the runs of a backup, as config.yaml says now. throws as loadHome. */
export async function readHooks(folder: string, backup: string): Promise<BackupHooks> {
  const file = join(folder, CONFIG_FILE)
  const { backups } = parseConfig(await readConfig(file), file)
  return Object.hasOwn(backups, backup) ? (backups[backup] ?? {}) : {}
}

/** throws ShoalError 'ENOENT' for a folder that is no home. */
export async function checkIsHome(folder: string): Promise<void> {
  if (await isHome(folder)) return
  const names: readonly string[] = await readdir(folder).catch(() => [])
  if (STORE_FOLDERS.every((name) => names.includes(name))) throw lostIdentity(folder)
  throw new ShoalError('ENOENT', `${folder} is not a Shoal home. Create one with "shoal init".`)
}

/** The error for a home without its key. What it holds may be all that is left of some files. */
function lostIdentity(folder: string): ShoalError {
  return new ShoalError(
    'corrupt',
    `${folder} has the data of a node, but not its ${IDENTITY_FILE}; nothing was changed. ` +
      `Restore that file from a backup of this folder. If there is none, keep the folder, and ` +
      'with another --home join again by a ticket of a member, or use "shoal recover".',
  )
}

async function unlockHome(
  folder: string,
  ask: AskSecret | undefined,
): Promise<HomeKey | undefined> {
  const lock = await readLock(folder)
  if (lock === undefined) return undefined
  if (ask === undefined)
    throw new ShoalError('EACCES', `${folder} is protected; its passphrase is required`)
  return unlock(lock, await ask(lock))
}

async function readSeed(file: string, key: HomeKey | undefined): Promise<Uint8Array> {
  const text = (await readFile(file, 'utf8')).trim()
  const [, sealed] = /^sealed ([0-9a-f]+)$/.exec(text) ?? []
  if (key !== undefined && sealed !== undefined)
    return key.open(aboutFile(IDENTITY_FILE), fromHex(sealed))
  if (key === undefined && /^[0-9a-f]{64}$/.test(text)) return fromHex(text)
  throw new ShoalError(
    'corrupt',
    `${file} is not a key of 64 hex digits. Restore it from a backup.`,
  )
}

/**
 * Change what `options` gives in config.yaml and keep the rest, comments too. throws as loadHome.
 */
export async function updateConfig(folder: string, options: ConfigOptions): Promise<void> {
  if (Object.values(options).every((value) => value === undefined)) return
  const file = join(folder, CONFIG_FILE)
  const text = editConfig(await readConfig(file), options)
  parseConfig(text, 'option')
  await writeDurably(file, text)
}

/** `source` is the file, or 'option' for what the command line says. */
function parseConfig(text: string, source: string): Config {
  const code = source === 'option' ? 'usage' : 'malformed'
  const document = parseDocument(text)
  const broken = document.errors[0]
  if (broken !== undefined) {
    // Below that it draws where in the text it is.
    const [what = ''] = broken.message.split('\n')
    throw new ShoalError(code, `${source} is not YAML: ${what.replace(/:$/, '')}.`)
  }
  const result = configSchema.safeParse(document.toJS())
  if (result.success) {
    const { capacity, repairRate, cacheSize, ...others } = result.data
    const sizes = {
      capacityBytes: capacity,
      repairBytesPerSecond: repairRate,
      cacheBytes: cacheSize,
    }
    return { ...others, zone: others.zone, ...sizes }
  }
  const issue = result.error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const keys = Object.keys(configSchema.shape).join(', ')
    throw new ShoalError(
      code,
      `${source}: there is no key "${issue.keys[0]}". The keys are ${keys}.`,
    )
  }
  const [key = '', ...inside] = issue?.path.map(String) ?? []
  const where =
    source === 'option' ? `--${toKebab(key)}` : `${source}: ${[key, ...inside].join('.')}`
  throw new ShoalError(code, `${where} ${issue?.message ?? 'is invalid'}.`)
}

/** `repairRate` as the command has it: `repair-rate`. */
function toKebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The text with the keys of `options` set. */
function editConfig(text: string, options: ConfigOptions): string {
  const document = parseDocument(text)
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined) document.set(key, value)
  }
  return document.toString()
}

async function readConfig(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ShoalError(
      'ENOENT',
      `${file} cannot be read. Restore it, or write one with "name" and "listen", ` +
        'such as those that "shoal init" makes in another home.',
      { cause },
    )
  }
}

function readSize(value: string | number, context: z.RefinementCtx): number {
  try {
    return parseSize(String(value))
  } catch {
    // What zod adds to this names the key.
    context.addIssue({ code: 'custom', message: 'must be a size such as 200GB or 10GiB' })
    return z.NEVER
  }
}

function isMultiaddr(text: string): boolean {
  try {
    multiaddr(text)
    return text !== ''
  } catch {
    return false // it throws for what is none
  }
}

function defaultName(): string {
  const name = hostname().split('.')[0] ?? ''
  return label.safeParse(name).success ? name : 'node'
}

/**
 * A port that is free now, and likely to be later: it goes into tickets and is kept in the config.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}

/**
 * Old or new content, never a part, whatever happens; durable once it returns. For the owner alone.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(utf8(text))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
