// Finds the runs of bytes that are not all zeros and so must be stored. Blocks make the search
// cheap: one that begins with another byte is left at once, and a hole of less than a block is not
// worth one.
import { KIB } from './units.ts'

const BLOCK_BYTES: number = 16 * KIB
const ZEROS: Uint8Array = new Uint8Array(BLOCK_BYTES)

/** Bytes [start, end). */
export interface Run {
  readonly start: number
  readonly end: number
}

/**
 * The longest runs of blocks that are not all zeros, in order. Blocks lie in the file as in a row
 * of them from its start.
 *
 * position: where in the file the bytes begin.
 */
export function* dataRuns(bytes: Uint8Array, position: number): Generator<Run, void, undefined> {
  let start: number | undefined
  for (let at = 0; at < bytes.length;) {
    const block = bytes.subarray(at, at + BLOCK_BYTES - ((position + at) % BLOCK_BYTES))
    const isZero = Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0
    if (!isZero) start ??= at
    else if (start !== undefined) {
      yield { start, end: at }
      start = undefined
    }
    at += block.length
  }
  if (start !== undefined) yield { start, end: bytes.length }
}
