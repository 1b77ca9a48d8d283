// Puts small files, many in one call: a call for each takes several times as long as the files.
import { closeSync, openSync, readSync } from 'node:fs'
import { ShoalError } from '../protocol/errors.ts'
import { MIB } from '../protocol/units.ts'
import { SMALL_FILES_MAX, SMALL_FILE_BYTES, encodeNewFiles } from '../node/control/small-files.ts'
import { errorFrom } from '../node/control/wire.ts'
import { localPath } from './local-path.ts'
import { explain } from './output.ts'
import { inside, rootOf } from './paths.ts'
import { isFatal } from './transfer.ts'
import type { BigIntStats } from 'node:fs'
import type { NewSmallFile } from '../node/control/files.ts'
import type { WriteFailure } from '../node/control/small-files.ts'
import type { Context } from './context.ts'
import type { OpenFolder } from './open-folder.ts'
import type { Transfer } from './transfer.ts'

const PERMISSIONS = 0o7777n
/**
 * Bytes of small files that are put in one call, with PATH_WEIGHT for each byte of a path, since
 * JSON may write it as six.
 */
const CALL_BYTES_MAX: number = MIB
const PATH_WEIGHT = 8

/** A small file that is to be put. */
export interface SmallPut {
  readonly source: string
  readonly path: string
  readonly stat: BigIntStats
  /** The folder that it comes into, if that is copied, too. */
  readonly folder: OpenFolder | undefined
}

export class PutSmall {
  readonly #context: Context
  readonly #transfer: Transfer
  readonly #putAlone: (file: SmallPut) => Promise<void>
  #files: SmallPut[] = []
  #bytes = 0
  #putting: Promise<void> | undefined

  /** putAlone: puts a file by a call of its own. */
  constructor(context: Context, transfer: Transfer, putAlone: (file: SmallPut) => Promise<void>) {
    this.#context = context
    this.#transfer = transfer
    this.#putAlone = putAlone
  }

  /** Put it with others; returns when there is room for more. throws what ended the transfer. */
  async add(file: SmallPut): Promise<void> {
    file.folder?.enter()
    this.#files.push(file)
    this.#bytes += Number(file.stat.size) + PATH_WEIGHT * Buffer.byteLength(file.path)
    if (this.#files.length === SMALL_FILES_MAX || this.#bytes >= CALL_BYTES_MAX) await this.#begin()
  }

  /** Wait for all that was added. throws what ended the transfer. */
  async drain(): Promise<void> {
    await this.#begin()
    await this.#putting
  }

  /** Wait for what is under way, after a failure too. */
  async end(): Promise<void> {
    this.#files = []
    await this.#putting?.catch(() => undefined) // kept, and thrown by the transfer
  }

  /** Two calls at a time: the files of one are read while the node stores those of the other. */
  async #begin(): Promise<void> {
    const files = this.#files
    if (files.length === 0) return
    this.#files = []
    this.#bytes = 0
    const before = this.#putting
    this.#putting = this.#put(files)
    this.#putting.catch(() => undefined) // thrown where it is awaited
    await before
  }

  async #put(files: readonly SmallPut[]): Promise<void> {
    await this.#transfer.attempt(async () => {
      const read: [SmallPut, NewSmallFile][] = []
      for (const file of files)
        await this.#transfer.attempt(async () => {
          const bytes = readSmall(file)
          // It has grown.
          if (bytes === undefined) return this.#putAlone(file)
          const path = inside(file.path).replace(/^\/+/, '')
          read.push([file, { path, bytes, ...attributesOf(file.stat) }])
        })
      if (read.length > 0) await this.#send(read)
    })
    for (const { folder } of files) await folder?.leave()
  }

  async #send(files: readonly (readonly [SmallPut, NewSmallFile])[]): Promise<void> {
    const failures = await this.#write(files)
    if (failures === undefined) {
      for (const [file] of files) await this.#transfer.attempt(() => this.#putAlone(file))
      return
    }
    const failed = new Map(failures.map((failure) => [failure.at, failure]))
    for (const [at, [, { bytes }]] of files.entries()) {
      const failure = failed.get(at)
      if (failure !== undefined) {
        await this.#transfer.attempt(() => Promise.reject(errorFrom(failure)))
        continue
      }
      this.#transfer.copied(bytes.byteLength)
      this.#transfer.tally.files++
    }
  }

  /** Undefined: the call failed as a whole, and one of them may be at fault. */
  async #write(
    files: readonly (readonly [SmallPut, NewSmallFile])[],
  ): Promise<readonly WriteFailure[] | undefined> {
    const root = rootOf(files[0]?.[0].path ?? '')
    const content = encodeNewFiles(files.map(([, file]) => file))
    try {
      return await this.#context.client.writeSmallFiles(root, oneOf(content), { ack: 'none' })
    } catch (error) {
      if (isFatal(error)) throw error
      return undefined
    }
  }
}

/** The content from its begin to its end; undefined if that is not small any more. */
function readSmall({ source, stat }: SmallPut): Uint8Array | undefined {
  const file = openSync(localPath(source), 'r')
  try {
    // One byte more than there should be, so that a file and its end are found by one read.
    let bytes = Buffer.allocUnsafe(Number(stat.size) + 1)
    for (let length = 0; ;) {
      const count = readNext(file, source, bytes, length)
      length += count
      if (count === 0) return bytes.subarray(0, length)
      if (length < bytes.length) continue
      if (length > SMALL_FILE_BYTES) return undefined
      bytes = Buffer.concat([bytes], SMALL_FILE_BYTES + 1)
    }
  } finally {
    closeSync(file)
  }
}

function readNext(file: number, source: string, bytes: Uint8Array, at: number): number {
  try {
    return readSync(file, bytes, at, bytes.length - at, null)
  } catch (cause) {
    throw unreadable(source, cause)
  }
}

/** The attributes of a file of this machine that its copy in the namespace gets. */
export function attributesOf(stat: BigIntStats): {
  readonly mode: number
  readonly modifiedNs: bigint
} {
  return { mode: Number(stat.mode & PERMISSIONS), modifiedNs: stat.mtimeNs }
}

/** Names a file of this machine that cannot be read. */
export function unreadable(path: string, cause: unknown): ShoalError {
  return new ShoalError('EIO', `${path} cannot be read: ${explain(cause).message}`, { cause })
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
