// Bodies in chunks (`aws-chunked`): each with its length and, where they are signed, a signature
// over it and the signature before; after the last, trailers. A chunk is passed on as it comes;
// what fails breaks off the body, and who writes it writes nothing.
import { createHash } from 'node:crypto'
import { concatBytes } from '../../../protocol/bytes.ts'
import { invalid } from './s3-error.ts'
import { ALGORITHM, EMPTY_HASH, isSameSignature, sha256Hex, sign } from './sigv4.ts'

const LINE_BYTES_MAX = 1024
const TRAILERS_MAX = 16
const CHUNK_BYTES_MAX: number = 2 ** 31
const CR = 13
const LF = 10

/** How the chunks of a body are signed. */
export interface ChunkSigning {
  readonly key: Uint8Array
  readonly time: string
  readonly scope: string
  /** The signature of the request itself. */
  readonly seed: string
}

export interface ChunkedOptions {
  /** Undefined: they are not. */
  readonly signing: ChunkSigning | undefined
  readonly hasTrailers: boolean
  readonly onTrailers: (trailers: ReadonlyMap<string, string>) => void
}

/** throws S3Error. */
export async function* chunkedBody(
  body: AsyncIterable<Uint8Array>,
  { signing, hasTrailers, onTrailers }: ChunkedOptions,
): AsyncGenerator<Uint8Array> {
  const reader = new Reader(body)
  let last = signing?.seed ?? ''
  for (;;) {
    const { length, signature } = parseHead(await reader.line())
    const hash = signing && createHash('sha256')
    for await (const part of reader.take(length)) {
      hash?.update(part)
      yield part
    }
    if (signing !== undefined) {
      const digest = hash?.digest('hex') ?? EMPTY_HASH
      const { key, time, scope } = signing
      const text = [`${ALGORITHM}-PAYLOAD`, time, scope, last, EMPTY_HASH, digest].join('\n')
      last = checked(signature, sign(key, text))
    }
    if (length === 0) break
    await reader.lineEnd()
  }
  const trailers = await reader.trailers()
  if (signing !== undefined && hasTrailers) {
    const { key, time, scope } = signing
    const signature = trailers.get('x-amz-trailer-signature')
    trailers.delete('x-amz-trailer-signature')
    const signed = Array.from(trailers, ([name, value]) => `${name}:${value}\n`).join('')
    const text = [`${ALGORITHM}-TRAILER`, time, scope, last, sha256Hex(signed)].join('\n')
    checked(signature, sign(key, text))
  }
  onTrailers(trailers)
}

function checked(shown: string | undefined, signature: string): string {
  if (shown !== undefined && isSameSignature(shown, signature)) return signature
  throw invalid('a chunk has not the signature that it must have', 'SignatureDoesNotMatch')
}

function parseHead(line: string): { readonly length: number; readonly signature?: string } {
  const [, hex = '', signature] =
    /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line) ?? []
  const length = Number.parseInt(hex, 16)
  if (hex === '' || length > CHUNK_BYTES_MAX)
    throw invalid('a chunk does not begin with its length', 'IncompleteBody')
  return { length, ...(signature !== undefined && { signature }) }
}

/** Lines and lengths of bytes out of parts of any length. */
class Reader {
  readonly #parts: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#parts = body[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    let from = 0
    for (;;) {
      const end = this.#rest.indexOf(LF, from)
      if (end >= 0) {
        const line = this.#rest.subarray(0, end)
        this.#rest = this.#rest.subarray(end + 1)
        if (line.at(-1) !== CR) throw cut()
        return Buffer.from(line.subarray(0, -1)).toString('latin1')
      }
      from = this.#rest.length
      if (from > LINE_BYTES_MAX) throw cut()
      this.#rest = concatBytes([this.#rest, await this.#next()])
    }
  }

  async lineEnd(): Promise<void> {
    if ((await this.line()) !== '') throw cut()
  }

  async *take(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0) this.#rest = await this.#next()
      const part = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(part.length)
      left -= part.length
      if (part.length > 0) yield part
    }
  }

  /** To the empty line, or the end. */
  async trailers(): Promise<Map<string, string>> {
    const trailers = new Map<string, string>()
    for (;;) {
      const line = await this.line().catch((error: unknown) => {
        if (this.#rest.length === 0) return ''
        throw error
      })
      if (line === '') return trailers
      const colon = line.indexOf(':')
      if (colon <= 0 || trailers.size >= TRAILERS_MAX) throw cut()
      trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
    }
  }

  async #next(): Promise<Uint8Array> {
    const { done, value } = await this.#parts.next()
    if (done === true) throw cut()
    return value
  }
}

function cut(): Error {
  return invalid('the body ends before its last chunk, or is not in chunks', 'IncompleteBody')
}
