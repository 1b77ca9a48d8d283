// The one door to DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/): deterministic, strict,
// bounded.
import { decode as dagDecode, encode as dagEncode } from '@ipld/dag-cbor'
import { equalBytes } from './bytes.ts'
import { ShoalError } from './errors.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from './limits.ts'
import { enforces } from './trust.ts'

/** Canonical DAG-CBOR bytes of a plain value (no undefined, floats only where meant). */
export function encodeCbor(value: unknown): Uint8Array {
  const bytes = dagEncode(value)
  // The encoder gives views of a 64 KiB buffer: kept for long, a few bytes would keep all of it.
  return bytes.length * 2 < bytes.buffer.byteLength ? Uint8Array.from(bytes) : bytes
}

/**
 * The value of DAG-CBOR bytes. Lenient about what changes no value (order of keys, width of
 * floats). itemsMax: items of lists, keys and values that it may have, at all depths; as few as its
 * message allows.
 * throws ShoalError 'malformed' for what is not DAG-CBOR, too deep or with too many items; never
 * anything else. That is found before anything is built: what is refused costs no memory.
 */
export function decodeCbor(
  bytes: Uint8Array,
  what: string,
  itemsMax: number = CBOR_ITEMS_MAX,
): unknown {
  if (enforces('cbor-counted-first')) {
    const fault = faultOf(bytes, itemsMax)
    if (fault !== undefined) throw new ShoalError('malformed', `${what} ${fault}`)
  }
  try {
    return dagDecode(bytes)
  } catch (cause) {
    throw new ShoalError('malformed', `${what} is not DAG-CBOR`, { cause })
  }
}

/**
 * As decodeCbor, of bytes whose hash or signature replicas agree on: all must take them, or none.
 * throws ShoalError 'malformed' also unless they are the one canonical form of their value.
 */
export function decodeCanonicalCbor(
  bytes: Uint8Array,
  what: string,
  itemsMax: number = CBOR_ITEMS_MAX,
): unknown {
  const value = decodeCbor(bytes, what, itemsMax)
  if (!equalBytes(encodeCbor(value), bytes)) {
    throw new ShoalError('malformed', `${what} is not in canonical form`)
  }
  return value
}

const [BYTES, TEXT, LIST, MAP, TAG] = [2, 3, 4, 5, 6]
/** How many items are still to come, by depth. */
const left = new Float64Array(CBOR_DEPTH_MAX + 1)

/**
 * The fault in the shape of one CBOR value that fills `bytes`, found by the heads of its items
 * alone (RFC 8949 §3); undefined if there is none. cost: one pass, nothing allocated.
 */
function faultOf(bytes: Uint8Array, itemsMax: number): string | undefined {
  const end = bytes.length
  let [at, depth, items] = [0, -1, 0]
  for (;;) {
    if (at >= end) return 'is cut off'
    const head = bytes[at++] ?? 0
    const major = head >> 5
    let argument = head & 31
    if (argument >= 24) {
      if (argument > 27) return 'is not DAG-CBOR'
      const width = 1 << (argument - 24)
      if (width > end - at) return 'is cut off'
      argument = 0
      for (const after = at + width; at < after; at++) argument = argument * 256 + (bytes[at] ?? 0)
    }
    switch (major) {
      case BYTES:
      case TEXT:
        if (argument > end - at) return 'is cut off'
        at += argument
        break
      case LIST:
      case MAP: {
        const count = major === LIST ? argument : 2 * argument
        items += count
        if (items > itemsMax) return 'has too many items'
        if (count > end - at) return 'is cut off'
        if (++depth > CBOR_DEPTH_MAX) return 'is nested too deep'
        left[depth] = count
        break
      }
      case TAG:
        // A link: a byte string follows.
        if ((bytes[at] ?? 0) >> 5 !== BYTES) return 'is not DAG-CBOR'
        continue
    }
    while (depth >= 0 && left[depth] === 0) depth--
    if (depth < 0) return at === end ? undefined : 'goes on after its end'
    left[depth] = (left[depth] ?? 0) - 1
  }
}

/**
 * Reads typed fields from a decoded value; every method throws ShoalError 'malformed' naming `what`
 * and the field.
 */
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
