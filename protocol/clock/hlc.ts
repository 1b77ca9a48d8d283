// Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014): 48-bit wall
// milliseconds and a 16-bit counter in one u64. It breaks ties between concurrent ops; it never
// decides whether they are concurrent.
import { ShoalError } from '../errors.ts'
import type { WallTime } from '../units.ts'

/** Packed clock: milliseconds << 16 | counter. */
export type Hlc = bigint & { readonly brand: 'Hlc' }

export const HLC_ZERO: Hlc = 0n as Hlc
const COUNTER_BITS = 16n
/** Largest legal value: 48-bit milliseconds, 16-bit counter. */
export const HLC_MAX: Hlc = ((1n << 64n) - 1n) as Hlc

/** The clock value after `last`, at wall time `wallMs`: always greater than `last`. */
export function nextHlc(last: Hlc, wallMs: WallTime): Hlc {
  const wall = BigInt(Math.max(0, Math.floor(wallMs))) << COUNTER_BITS
  return (wall > last ? wall : last + 1n) as Hlc
}

/** The wall-clock part in ms. */
export function hlcMillis(hlc: Hlc): WallTime {
  return Number(hlc >> COUNTER_BITS) as WallTime
}

export function maxHlc(a: Hlc, b: Hlc): Hlc {
  return a > b ? a : b
}

/** A u64 that CBOR gave as number or bigint. throws ShoalError 'malformed'. */
export function decodeHlc(value: unknown): Hlc {
  const big =
    typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : -1n
  if (big < 0n || big > HLC_MAX) throw new ShoalError('malformed', 'a clock is not a u64')
  return big as Hlc
}
