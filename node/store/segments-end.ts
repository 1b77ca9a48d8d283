// A place between two records of the segments: all that was appended before it lies before it.
import { ShoalError } from '../../protocol/errors.ts'
import type { Address } from './keys.ts'

export interface SegmentsEnd {
  readonly segment: number
  readonly offset: number
}

/** Does `a` lie behind `b`? */
export function isBehind(a: SegmentsEnd, b: SegmentsEnd): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset)
}

/** A payload's place as a Map key: exact while segment numbers stay below 2^21. */
export function placeOf(segment: number, offset: number): number {
  return segment * 2 ** 32 + offset
}

/** Says of a payload that it is not what was written. */
export function damaged(what: string, address: Address, why: string, cause?: unknown): ShoalError {
  return new ShoalError(
    'corrupt',
    `${what} in segment ${address.segment} at offset ${address.offset} is damaged: ${why}; ` +
      'it must be fetched from a peer again',
    { cause },
  )
}
