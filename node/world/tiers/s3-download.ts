// Bytes of an object, in windows: each is a ranged GET that goes on where its connection broke, and
// a few are fetched ahead of the reader, who has each byte as soon as it has come. All come from
// one version of the object (If-Match).
import { createHash } from 'node:crypto'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { ShoalError } from '../../../protocol/errors.ts'
import { MIB } from '../../../protocol/units.ts'
import { backoffMs } from './s3-client.ts'
import { nameOf } from './s3-errors.ts'
import type { Semaphore } from '../semaphore.ts'
import type { Clock, Random } from '../world.ts'
import { ignoreFailure } from '../ignore-failure.ts'

const WINDOW_BYTES: number = 16 * MIB
const WINDOWS_AHEAD = 2
/** For a window whose body broke off; each also has the retries of the client. */
const ATTEMPTS_MAX = 5
const BASE_MS = 100

/** The parts of a download; `turns` bounds the windows in memory over all downloads of a tier. */
export interface DownloadParts {
  readonly client: S3Client
  readonly turns: Semaphore
  readonly clock: Clock
  readonly random: Random
}

export interface Source {
  readonly Bucket: string
  readonly Key: string
}

/** The facts about the object in the first answer for a window. */
interface Found {
  readonly objectBytes: number
  readonly etag: string | undefined
  /** MD5 of the whole object in hexadecimal, where the entity tag is that. */
  readonly md5: string | undefined
}

type Window = Arrivals<Found, Uint8Array>

const NOTHING: Found = { objectBytes: 0, etag: undefined, md5: undefined }

/**
 * Bytes [from, to) of an object, fewer where it ends before.
 * throws what the SDK does; `damaged()`, if given, after the last byte of a whole object whose
 * checksum is wrong.
 */
export async function* download(
  parts: DownloadParts,
  source: Source,
  { from, to }: { readonly from: number; readonly to: number },
  { signal: outer, damaged }: { signal: AbortSignal; damaged?: () => ShoalError },
): AsyncGenerator<Uint8Array> {
  if (from >= to) return
  const left = new AbortController()
  const signal = AbortSignal.any([outer, left.signal])
  const windows: Window[] = []
  const open = (start: number, etag?: string): void => {
    const range = { start, end: Math.min(start + WINDOW_BYTES, to), etag }
    windows.push(new Arrivals((window) => fetchWindow(parts, source, range, window, signal)))
  }
  try {
    open(from)
    const { objectBytes, etag, md5 } = (await windows[0]?.first) ?? NOTHING
    const end = Math.min(to, objectBytes)
    const isWhole = from === 0 && end === objectBytes
    const hash = damaged && isWhole && md5 !== undefined ? createHash('md5') : undefined
    let next = from + WINDOW_BYTES
    for (let window = windows[0]; window !== undefined; window = windows[0]) {
      for (; windows.length <= WINDOWS_AHEAD && next < end; next += WINDOW_BYTES) open(next, etag)
      for await (const chunk of window) {
        hash?.update(chunk)
        yield chunk
      }
      windows.shift()
    }
    if (damaged && hash && hash.digest('hex') !== md5) throw damaged()
  } finally {
    left.abort(new ShoalError('aborted', 'the reader has left'))
    await Promise.all(windows.map(({ over }) => over))
  }
}

async function fetchWindow(
  { client, turns, clock, random }: DownloadParts,
  source: Source,
  { start, end, etag: known }: { start: number; end: number; etag: string | undefined },
  window: Window,
  signal: AbortSignal,
): Promise<void> {
  const done = await turns.take(signal)
  try {
    let etag = known
    let at = start
    for (let attempt = 1; ; attempt++) {
      const range = { Range: `bytes=${at}-${end - 1}`, ...(etag && { IfMatch: etag }) }
      const command = new GetObjectCommand({ ...source, ...range })
      const answer = await client.send(command, { abortSignal: signal }).catch(ignoreBeyondEnd)
      if (answer === undefined) return window.begin({ ...NOTHING, etag })
      const objectBytes = objectBytesOf(answer, at)
      etag = answer.ETag
      window.begin({ objectBytes, etag, md5: md5Of(answer) })
      try {
        for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
          window.add(chunk)
          at += chunk.length
        }
        if (at >= Math.min(end, objectBytes)) return
        throw new Error(`the answer ended ${Math.min(end, objectBytes) - at} bytes early`)
      } catch (error) {
        signal.throwIfAborted()
        if (attempt >= ATTEMPTS_MAX) throw error
      }
      await clock.sleep(backoffMs(random, BASE_MS, attempt), { signal })
    }
  } finally {
    done()
  }
}

/** The object's size, which an answer to a ranged GET tells. */
function objectBytesOf(
  { ContentRange, ContentLength }: GetObjectCommandOutput,
  at: number,
): number {
  const [, start, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange ?? '') ?? []
  if (Number(start) === at) return Number(size)
  // All of it may come where its start was asked for.
  if (ContentRange === undefined && at === 0 && (ContentLength ?? 0) <= WINDOW_BYTES) {
    return ContentLength ?? 0
  }
  throw new ShoalError('unsupported', 'the server did not return the requested range')
}

/**
 * An entity tag is the MD5 of what came in one request, if it is not encrypted with a key of its
 * own.
 */
function md5Of({
  ETag,
  ServerSideEncryption,
  SSECustomerAlgorithm,
}: GetObjectCommandOutput): string | undefined {
  const plain = ServerSideEncryption === undefined || ServerSideEncryption === 'AES256'
  if (!plain || SSECustomerAlgorithm !== undefined) return undefined
  return /^"?([0-9a-f]{32})"?$/.exec(ETag ?? '')?.[1]
}

function ignoreBeyondEnd(error: unknown): undefined {
  if (nameOf(error) !== 'InvalidRange') throw error
}

/**
 * Pieces of a fetch, in memory until they are read, by one reader: each is available as soon as it
 * has come, however many are still to come.
 */
class Arrivals<First, Piece> implements AsyncIterable<Piece> {
  /** Resolves when nothing comes any more. Never rejects. */
  readonly over: Promise<void>
  readonly #first = Promise.withResolvers<First>()
  readonly #pieces: Piece[] = []
  #news = Promise.withResolvers<void>()
  #end: { readonly failure?: unknown } | undefined

  /** fetch: calls begin() once, and then add() for each piece. */
  constructor(fetch: (arrivals: Arrivals<First, Piece>) => Promise<void>) {
    // Whoever reads on is told; who does not need not know.
    void ignoreFailure(this.#first.promise, 'it is thrown where it is awaited')
    this.over = this.#run(fetch)
  }

  /** The facts known before the first piece has come. throws what fetching threw. */
  get first(): Promise<First> {
    return this.#first.promise
  }

  begin(first: First): void {
    this.#first.resolve(first)
  }

  add(piece: Piece): void {
    this.#pieces.push(piece)
    this.#news.resolve()
  }

  /** throws what fetching threw, after what came before. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    for (;;) {
      for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift())
        yield piece
      if (this.#end !== undefined) break
      await this.#news.promise
      this.#news = Promise.withResolvers()
    }
    if ('failure' in this.#end) throw this.#end.failure
  }

  async #run(fetch: (arrivals: Arrivals<First, Piece>) => Promise<void>): Promise<void> {
    try {
      await fetch(this)
      this.#end = {}
    } catch (failure) {
      this.#end = { failure }
      this.#first.reject(failure)
    }
    this.#news.resolve()
  }
}
