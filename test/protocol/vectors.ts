// Golden vectors: inputs and exact outputs of a format, in test/vectors/*.json, for other
// implementations to check themselves against. A test computes the same and compares; with
// SHOAL_UPDATE_VECTORS=1 it writes the file instead, which is right only when a format is meant to
// change (then its version number changes too).
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Compare with, or write, test/vectors/<name>.json. `vectors` holds plain JSON values. */
export function checkVectors(name: string, vectors: unknown): void {
  const path = join(import.meta.dirname, '..', 'vectors', `${name}.json`)
  if (process.env['SHOAL_UPDATE_VECTORS'] === '1') {
    writeFileSync(path, `${JSON.stringify(vectors, undefined, 2)}\n`)
  }
  assert.deepEqual(vectors, JSON.parse(readFileSync(path, 'utf8')))
}

/**
 * `length` reproducible bytes that look random: the low bytes of Marsaglia's xorshift32 (13, 17,
 * 5), seed > 0.
 */
export function xorshiftBytes(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let x = seed >>> 0
  for (let i = 0; i < length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[i] = x
  }
  return bytes
}
