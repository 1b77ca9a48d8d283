// GF(2^8) without tables or vectors: what the fast code is compared with.

/** a * b modulo x^8 + x^4 + x^3 + x^2 + 1, bit by bit. */
export function slowMultiply(a: number, b: number): number {
  let product = 0
  for (let power = a, rest = b; rest > 0; rest >>= 1) {
    if ((rest & 1) === 1) product ^= power
    power = power < 128 ? power << 1 : (power << 1) ^ 0x11d
  }
  return product
}

/** 1 / a, by trying. */
export function slowInvert(a: number): number {
  for (let b = 1; b < 256; b++) if (slowMultiply(a, b) === 1) return b
  throw new RangeError('zero has no inverse')
}
