// Byte arrays: compare, join, and their text forms. A "byte string" (one char per byte, latin1) is
// how binary keys and file names are held in memory: it compares and works as a Map key, as a
// Uint8Array does not.

/** A string whose chars are bytes (0..255). Orders as its bytes do. */
export type ByteString = string

const scratch = Buffer.alloc(64)

/** The bytes as a byte string. */
export function toByteString(bytes: Uint8Array): ByteString {
  return view(bytes).toString('latin1')
}

/** The bytes of a byte string. */
export function fromByteString(text: ByteString): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length > scratch.length) return view(bytes).toString('hex')
  // Cheaper than an object that looks at the same bytes.
  scratch.set(bytes)
  return scratch.toString('hex', 0, bytes.length)
}

/** The bytes of hexadecimal text. The caller has checked the alphabet. */
export function fromHex(text: string): Uint8Array {
  return Buffer.from(text, 'hex')
}

/** The byte string of hexadecimal text. As fromHex and toByteString, without an array between. */
export function hexToByteString(text: string): ByteString {
  if (text.length > 2 * scratch.length) return toByteString(fromHex(text))
  return scratch.toString('latin1', 0, scratch.write(text, 'hex'))
}

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** True if both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0
}

/** -1, 0 or 1 by byte order. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** One array with all `parts` in order. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0]
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
}

/** 8 bytes, big-endian. */
export function float64ToBytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}

/** Reads the 8 bytes written by float64ToBytes; the caller has checked the length. */
export function float64FromBytes(bytes: Uint8Array): number {
  return view(bytes).readDoubleBE()
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
