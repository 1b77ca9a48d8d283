// The CRC of bytes of which the CRCs of all parts are known, without the bytes: that of the first
// is moved on by the length of the second, which is a product of polynomials over GF(2), bits
// reflected. The way is that of zlib's crc32_combine. Pure.

const WORD_BITS = 32

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

/** In words of 32 bits: bigints alone would take a second for an object of many parts. */
function multiply({ bits, polynomial }: Crc, a: bigint, b: bigint): bigint {
  const [polynomialHigh, polynomialLow] = wordsOf(polynomial)
  let [factorHigh, factorLow] = wordsOf(b)
  let [high, low] = [0, 0]
  for (const word of wordsOf(a).slice(bits > WORD_BITS ? 0 : 1))
    for (let bit = WORD_BITS - 1; bit >= 0; bit--) {
      if (((word >>> bit) & 1) === 1) {
        high ^= factorHigh
        low ^= factorLow
      }
      const isOver = (factorLow & 1) === 1
      factorLow = (factorLow >>> 1) | ((factorHigh & 1) << (WORD_BITS - 1))
      factorHigh >>>= 1
      if (isOver) {
        factorHigh ^= polynomialHigh
        factorLow ^= polynomialLow
      }
    }
  return (BigInt(high >>> 0) << BigInt(WORD_BITS)) | BigInt(low >>> 0)
}

function wordsOf(value: bigint): readonly [high: number, low: number] {
  return [Number(value >> BigInt(WORD_BITS)), Number(BigInt.asUintN(WORD_BITS, value))]
}
