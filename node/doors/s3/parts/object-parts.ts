// Parts of which a completed upload made an object, as far as they are told apart later: their
// sizes, run by run, and their checksums. They lie in the object's metadata, which listings read:
// beyond a bound they are not kept, and then only their count is known.
import { checksumBytes } from '../checksums.ts'
import type { ChecksumName } from '../checksums.ts'
import { invalid } from '../s3-error.ts'

const RUNS_MAX = 256
const SUMS_BYTES_MAX = 4096
const UPLOAD = /^[0-9a-f-]{32,40}$/

/** The parts that an upload may have. */
export const PARTS_MAX = 10_000

export interface PartsMade {
  /** The id of the upload. */
  readonly upload: string
  /** Sizes in order, each with the number of parts in a row that have it. */
  readonly sizes?: readonly (readonly [sizeBytes: number, count: number])[]
  /** All checksums in a row, in base64. */
  readonly sums?: string
}

export function madeOf(
  upload: string,
  parts: readonly { readonly sizeBytes: number; readonly checksum: string | undefined }[],
): PartsMade {
  const sizes: [number, number][] = []
  for (const { sizeBytes } of parts) {
    const last = sizes.at(-1)
    if (last?.[0] === sizeBytes) last[1]++
    else sizes.push([sizeBytes, 1])
  }
  const sums = Buffer.concat(parts.map(({ checksum = '' }) => Buffer.from(checksum, 'base64')))
  return {
    upload,
    ...(sizes.length <= RUNS_MAX && { sizes }),
    ...(sums.length > 0 && sums.length <= SUMS_BYTES_MAX && { sums: sums.toString('base64') }),
  }
}

/** As it was kept, if it is of an object with so many bytes and parts. */
export function readMade(
  value: Readonly<Record<string, unknown>>,
  { sizeBytes, parts }: { readonly sizeBytes: number; readonly parts: number },
): PartsMade | undefined {
  const { upload, sizes, sums } = value
  if (typeof upload !== 'string' || !UPLOAD.test(upload)) return undefined
  const runs = Array.isArray(sizes) && sizes.length <= RUNS_MAX ? sizes.filter(isRun) : []
  const isAll =
    runs.reduce((sum, [, count]) => sum + count, 0) === parts &&
    runs.reduce((sum, [bytes, count]) => sum + bytes * count, 0) === sizeBytes
  return {
    upload,
    ...(isAll && { sizes: runs }),
    ...(isAll && typeof sums === 'string' && sums.length <= 2 * SUMS_BYTES_MAX && { sums }),
  }
}

function isRun(value: unknown): value is [number, number] {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [sizeBytes, count]: readonly unknown[] = value
  return (
    Number.isSafeInteger(sizeBytes) &&
    Number(sizeBytes) >= 0 &&
    Number.isSafeInteger(count) &&
    Number(count) > 0
  )
}

/** The number in a query. throws S3Error. */
export function partNumberOf({ query }: { readonly query: ReadonlyMap<string, string> }): number {
  const text = query.get('partNumber') ?? ''
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > PARTS_MAX)
    throw invalid(`a part has a number from 1 to ${PARTS_MAX}`)
  return number
}

/** The place of a part, from 1 on, in the object; undefined: it is not known. */
export function placeOfPart(
  { sizes = [] }: PartsMade,
  number: number,
): { readonly offsetBytes: number; readonly lengthBytes: number } | undefined {
  let [offsetBytes, before] = [0, 0]
  for (const [lengthBytes, count] of sizes) {
    if (number <= before + count)
      return { offsetBytes: offsetBytes + (number - before - 1) * lengthBytes, lengthBytes }
    before += count
    offsetBytes += count * lengthBytes
  }
  return undefined
}

/** The checksum of a part, in base64; undefined: it is not known. */
export function checksumOfPart(
  { sums = '' }: PartsMade,
  name: ChecksumName,
  number: number,
): string | undefined {
  const size = checksumBytes(name)
  const bytes = Buffer.from(sums, 'base64').subarray((number - 1) * size, number * size)
  return bytes.length === size ? bytes.toString('base64') : undefined
}
