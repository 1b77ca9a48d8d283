// Honest messages of members: the golden vectors of every format, and values of the namespace's
// formats at random.
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { encodeCbor } from '../../protocol/cbor.ts'
import { zstdCompress } from '../../protocol/compress.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { encodeOp } from '../../protocol/op/codec.ts'
import { anyOp } from '../protocol/arbitraries.ts'

/** A volume, and the one key that everything in it is sealed with. */
export const VOLUME: VolumeId = '4d'.repeat(32) as VolumeId
export const KEY: Uint8Array = new Uint8Array(32).fill(7)

const FOLDER = join(import.meta.dirname, '..', 'vectors')
const HEX = /^([0-9a-f]{2})+$/

/** All bytes in a file of vectors, at the keys that `path` names: `first.entry`; or below it. */
export function vectors(file: string, path = ''): Uint8Array[] {
  let value: unknown = JSON.parse(readFileSync(join(FOLDER, `${file}.json`), 'utf8'))
  for (const key of path === '' ? [] : path.split('.'))
    value = (value as Readonly<Record<string, unknown>>)[key]
  return [...hexIn(value)]
}

/** Batches of ops of all kinds, in CBOR: alone, and many together. */
export function batches(): Uint8Array[] {
  const ops = fc.sample(anyOp, { numRuns: 120, seed: 1 }).map(encodeOp)
  const alone = ops.map((op) => encodeCbor([1, [op]]))
  return [...alone, encodeCbor([1, []]), encodeCbor([1, ops]), encodeCbor([2, 'later'])]
}

/** Compressed data, by this program and by another. */
export function zstdFrames(): Uint8Array[] {
  const plain = Buffer.alloc(3000, 'what is written down stays')
  return [zstdCompress(plain), zstdCompressSync(plain), ...vectors('batch', 'clear')]
}

function* hexIn(value: unknown): Generator<Uint8Array> {
  if (typeof value === 'string' && HEX.test(value)) yield Uint8Array.from(Buffer.from(value, 'hex'))
  if (typeof value !== 'object' || value === null) return
  for (const inner of Object.values(value)) yield* hexIn(inner)
}
