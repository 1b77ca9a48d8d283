// The key that seals a protected home (docs/formats/store.md#protected-homes): 32 bytes of chance,
// in `home.key` under a key that scrypt (RFC 7914) makes of a secret: a passphrase, or a credential
// of systemd.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, scrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'

export const HOME_KEY_FILE = 'home.key'
const KEY_BYTES = 32
const SALT_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** 128 MiB and half a second for each guess. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 } as const
/** A credential of fewer bytes can be guessed; a passphrase of fewer chars too. */
export const SECRET_BYTES_MIN = 12
const CIPHER = 'aes-256-gcm'

const hex = (bytes: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))
const lockSchema: z.ZodType<HomeLock> = z.strictObject({
  v: z.literal(1),
  credential: z.string().min(1).max(255).optional(),
  salt: hex(SALT_BYTES),
  key: hex(NONCE_BYTES + KEY_BYTES + TAG_BYTES),
})

/** The content of `home.key`. */
export interface HomeLock {
  readonly v: 1
  /** By what name systemd gives the secret. */
  readonly credential?: string | undefined
  readonly salt: string
  readonly key: string
}

/** The key that seals a home. */
export class HomeKey {
  readonly bytes: Uint8Array
  readonly #key: KeyObject

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.#key = createSecretKey(bytes)
  }

  static make(): HomeKey {
    return new HomeKey(randomBytes(KEY_BYTES))
  }

  /** about: what it is, so that nothing can take the place of something else. */
  seal(about: Uint8Array, plain: Uint8Array): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(about)
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }

  /** Inverse of seal. throws ShoalError 'corrupt'. */
  open(about: Uint8Array, sealed: Uint8Array): Uint8Array {
    try {
      const cipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES))
      cipher.setAAD(about).setAuthTag(sealed.subarray(-TAG_BYTES))
      const plain = cipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES))
      cipher.final()
      return new Uint8Array(plain)
    } catch (cause) {
      throw new ShoalError('corrupt', 'not encrypted with the key of this home', { cause })
    }
  }
}

/** The context to which a sealed file of the home is bound. */
export function aboutFile(name: string): Uint8Array {
  return utf8(`file ${name}`)
}

/** Undefined: the home is not protected. throws ShoalError 'corrupt'. */
export async function readLock(folder: string): Promise<HomeLock | undefined> {
  const file = join(folder, HOME_KEY_FILE)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const parsed = lockSchema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  throw new ShoalError('corrupt', `${file} is not a home key. Restore it from a backup.`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // which no schema takes
  }
}

/** The text of `home.key`. credential: by what name systemd gives the secret. */
export async function lockText(
  key: HomeKey,
  secret: Uint8Array,
  credential: string | undefined,
): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const wrapped = (await wrapping(secret, salt)).seal(utf8(HOME_KEY_FILE), key.bytes)
  const lock: HomeLock = { v: 1, credential, salt: toHex(salt), key: toHex(wrapped) }
  return `${JSON.stringify(lock)}\n`
}

/** throws ShoalError 'EACCES' for a wrong secret. */
export async function unlock(lock: HomeLock, secret: Uint8Array): Promise<HomeKey> {
  const kek = await wrapping(secret, fromHex(lock.salt))
  try {
    return new HomeKey(kek.open(utf8(HOME_KEY_FILE), fromHex(lock.key)))
  } catch (cause) {
    throw new ShoalError('EACCES', 'wrong passphrase for this home', { cause })
  }
}

function wrapping(secret: Uint8Array, salt: Uint8Array): Promise<HomeKey> {
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, KEY_BYTES, SCRYPT, (error, key) =>
      error === null ? resolve(new HomeKey(key)) : reject(error),
    )
  })
}

/**
 * The parts of a home that are replaced as a whole when it is protected, and when it is so no more.
 */
const SWAPPED = ['identity.key', 'index', 'logs'] as const
/** Beside each of them while that is made. */
export type Form = 'sealed' | 'plain'

/**
 * End what a crash left half done: `home.key` says which form counts. What is sealed of one that
 * was never protected, or plain of one that is, goes.
 */
export async function settleHome(folder: string): Promise<void> {
  const isProtected = (await readLock(folder)) !== undefined
  const [wanted, other]: readonly [Form, Form] = isProtected
    ? ['sealed', 'plain']
    : ['plain', 'sealed']
  let changed = false
  for (const name of SWAPPED) {
    const [path, next, left] = [name, `${name}.${wanted}`, `${name}.${other}`].map((each) =>
      join(folder, each),
    ) as [string, string, string]
    if (await isThere(next)) {
      if (name !== 'identity.key') await rm(path, { recursive: true, force: true })
      await rename(next, path)
      changed = true
    }
    if (await isThere(left)) await rm(left, { recursive: true, force: true })
  }
  if (changed) await syncFolder(folder)
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Lines of a log, each sealed by itself. One that is not sealed is as it is. */
export interface LineSeal {
  readonly seal: (line: string) => string
  readonly open: (line: string) => string
}

/** The lines of a home that is not protected. */
export const PLAIN_LINES: LineSeal = { seal: (line) => line, open: (line) => line }

export function lineSeal(key: HomeKey): LineSeal {
  const about = utf8('line')
  return {
    seal: (line) => Buffer.from(key.seal(about, utf8(line))).toString('base64'),
    open: (line) =>
      line.startsWith('{')
        ? line
        : Buffer.from(key.open(about, Buffer.from(line, 'base64'))).toString('utf8'),
  }
}
