// Quantities that must not be mixed up are branded; a literal is branded where it is born.

/** A wall-clock time: milliseconds since the Unix epoch. May jump. */
export type WallTime = number & { readonly unit: 'wall-ms' }
/** A monotonic time: milliseconds since an arbitrary start of this process. Never jumps back. */
export type Instant = number & { readonly unit: 'instant-ms' }

export const KIB = 1024
export const MIB: number = 1024 * KIB
export const GIB: number = 1024 * MIB

export const SECOND_MS = 1000
export const MINUTE_MS: number = 60 * SECOND_MS
export const HOUR_MS: number = 60 * MINUTE_MS
export const DAY_MS: number = 24 * HOUR_MS

export const NS_PER_MS = 1_000_000n
export const NS_PER_SECOND = 1_000_000_000n

/** Division that rounds up; both arguments are non-negative safe integers. */
export function divCeil(numerator: number, denominator: number): number {
  return Math.ceil(numerator / denominator)
}
