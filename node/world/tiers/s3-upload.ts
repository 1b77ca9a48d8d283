// An object goes up in one request if it is small, else in parts, several at a time ("Uploading and
// copying objects using multipart upload", Amazon S3 User Guide). Either way it is there whole or
// not at all: the first failure ends all requests and discards the parts. Each request carries a
// hash of its body, which the server checks.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type {
  CompleteMultipartUploadCommandInput,
  S3Client,
  StorageClass,
} from '@aws-sdk/client-s3'
import { assert } from '../../../protocol/errors.ts'
import { MIB, SECOND_MS, divCeil } from '../../../protocol/units.ts'
import { nameOf } from './s3-errors.ts'
import type { Semaphore } from '../semaphore.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import type { Clock } from '../world.ts'
import { ignoreFailure } from '../ignore-failure.ts'

/**
 * An object of up to so many bytes, as the pack of a large stripe, is one request: each costs
 * money.
 */
const SINGLE_BYTES_MAX: number = 32 * MIB
const PART_BYTES: number = 16 * MIB
/** A limit of S3: parts are numbered from 1 to this. */
const PARTS_MAX = 10_000
const DISCARD_MS = 30 * SECOND_MS

/** The parts of an upload; `turns` bounds the parts in memory over all uploads of a tier. */
export interface UploadParts {
  readonly client: S3Client
  readonly turns: Semaphore
  readonly clock: Clock
}

export interface UploadTarget {
  readonly Bucket: string
  readonly Key: string
  readonly StorageClass?: StorageClass
}

interface Part {
  readonly number: number
  readonly bytes: Uint8Array
  readonly last: boolean
}

/** Store what `chunks` has. size: as ObjectTier.put. throws what the SDK does, or `wrongSize()`. */
export async function upload(
  components: UploadParts,
  target: UploadTarget,
  { chunks, size }: { readonly chunks: AsyncIterable<Uint8Array>; readonly size?: number },
  { signal, wrongSize }: { signal: AbortSignal; wrongSize: (found: number) => ShoalError },
): Promise<void> {
  const parts = cut(chunks, partBytesOf(size), size)
  const first = (await parts.next()).value
  assert(first !== undefined, 'there is always a last part')
  const check = (bytes: number): void => {
    if (size !== undefined && bytes !== size) throw wrongSize(bytes)
  }
  if (!first.last) return uploadParts(components, target, { first, parts, check }, signal)
  check(first.bytes.length)
  const done = await components.turns.take(signal)
  try {
    const command = new PutObjectCommand({ ...target, Body: first.bytes })
    await components.client.send(command, { abortSignal: signal })
  } finally {
    done()
  }
}

async function uploadParts(
  { client, turns, clock }: UploadParts,
  target: UploadTarget,
  {
    first,
    parts,
    check,
  }: { first: Part; parts: AsyncGenerator<Part>; check: (bytes: number) => void },
  outer: AbortSignal,
): Promise<void> {
  const { Bucket, Key } = target
  const create = new CreateMultipartUploadCommand(target)
  const { UploadId } = await client.send(create, { abortSignal: outer })
  const sent: { PartNumber: number; ETag: string | undefined }[] = []
  const underway = new Set<Promise<void>>()
  const failed = new AbortController()
  const signal = AbortSignal.any([outer, failed.signal])
  const send = async ({ number, bytes }: Part, done: () => void): Promise<void> => {
    const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: number, Body: bytes })
    try {
      const { ETag } = await client.send(part, { abortSignal: signal })
      sent.push({ PartNumber: number, ETag })
    } catch (error) {
      failed.abort(error)
    } finally {
      done()
    }
  }
  try {
    let bytes = 0
    for (let part: Part | void = first; part; part = (await parts.next()).value) {
      bytes += part.bytes.length
      const sending = send(part, await turns.take(signal))
      underway.add(sending)
      void sending.then(() => underway.delete(sending))
    }
    await Promise.all(underway)
    signal.throwIfAborted()
    check(bytes)
    sent.sort((a, b) => a.PartNumber - b.PartNumber)
    await complete(
      client,
      { Bucket, Key, UploadId, MultipartUpload: { Parts: sent } },
      bytes,
      signal,
    )
  } catch (error) {
    failed.abort(error)
    await Promise.all(underway)
    await discard(client, { Bucket, Key, UploadId }, clock)
    throw error
  } finally {
    await parts.return(undefined)
  }
}

/**
 * If the answer to the first try was lost, another finds no upload: then the object tells whether
 * it was done.
 */
async function complete(
  client: S3Client,
  input: CompleteMultipartUploadCommandInput & { MultipartUpload: { Parts: readonly unknown[] } },
  bytes: number,
  abortSignal: AbortSignal,
): Promise<void> {
  try {
    await client.send(new CompleteMultipartUploadCommand(input), { abortSignal })
  } catch (error) {
    if (nameOf(error) !== 'NoSuchUpload') throw error
    const { Bucket, Key } = input
    const found = await client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal })
    const partsCount = `-${input.MultipartUpload.Parts.length}"`
    if (found.ContentLength !== bytes || found.ETag?.endsWith(partsCount) !== true) throw error
  }
}

/**
 * Also after the upload was told to end, hence no signal of its. What is left is discarded by a
 * later check of the tier.
 */
async function discard(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
  clock: Clock,
): Promise<void> {
  const abortSignal = clock.timeout(DISCARD_MS)
  await ignoreFailure(
    client.send(new AbortMultipartUploadCommand(upload), { abortSignal }),
    'the bucket removes parts of uploads that were given up',
  )
}

function partBytesOf(size = 0): number {
  const isSingle = size > PART_BYTES && size <= SINGLE_BYTES_MAX
  return isSingle ? size : Math.max(PART_BYTES, divCeil(size, PARTS_MAX))
}

/** Parts of `partBytes`, and a last one of up to that many, which is empty only if all is. */
async function* cut(
  chunks: AsyncIterable<Uint8Array>,
  partBytes: number,
  size = Infinity,
): AsyncGenerator<Part> {
  let left = size
  let number = 1
  // Filled as the chunks come, which then need not stay.
  const nextPart = (): Uint8Array =>
    Buffer.allocUnsafeSlow(left > 0 ? Math.min(partBytes, left) : partBytes)
  let bytes = nextPart()
  let filled = 0
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0;) {
      if (filled === bytes.length) {
        yield { number: number++, bytes, last: false }
        left -= filled
        bytes = nextPart()
        filled = 0
      }
      const taken = rest.subarray(0, bytes.length - filled)
      bytes.set(taken, filled)
      filled += taken.length
      rest = rest.subarray(taken.length)
    }
  }
  yield { number, bytes: bytes.subarray(0, filled), last: true }
}
