// The inputs that a lying peer may send: every prefix and single-byte change of honest bytes,
// random bytes, and honest CBOR in which any one value is replaced by another of every type and of
// every awkward size. Exhaustive where it can be: a decoder that trusts one field is found on every
// run.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { CODEC_DAG_CBOR, MULTIHASH_BLAKE3, encodeCid } from '../../protocol/ids.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

/** The errors that a decoder of foreign bytes may throw. */
const REFUSALS: readonly ErrorCode[] = ['malformed', 'bad-signature', 'unsupported']

const LINK = CID.decode(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, new Uint8Array(32)))

/** Values of every type that CBOR can carry, at the edges of what a decoder may expect. */
const ODD_BYTES = [0, 1, 15, 16, 17, 31, 32, 33, 36, 64, 300, 5000]
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  1,
  -1,
  1.5,
  2 ** 16,
  2 ** 31,
  2 ** 32 + 1,
  2 ** 48,
  2 ** 53 - 1,
  2n ** 53n,
  2n ** 64n - 1n,
  -(2n ** 64n),
  '',
  'x',
  '\0',
  '__proto__',
  'x'.repeat(2000),
  ...ODD_BYTES.map((length) => new Uint8Array(length)),
  [],
  [[]],
  [null],
  [1, 2, 3],
  Array.from({ length: 5000 }, () => 0),
  {},
  { t: 'x' },
  { o: 'unknown' },
  LINK,
]

/**
 * Assert that `decode` takes each of `honest`, and of everything made from them either takes it or
 * refuses it with one of `codes`. `cbor`: the bytes are CBOR, so values inside are replaced too.
 */
export function assertRefusesOnly(
  decode: (bytes: Uint8Array) => unknown,
  honest: readonly Uint8Array[],
  { codes = REFUSALS, cbor = true }: { codes?: readonly ErrorCode[]; cbor?: boolean } = {},
): void {
  const tryOut = (bytes: Uint8Array): void => assertRefusal(() => decode(bytes), codes)
  for (const bytes of honest) {
    decode(bytes)
    for (const mutant of mutants(bytes)) tryOut(mutant)
    if (!cbor) continue
    for (const value of replacements(decodeCbor(bytes, 'honest'))) tryOut(encodeCbor(value))
  }
  const random = fc.uint8Array({ maxLength: 300 })
  fc.assert(fc.property(random, tryOut), { seed: 1, numRuns: 300 })
  fc.assert(
    fc.property(fc.anything(PLAIN), (value) => tryOut(encodeCbor(value))),
    { seed: 2, numRuns: 300 },
  )
}

/** Assert that `run` returns, or throws a ShoalError with one of `codes`. */
export function assertRefusal(run: () => unknown, codes: readonly ErrorCode[] = REFUSALS): void {
  try {
    run()
  } catch (error) {
    const fits = error instanceof ShoalError && codes.includes(error.code)
    assert.ok(fits, `refused with ${String(error)} and not with one of ${codes.join(', ')}`)
  }
}

const PLAIN: fc.ObjectConstraints = {
  maxDepth: 3,
  values: [
    fc.integer(),
    fc.string(),
    fc.uint8Array({ maxLength: 40 }),
    fc.boolean(),
    fc.constant(null),
  ],
}

/** Every prefix, and every byte changed in three ways; spread evenly over what is long. */
function* mutants(bytes: Uint8Array): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(bytes.length / 400))
  for (let i = 0; i < bytes.length; i += step) {
    yield bytes.subarray(0, i)
    for (const flip of [0x01, 0x80, 0xff]) {
      const mutant = Uint8Array.from(bytes)
      mutant[i] = (mutant[i] ?? 0) ^ flip
      yield mutant
    }
  }
  yield Uint8Array.from([...bytes, 0])
}

/** `value` with each value inside replaced by each odd one; and each item or field left out. */
function* replacements(value: unknown): Generator {
  yield* ODD_VALUES
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  for (const key of keys) {
    const inner = (value as Record<string | number, unknown>)[key]
    for (const replacement of replacements(inner)) yield withItem(value, key, replacement)
    yield without(value, key)
  }
}

function withItem(value: object, key: string | number, item: unknown): unknown {
  return Array.isArray(value) ? value.with(Number(key), item) : { ...value, [key]: item }
}

function without(value: object, key: string | number): unknown {
  if (Array.isArray(value)) return value.toSpliced(Number(key), 1)
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== key))
}
