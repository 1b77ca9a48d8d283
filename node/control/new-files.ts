// The check of a request with new small files (small-files.ts).
import { z } from 'zod'
import { ESCAPE_CHARS } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { PATH_MAX } from '../../protocol/limits.ts'
import { check, nanosecondsText } from './fields.ts'
import { MODE_MAX } from './files.ts'
import {
  NEW_FILES_BYTES_MAX,
  PREFIX_BYTES,
  SMALL_FILES_MAX,
  SMALL_FILE_BYTES,
} from './small-files.ts'
import type { NewSmallFile } from './files.ts'

const headsSchema = z
  .array(
    z.strictObject({
      path: z
        .string()
        .min(1)
        .max(ESCAPE_CHARS * PATH_MAX),
      length: z.int().min(0).max(SMALL_FILE_BYTES),
      mode: z.int().min(0).max(MODE_MAX).optional(),
      modifiedNs: nanosecondsText.optional(),
    }),
  )
  .min(1)
  .max(SMALL_FILES_MAX)

/**
 * Inverse of encodeNewFiles, of bytes in any parts; what is returned are views of them. throws
 * ShoalError 'malformed', 'usage', and what the source throws.
 */
export async function decodeNewFiles(
  parts: AsyncIterable<Uint8Array>,
): Promise<readonly NewSmallFile[]> {
  const bytes = await readWhole(parts)
  const start = bytes.length < PREFIX_BYTES ? Infinity : PREFIX_BYTES + bytes.readUInt32BE()
  if (bytes.length < start) throw malformed('ends within its head')
  const heads = check(headsSchema, parsed(bytes.toString('utf8', PREFIX_BYTES, start)))
  const length = heads.reduce((sum, head) => sum + head.length, 0)
  if (bytes.length !== start + length)
    throw malformed(`has ${bytes.length - start} bytes of files where ${length} were announced`)
  let at = start
  return heads.map(({ path, mode, modifiedNs, length: size }) => {
    at += size
    return { path, mode, modifiedNs, bytes: bytes.subarray(at - size, at) }
  })
}

async function readWhole(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of source) {
    length += part.byteLength
    if (length > NEW_FILES_BYTES_MAX) throw malformed(`is longer than ${NEW_FILES_BYTES_MAX} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw malformed(`has a head that is not JSON: ${(cause as Error).message}`, cause)
  }
}

function malformed(how: string, cause?: unknown): ShoalError {
  return new ShoalError('malformed', `the request ${how}`, { cause })
}
