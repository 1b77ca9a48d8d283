// Protecting a home, and taking that back (docs/formats/store.md#protected-homes): its node must
// not run. What is sealed is made beside what is there, and counts from the moment that `home.key`
// appears; what is plain, from when that is gone.
import { mkdir, readFile, readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { checkIsHome, loadHome } from './home.ts'
import type { AskSecret } from './home.ts'
import { IDENTITY_FILE } from './world/home-files.ts'
import { writeDurably } from './world/write-durably.ts'
import { LevelKv } from './store/level-kv.ts'
import { SealedKv } from './store/sealed-kv.ts'
import type { Kv, KvWrite } from './store/kv.ts'
import {
  HOME_KEY_FILE,
  HomeKey,
  PLAIN_LINES,
  SECRET_BYTES_MIN,
  aboutFile,
  lineSeal,
  lockText,
  readLock,
  settleHome,
  syncFolder,
} from './world/home-key.ts'
import type { Form, LineSeal } from './world/home-key.ts'

const INDEX_FOLDER = 'index'
const LOG_FOLDER = 'logs'
const COPIED_AT_ONCE = 1000
/** Other logs are free text of processes, and go. */
const LINES_FILE = /^(node|security)[-0-9]*\.log(\.old)?$/

export interface Protection {
  readonly isProtected: boolean
  /** By what name systemd gives the secret; undefined: it is asked for. */
  readonly credential?: string | undefined
}

/** throws ShoalError 'ENOENT' without a home. */
export async function protectionOf(folder: string): Promise<Protection> {
  await checkIsHome(folder)
  const lock = await readLock(folder)
  return { isProtected: lock !== undefined, credential: lock?.credential }
}

/**
 * Protect a home with a secret, or one that is protected with another. old: asked for the one it
 * has.
 * throws ShoalError 'already-running', 'usage' for a secret that is too short, 'EACCES' for a wrong
 * old one.
 */
export async function protectHome(
  folder: string,
  { secret, credential }: { readonly secret: Uint8Array; readonly credential?: string | undefined },
  old: AskSecret,
): Promise<void> {
  if (secret.byteLength < SECRET_BYTES_MIN)
    throw new ShoalError(
      'usage',
      `the passphrase is too short: use at least ${SECRET_BYTES_MIN} characters`,
    )
  const { seed, key: known } = await loadHome(folder, old)
  const key = known ?? HomeKey.make()
  const text = await lockText(key, secret, credential)
  // An index that a node has open is not touched.
  await using index = await openIndex(folder, INDEX_FOLDER)
  if (known === undefined) {
    await using sealed = await openIndex(folder, `${INDEX_FOLDER}.sealed`)
    await copy(index.kv, new SealedKv(sealed.kv, key))
    const identity = `sealed ${toHex(key.seal(aboutFile(IDENTITY_FILE), seed))}\n`
    await writeDurably(join(folder, `${IDENTITY_FILE}.sealed`), identity)
    await copyLogs(folder, 'sealed', lineSeal(key))
  }
  await writeDurably(join(folder, HOME_KEY_FILE), text)
  await index.kv.close()
  await settleHome(folder)
}

/** Make a home as it was. throws ShoalError 'already-running', 'EACCES' for a wrong secret. */
export async function unprotectHome(folder: string, ask: AskSecret): Promise<void> {
  const { seed, key } = await loadHome(folder, ask)
  if (key === undefined) return
  await using index = await openIndex(folder, INDEX_FOLDER)
  await using plain = await openIndex(folder, `${INDEX_FOLDER}.plain`)
  await copy(new SealedKv(index.kv, key), plain.kv)
  await writeDurably(join(folder, `${IDENTITY_FILE}.plain`), `${toHex(seed)}\n`)
  await copyLogs(folder, 'plain', { ...PLAIN_LINES, open: lineSeal(key).open })
  await index.kv.close()
  await plain.kv.close()
  await unlink(join(folder, HOME_KEY_FILE))
  await syncFolder(folder)
  await settleHome(folder)
}

/**
 * Logs in another form, beside what is there: each line as `lines` seals it, whether it is sealed
 * or not.
 */
async function copyLogs(folder: string, form: Form, lines: LineSeal): Promise<void> {
  const [from, to] = [join(folder, LOG_FOLDER), join(folder, `${LOG_FOLDER}.${form}`)]
  await rm(to, { recursive: true, force: true })
  await mkdir(to, { mode: 0o700 })
  const names = await readdir(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names.filter((each) => LINES_FILE.test(each))) {
    const before = (await readFile(join(from, name), 'utf8')).split('\n')
    const after = before.map((line) => (line === '' ? '' : lines.seal(lines.open(line))))
    await writeFile(join(to, name), after.join('\n'), { mode: 0o600, flush: true })
  }
  await syncFolder(to)
}

async function openIndex(
  folder: string,
  name: string,
): Promise<{ readonly kv: Kv } & AsyncDisposable> {
  const kv = await LevelKv.open(join(folder, name))
  return { kv, [Symbol.asyncDispose]: () => kv.close() }
}

async function copy(from: Kv, to: Kv): Promise<void> {
  let writes: KvWrite[] = []
  const flush = async (): Promise<void> => {
    await to.write(writes, { sync: true })
    writes = []
  }
  for await (const [key, value] of from.scan({ from: '', to: '\xff' })) {
    if (writes.push({ kind: 'put', key, value }) === COPIED_AT_ONCE) await flush()
  }
  await flush()
}
