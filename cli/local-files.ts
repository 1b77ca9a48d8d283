// Files of this machine that are made from those of the namespace: whole or not at all, never
// through a symlink, and with their mode, owner and time.
import {
  closeSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { access, chmod, constants, open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ShoalError } from '../protocol/errors.ts'
import { HOUR_MS, MIB, SECOND_MS } from '../protocol/units.ts'
import { localChild, localNames, localPath } from './local-path.ts'
import { writeSparse } from './sparse-file.ts'
import type { BigIntStats } from 'node:fs'
import type { FileStat } from '../node/control/files.ts'
import type { LocalAttributes } from './local-attributes.ts'

const OWNER_ALL = 0o700
const WRITE_BYTES: number = MIB / 2
const TEMPORARY = '.shoal-'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Make a file under another name, then let it take its place, where no folder is, in one step. */
export async function replace(
  target: string,
  make: (temporary: string) => Promise<void> | void,
): Promise<void> {
  const temporary = join(dirname(target), TEMPORARY + crypto.randomUUID())
  try {
    await make(temporary)
    renameSync(localPath(temporary), localPath(target))
  } catch (error) {
    await rm(localPath(temporary), { force: true })
    throw error
  }
}

/** Is it the name of a file that is not whole yet, or that of a process that was killed? */
export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY) && UUID.test(name.slice(TEMPORARY.length))
}

/**
 * The names of what processes of this user that were killed have left in a folder. What was touched
 * in the last hour may still be written; at worst, its writer fails and says so.
 */
export async function findLeftovers(folder: string): Promise<string[]> {
  const before = Date.now() - HOUR_MS
  return (await localNames(folder)).filter((name) => {
    if (!isTemporary(name)) return false
    const found = findLocal(localChild(folder, name))
    if (found === undefined || found.isDirectory()) return false
    return Number(found.uid) === process.geteuid?.() && Number(found.ctimeMs) < before
  })
}

/** Writes a new file. */
export async function writeNew(
  path: string,
  parts: AsyncIterable<Uint8Array>,
  stat: FileStat,
  attributes: LocalAttributes,
): Promise<void> {
  const file = await open(localPath(path), 'wx', 0o600)
  try {
    await writeSparse(file, grouped(parts))
    await attributes.setOn(file, stat)
    await file.utimes(Date.now() / SECOND_MS, seconds(stat.modifiedNs))
  } finally {
    await file.close()
  }
}

/** The same at once: to wait for each step takes longer than the steps. */
export function writeNewSync(
  path: string,
  bytes: Uint8Array,
  stat: FileStat,
  attributes: LocalAttributes,
): void {
  const file = openSync(localPath(path), 'wx', 0o600)
  try {
    writeFileSync(file, bytes)
    attributes.setOnSync(file, stat)
    futimesSync(file, Date.now() / SECOND_MS, seconds(stat.modifiedNs))
  } finally {
    closeSync(file)
  }
}

/** Sets mode, owner and time of a file or folder that is there. follows: a symlink to it, too. */
export async function setAttributes(
  path: string,
  stat: FileStat,
  attributes: LocalAttributes,
  { follows }: { readonly follows: boolean },
): Promise<void> {
  const flags = constants.O_RDONLY | (follows ? 0 : constants.O_NOFOLLOW)
  const file = await open(localPath(path), flags)
  try {
    await attributes.setOn(file, stat)
    await file.utimes(Date.now() / SECOND_MS, seconds(stat.modifiedNs))
  } finally {
    await file.close()
  }
}

/** Lets the caller make and remove entries of a folder; its mode is set when that is done. */
export async function makeWritable(folder: string): Promise<void> {
  try {
    await access(localPath(folder), constants.W_OK | constants.X_OK)
  } catch {
    // Its owner may still change that.
    try {
      await chmod(localPath(folder), statSync(localPath(folder)).mode | OWNER_ALL)
    } catch {
      // It is another's: what is done in it fails and says so.
    }
  }
}

/** Stats what is there: a symlink itself, unless the call `follows` it. */
export function findLocal(
  path: string,
  { follows = false }: { readonly follows?: boolean } = {},
): BigIntStats | undefined {
  return (follows ? statSync : lstatSync)(localPath(path), { bigint: true, throwIfNoEntry: false })
}

/** The entry that a file would replace. throws ShoalError 'EISDIR' for a folder. */
export function findToReplace(path: string): BigIntStats | undefined {
  const local = findLocal(path)
  if (local?.isDirectory() !== true) return local
  throw new ShoalError(
    'EISDIR',
    `${path} is a folder here but a file in the namespace; remove one of them and try again`,
  )
}

/** The same bytes in larger parts: a write of the disk costs more than a copy. */
async function* grouped(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let group: Uint8Array[] = []
  let bytes = 0
  for await (const part of parts) {
    group.push(part)
    bytes += part.byteLength
    if (bytes < WRITE_BYTES) continue
    yield Buffer.concat(group)
    group = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(group)
}

function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e9
}
