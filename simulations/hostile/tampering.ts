// The tampering of a lying member with the messages of its own node: each is withheld, repeated at
// once or later, reordered, changed, or replaced by another, by chance.
import type { Tampering } from '../network.ts'
import type { SeededRandom } from '../random.ts'

/** Chances of a message; the rest goes out as it is. */
export interface TamperRates {
  readonly withhold: number
  readonly replay: number
  readonly reorder: number
  readonly mutate: number
}

/** Messages of one protocol that may be said again. */
const REMEMBERED = 32

/** By protocol. */
interface Said {
  readonly before: Uint8Array[]
  held: Uint8Array | undefined
}

/** Tampering by these chances. count: told of each message that does not go out as it was. */
export function tamperingBy(
  rates: TamperRates,
  random: SeededRandom,
  count: () => void,
): Tampering {
  const said = new Map<string, Said>()
  const changed = (frames: readonly Uint8Array[]): readonly Uint8Array[] => {
    count()
    return frames
  }
  return (protocol, frame) => {
    const { before, held } = said.get(protocol) ?? { before: [], held: undefined }
    const earlier = before.length === 0 ? frame : random.pick(before)
    before.push(frame)
    if (before.length > REMEMBERED) before.shift()
    said.set(protocol, { before, held: undefined })
    const late = held === undefined ? [] : [held]
    const fate = random.number()
    let below = rates.withhold
    if (fate < below) return changed(late)
    if (fate < (below += rates.replay)) return changed([frame, earlier, ...late])
    if (fate < (below += rates.reorder)) {
      said.set(protocol, { before, held: frame })
      return changed(late)
    }
    if (fate < below + rates.mutate) return changed([mutated(frame, earlier, random), ...late])
    return [frame, ...late]
  }
}

/** A frame with some of it flipped, cut off, put in from another, or doubled. */
function mutated(frame: Uint8Array, other: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(Math.max(1, frame.length))
  switch (random.below(4)) {
    case 0: {
      const flipped = frame.slice()
      for (let count = 1 + random.below(3); count > 0; count--)
        flipped[random.below(flipped.length)] = random.below(256)
      return flipped
    }
    case 1:
      return frame.slice(0, at)
    case 2:
      return Uint8Array.from([...frame.subarray(0, at), ...other.subarray(at)])
    default:
      return Uint8Array.from([
        ...frame.subarray(0, at),
        ...random.bytes(1 + random.below(16)),
        ...frame.subarray(at),
      ])
  }
}
