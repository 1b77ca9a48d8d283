// An input made of another: bytes flipped, cut, repeated, moved, taken from a third, and where it
// is CBOR, its shape changed.
import { concatBytes } from '../../protocol/bytes.ts'
import type { SeededRandom } from '../../simulations/random.ts'
import { changed, pick } from './cbor-shape.ts'

const LENGTH_MAX = 1_200_000
const CHANGES_MAX = 4
const ODD_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x81, 0x9b, 0xa1, 0x5b, 0xf6, 0x61, 0x2f, 0x2e]

/** others: to take parts of. */
export function mutate(
  random: SeededRandom,
  input: Uint8Array,
  others: readonly Uint8Array[],
): Uint8Array {
  let bytes = input
  for (let left = 1 + random.below(CHANGES_MAX); left > 0; left--) {
    const shaped = random.below(3) > 0 ? changed(random, bytes) : undefined
    bytes = shaped ?? flat(random, bytes, others)
    if (bytes.length > LENGTH_MAX) return bytes.subarray(0, LENGTH_MAX)
  }
  return bytes
}

function flat(random: SeededRandom, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = random.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + 1 + random.below(pick(random, [1, 4, 16, 64])))
  const part = bytes.subarray(at, end)
  switch (random.below(8)) {
    case 0:
    case 1: {
      const out = Uint8Array.from(bytes)
      out[at] = (out[at] ?? 0) ^ (1 << random.below(8))
      return out
    }
    case 2: {
      const out = Uint8Array.from(bytes)
      out[at] = pick(random, ODD_BYTES)
      return out
    }
    case 3:
      return bytes.subarray(0, at)
    case 4:
      return concatBytes([bytes.subarray(0, at), bytes.subarray(end)])
    case 5: {
      const times = pick(random, [1, 2, 8, 100, 3000])
      return concatBytes([
        bytes.subarray(0, at),
        ...Array.from({ length: times }, () => part),
        bytes.subarray(at),
      ])
    }
    case 6: {
      const other = pick(random, others)
      const from = random.below(other.length + 1)
      return concatBytes([bytes.subarray(0, at), other.subarray(from)])
    }
    default: {
      const more = Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256))
      return concatBytes([bytes.subarray(0, at), more, bytes.subarray(at)])
    }
  }
}
