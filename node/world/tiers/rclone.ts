// A tier on any remote of the rclone program. What is put is first whole in a file here, so that
// rclone knows its size, compares checksums and can try again, and a killed node leaves no half
// object. Remotes that show a file while it is written get it under another name, then renamed.
import { open, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { PARTIAL_FOLDER } from './dir.ts'
import { runRclone, streamRclone } from './rclone-command.ts'
import { noVersions, tierError, wrongSize } from './tier-error.ts'
import type { RcloneLocation } from '../../../protocol/cold/location.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { ObjectTier, Random, TierObject } from '../world.ts'
import type { RcloneOptions } from './rclone-command.ts'
import type { TierPlace } from './tier-error.ts'

const NAME_BYTES = 16
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/**
 * As rclone writes durations: what lies for longer among the partial files was left by a process
 * that died.
 */
const PARTIAL_KEPT = '1d'
const ATTEMPTS_MAX = 3

/** A line of lsjson. */
interface Listed {
  readonly Path: string
  readonly Size: number
  readonly ModTime: string
  readonly IsDir: boolean
  readonly Tier?: string
}

export interface RcloneTierOptions extends RcloneOptions {
  readonly name: string
  /** The folder of objects while they are put; created if it does not exist. */
  readonly spoolFolder: string
}

export class RcloneTier implements ObjectTier {
  readonly #root: string
  readonly #random: Random
  readonly #options: RcloneTierOptions
  /** Whether the remote renames; asked once. */
  #renames: Promise<boolean> | undefined

  constructor(
    { random }: { random: Random },
    location: RcloneLocation,
    options: RcloneTierOptions,
  ) {
    this.#random = random
    this.#root = `${location.remote}:${location.path}`
    this.#options = options
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    { signal, storageClass }: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void> {
    const name = toHex(this.#random.bytes(NAME_BYTES))
    const spooled = join(this.#options.spoolFolder, name)
    const flags = storageClass === undefined ? [] : [`--s3-storage-class=${storageClass}`]
    try {
      const bytes = await this.#spool(spooled, chunks, signal)
      if (size !== undefined && bytes !== size) throw wrongSize(this.#at(key), size, bytes)
      await this.#checkRoot(signal)
      if (!(await this.#canRename(signal))) {
        await this.#run(key, ['copyto', ...flags, spooled, this.#path(key)], signal)
        return
      }
      const partial = this.#path(`${PARTIAL_FOLDER}/${name}`)
      await this.#run(key, ['copyto', ...flags, spooled, partial], signal)
      await this.#run(key, ['moveto', partial, this.#path(key)], signal)
    } finally {
      await rm(spooled, { force: true })
    }
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    let at = range?.from ?? 0
    let to = range?.to ?? Infinity
    for (let attempt = 1; at < to; attempt++) {
      const span = [`--offset=${at}`, ...(to < Infinity ? [`--count=${to - at}`] : [])]
      let failure: unknown
      try {
        for await (const chunk of this.#stream(key, ['cat', ...span, this.#path(key)], signal)) {
          at += chunk.length
          yield chunk
        }
      } catch (error) {
        signal.throwIfAborted()
        failure = error
      }
      if (failure === undefined && at === to) return
      // rclone gives nothing, without complaint, of an object that is not there; and complains
      // beyond the end.
      const found = await this.head(key, { signal })
      if (found === undefined) throw tierError('cold-missing', this.#at(key), 'does not exist')
      to = Math.min(to, found.bytes)
      if (at >= to) return
      const cut = `came only up to byte ${at} of ${found.bytes}: read it again`
      failure ??= tierError('cold-unreachable', this.#at(key), cut)
      if (attempt >= ATTEMPTS_MAX || !hasCode(failure, 'cold-unreachable')) throw failure
    }
  }

  async head(key: string, { signal }: { signal: AbortSignal }): Promise<TierObject | undefined> {
    try {
      const args = ['lsjson', '--stat', '--no-mimetype', this.#path(key)]
      const found = JSON.parse(await this.#run(key, args, signal)) as Listed
      return found.IsDir ? undefined : objectOf(found)
    } catch (error) {
      if (!hasCode(error, 'cold-missing')) throw error
      await this.#checkRoot(signal)
      return undefined
    }
  }

  async *list(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    const what = ['--recursive', '--files-only', '--no-mimetype', '--use-server-modtime']
    const but = `--exclude=/${PARTIAL_FOLDER}/**`
    const args = ['lsjson', ...what, but, this.#path(folder).replace(/\/$/, '')]
    try {
      for await (const line of linesOf(this.#stream(undefined, args, signal))) {
        // An array, one object a line.
        if (!line.startsWith('{')) continue
        const found = JSON.parse(line.replace(/,$/, '')) as Listed
        const key = folder + found.Path
        if (key.startsWith(prefix)) yield { key, ...objectOf(found) }
      }
    } catch (error) {
      if (!hasCode(error, 'cold-missing')) throw error
      await this.#checkRoot(signal)
    }
  }

  async remove(keys: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    await this.#checkRoot(signal)
    const args = ['delete', '--files-from-raw=-', '--no-traverse', this.#root]
    await this.#run(undefined, args, signal, keys.map((key) => `${key}\n`).join(''))
  }

  async restore(key: string, days: number, { signal }: { signal: AbortSignal }): Promise<void> {
    const how = ['-o', 'priority=Standard', '-o', `lifetime=${days}`]
    const args = ['backend', 'restore', '--files-from-raw=-', this.#root, ...how]
    await this.#run(key, args, signal, `${key}\n`)
  }

  async rollBack(): Promise<number> {
    throw noVersions(this.#options.name)
  }

  async check({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#checkRoot(signal)
    if (!(await this.#canRename(signal))) return
    const left = ['delete', `--min-age=${PARTIAL_KEPT}`, this.#path(PARTIAL_FOLDER)]
    await this.#run(undefined, left, signal).catch(ignoreMissing)
  }

  async close(): Promise<void> {}

  /** rclone would make the folders of a remote that is, for once, not there. */
  async #checkRoot(signal: AbortSignal): Promise<void> {
    try {
      await this.#run(undefined, ['lsjson', '--stat', '--no-mimetype', this.#root], signal)
    } catch (error) {
      if (!hasCode(error, 'cold-missing')) throw error
      const what = `${this.#root} does not exist: create it with \`rclone mkdir ${this.#root}\``
      throw tierError('cold-gone', this.#at(), what, { cause: error })
    }
  }

  #canRename(signal: AbortSignal): Promise<boolean> {
    this.#renames ??= this.#run(undefined, ['backend', 'features', this.#root], signal).then(
      (text) => (JSON.parse(text) as { Features: { Move?: boolean } }).Features.Move === true,
      (error: unknown) => {
        this.#renames = undefined
        throw error
      },
    )
    return this.#renames
  }

  async #spool(
    path: string,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number> {
    await mkdir(this.#options.spoolFolder, { recursive: true, mode: FOLDER_MODE })
    const file = await open(path, 'wx', FILE_MODE)
    try {
      let bytes = 0
      for await (const chunk of chunks) {
        signal.throwIfAborted()
        await file.writeFile(chunk)
        bytes += chunk.length
      }
      return bytes
    } finally {
      await file.close()
    }
  }

  #path(key: string): string {
    return `${this.#root}/${key}`
  }

  #at(key?: string): TierPlace {
    return { tier: this.#options.name, key }
  }

  #run(
    key: string | undefined,
    args: readonly string[],
    signal: AbortSignal,
    input = '',
  ): Promise<string> {
    return runRclone(this.#options, this.#at(key), { args, input, signal })
  }

  #stream(
    key: string | undefined,
    args: readonly string[],
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    return streamRclone(this.#options, this.#at(key), { args, signal })
  }
}

function objectOf({ Size, ModTime, Tier = '' }: Listed): TierObject {
  const modifiedMs = Date.parse(ModTime) as WallTime
  return { bytes: Size, modifiedMs, storageClass: Tier, restore: 'none' }
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, 'cold-missing')) throw error
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
