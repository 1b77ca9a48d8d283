// A place between two records of the segments: all that was appended before it lies before it.
import { ShoalError } from '../../protocol/errors.ts'
import type { Address } from './keys.ts'

export interface SegmentsEnd {
  readonly segment: number
  readonly offset: number
}

const BYTES = 8

export function encodeEnd({ segment, offset }: SegmentsEnd): Uint8Array {
  const bytes = new Uint8Array(BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, segment)
  view.setUint32(4, offset)
  return bytes
}

/** Inverse of encodeEnd. throws ShoalError 'corrupt'. */
export function decodeEnd(bytes: Uint8Array): SegmentsEnd {
  if (bytes.byteLength !== BYTES)
    throw new ShoalError('corrupt', 'a place in the segments has 8 bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return { segment: view.getUint32(0), offset: view.getUint32(4) }
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
