// The home of a node: a 0700 folder with `identity.key` (the 32-byte Ed25519 seed as hex, 0600),
// `config.yaml`, and whatever the store keeps. identity.key is written last and makes the folder a
// home; it never changes after.
import { randomBytes, randomInt } from 'node:crypto'
import { chmod, readFile, readdir, realpath, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fromHex, toHex } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { MEMBER_NAME } from '../protocol/membership/names.ts'
import { newConfig, readConfig } from './config.ts'
import type { Config, ConfigOptions } from './config.ts'
import { CONFIG_FILE, IDENTITY_FILE } from './world/home-files.ts'
import { makeFolders } from './world/make-folder.ts'
import { checkWay, closeHome } from './world/closed-home.ts'
import { aboutFile, readLock, settleHome, unlock } from './world/home-key.ts'
import type { HomeKey, HomeLock } from './world/home-key.ts'
import { writeDurably } from './world/write-durably.ts'

const SEED_BYTES = 32
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
  const { text, config } = newConfig({
    ...options,
    name: options.name ?? defaultName(),
    listen: options.listen ?? [`/ip4/0.0.0.0/tcp/${await freePort()}`],
  })
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
  const config = await readConfig(folder)
  return { folder, config, opened, seed: await readSeed(identityFile, key), key }
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

function defaultName(): string {
  const name = hostname().split('.')[0] ?? ''
  return MEMBER_NAME.test(name) ? name : 'node'
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
