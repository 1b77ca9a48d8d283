// The one door to DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/): deterministic, strict, bounded.
import { decode as dagDecode, encode as dagEncode } from '@ipld/dag-cbor'
import { equalBytes } from './bytes.ts'
import { ShoalError } from './errors.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from './limits.ts'

/** Canonical DAG-CBOR bytes of a plain value (no undefined, floats only where meant). */
export function encodeCbor(value: unknown): Uint8Array {
  const bytes = dagEncode(value)
  // The encoder gives views of a 64 KiB buffer: kept for long, a few bytes would keep all of it.
  return bytes.length * 2 < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes
}

/**
 * The value of DAG-CBOR bytes. Lenient about what changes no value (order of keys, width of floats).
 * throws ShoalError 'malformed' for what is not DAG-CBOR, too deep or with too many items; never anything else.
 */
export function decodeCbor(bytes: Uint8Array, what: string): unknown {
  let value: unknown
  try {
    value = dagDecode(bytes)
  } catch (cause) {
    throw new ShoalError('malformed', `${what} is not DAG-CBOR`, { cause })
  }
  let items = 0
  const walk = (v: unknown, depth: number): void => {
    if (typeof v !== 'object' || v === null || v instanceof Uint8Array) return
    if (depth > CBOR_DEPTH_MAX) throw new ShoalError('malformed', `${what} is nested too deep`)
    for (const child of Array.isArray(v) ? v : Object.values(v)) {
      if (++items > CBOR_ITEMS_MAX) throw new ShoalError('malformed', `${what} has too many items`)
      walk(child, depth + 1)
    }
  }
  walk(value, 0)
  return value
}

/**
 * As decodeCbor, of bytes whose hash or signature replicas agree on: all must take them, or none.
 * throws ShoalError 'malformed' also unless they are the one canonical form of their value.
 */
export function decodeCanonicalCbor(bytes: Uint8Array, what: string): unknown {
  const value = decodeCbor(bytes, what)
  if (!equalBytes(encodeCbor(value), bytes)) {
    throw new ShoalError('malformed', `${what} is not in canonical form`)
  }
  return value
}

/** Reads typed fields from a decoded value; every method throws ShoalError 'malformed' naming `what` and the field. */
export class Fields {
  readonly #map: Readonly<Record<string, unknown>>
  readonly #what: string

  constructor(value: unknown, what: string) {
    if (
      typeof value !== 'object' ||
      value === null ||
      Array.isArray(value) ||
      value instanceof Uint8Array
    ) {
      throw new ShoalError('malformed', `${what} is not a map`)
    }
    this.#map = value as Record<string, unknown>
    this.#what = what
  }

  has(name: string): boolean {
    return this.#map[name] !== undefined && this.#map[name] !== null
  }

  raw(name: string): unknown {
    return this.#map[name]
  }

  text(name: string, lengthMax: number): string {
    const value = this.#map[name]
    if (typeof value !== 'string' || value.length > lengthMax) return this.#fail(name, 'text')
    return value
  }

  bytes(name: string, lengthMax: number, lengthMin = 0): Uint8Array {
    const value = this.#map[name]
    if (!(value instanceof Uint8Array) || value.length > lengthMax || value.length < lengthMin) {
      return this.#fail(name, `bytes of length ${lengthMin}..${lengthMax}`)
    }
    return value
  }

  /** A safe integer in [min, max]. */
  integer(name: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#map[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      return this.#fail(name, `an integer in ${min}..${max}`)
    }
    return value
  }

  boolean(name: string): boolean {
    const value = this.#map[name]
    if (typeof value !== 'boolean') return this.#fail(name, 'a boolean')
    return value
  }

  list(name: string, countMax: number): readonly unknown[] {
    const value = this.#map[name]
    if (!Array.isArray(value) || value.length > countMax)
      return this.#fail(name, `a list of at most ${countMax}`)
    return value
  }

  fields(name: string): Fields {
    return new Fields(this.#map[name], `${this.#what}.${name}`)
  }

  #fail(name: string, expected: string): never {
    throw new ShoalError('malformed', `${this.#what}: field "${name}" is not ${expected}`)
  }
}
