// Small files, many in one call. In an answer each is a frame: the length of its head (4 bytes,
// big-endian), the head in JSON, and the bytes. In a request there is one such head for all of
// them, and then the bytes of one after the other.
import { KIB, MIB } from '../../protocol/units.ts'
import { decodeJson, encodeJson, errorBody, errorFrom } from './wire.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { FileStat, NewSmallFile } from './files.ts'
import type { ErrorBody } from './wire.ts'

/** A larger one has to be read by itself. */
export const SMALL_FILE_BYTES: number = 64 * KIB
/** Maximum for one call. */
export const SMALL_FILES_MAX = 256
/** Maximum of a request with new files, in bytes. */
export const NEW_FILES_BYTES_MAX: number = 4 * MIB

/** One of the files that were asked for: what it holds, or why that cannot be read. */
export type SmallFile =
  | { readonly path: string; readonly stat: FileStat; readonly bytes: Uint8Array }
  | { readonly path: string; readonly error: ShoalError }

/** Why one of the files of a call was not written. */
export interface WriteFailure extends ErrorBody {
  /** Its place among them. */
  readonly at: number
}

/** As a request has it. */
export interface NewFileHead {
  readonly path: string
  /** Bytes of the file. */
  readonly length: number
  readonly mode?: number | undefined
  /** Decimal. */
  readonly modifiedNs?: string | undefined
}

interface Head {
  readonly path: string
  readonly stat?: FileStat
  /** Bytes that follow. */
  readonly length: number
  readonly failure?: ErrorBody
}

/** Bytes of the length of a head. */
export const PREFIX_BYTES = 4

export async function* encodeSmallFiles(
  pages: AsyncIterable<readonly SmallFile[]>,
): AsyncGenerator<Uint8Array> {
  for await (const page of pages) yield Buffer.concat(page.flatMap(frameOf))
}

/** Files of one request. */
export function encodeNewFiles(files: readonly NewSmallFile[]): Uint8Array {
  const heads = files.map(({ path, bytes, mode, modifiedNs }): NewFileHead => ({
    path,
    length: bytes.byteLength,
    mode,
    modifiedNs: modifiedNs?.toString(),
  }))
  const head = Buffer.from(JSON.stringify(heads))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(head.length)
  return Buffer.concat([prefix, head, ...files.map(({ bytes }) => bytes)])
}

/** Inverse of encodeSmallFiles, of bytes in any parts. */
export async function* decodeSmallFiles(
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly SmallFile[]> {
  let rest = Buffer.alloc(0)
  for await (const part of parts) {
    rest = rest.length === 0 ? Buffer.from(part) : Buffer.concat([rest, part])
    const page: SmallFile[] = []
    for (let frame = firstFrame(rest); frame !== undefined; frame = firstFrame(rest)) {
      page.push(frame.file)
      rest = rest.subarray(frame.length)
    }
    if (page.length > 0) yield page
  }
}

function frameOf(file: SmallFile): Uint8Array[] {
  const { path } = file
  const bytes = 'bytes' in file ? file.bytes : new Uint8Array(0)
  const what = 'bytes' in file ? { stat: file.stat } : { failure: errorBody(file.error) }
  const head = Buffer.from(encodeJson({ path, length: bytes.length, ...what } satisfies Head))
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(head.length)
  return [prefix, head, bytes]
}

/** undefined while not all of it is there. */
function firstFrame(
  bytes: Buffer,
): { readonly file: SmallFile; readonly length: number } | undefined {
  if (bytes.length < PREFIX_BYTES) return undefined
  const start = PREFIX_BYTES + bytes.readUInt32BE()
  if (bytes.length < start) return undefined
  const text = bytes.toString('utf8', PREFIX_BYTES, start)
  const { path, stat, length, failure } = decodeJson(text) as Head
  if (bytes.length < start + length) return undefined
  const content = bytes.subarray(start, start + length)
  if (stat !== undefined) return { file: { path, stat, bytes: content }, length: start + length }
  if (failure === undefined) throw new SyntaxError('a small file has neither bytes nor an error')
  return { file: { path, error: errorFrom(failure) }, length: start + length }
}
