// The CRC of bytes of which the CRCs of all parts are known, without the bytes: that of the first
// is moved on by the length of the second, which is a product of polynomials over GF(2), bits
// reflected. The way is that of zlib's crc32_combine. Pure.

export interface Crc {
  readonly bits: number
  /** Reflected. */
  readonly polynomial: bigint
}

export interface CrcPart {
  readonly crc: bigint
  readonly sizeBytes: number
}

/** For a CRC that begins with all ones and is inverted at its end. */
export function joinCrcs(crc: Crc, parts: readonly CrcPart[]): bigint {
  const powers: bigint[] = []
  let joined = 0n
  // Parts are of one size but for the last.
  let known: { readonly sizeBytes: number; readonly factor: bigint } | undefined
  for (const part of parts) {
    const { sizeBytes } = part
    if (known?.sizeBytes !== sizeBytes)
      known = { sizeBytes, factor: powerOfX(crc, BigInt(sizeBytes) * 8n, powers) }
    joined = multiply(crc, known.factor, joined) ^ part.crc
  }
  return joined
}

/** x to the power of n. powers: x^(2^k), as far as they were needed. */
function powerOfX(crc: Crc, n: bigint, powers: bigint[]): bigint {
  let product = 1n << BigInt(crc.bits - 1)
  let k = 0
  for (let left = n; left > 0n; left >>= 1n) {
    const last = powers[k - 1]
    const power =
      powers[k] ?? (last === undefined ? 1n << BigInt(crc.bits - 2) : multiply(crc, last, last))
    powers[k] = power
    if ((left & 1n) === 1n) product = multiply(crc, product, power)
    k++
  }
  return product
}

function multiply({ bits, polynomial }: Crc, a: bigint, b: bigint): bigint {
  let [product, factor] = [0n, b]
  for (let bit = 1n << BigInt(bits - 1); bit > 0n; bit >>= 1n) {
    if ((a & bit) !== 0n) product ^= factor
    if ((a & (bit - 1n)) === 0n) break
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ polynomial : factor >> 1n
  }
  return product
}
