// Values within decoded ops, checked: each of these throws ShoalError 'malformed' and nothing else.
import { ShoalError } from './errors.ts'

/** Epochs are fewer than can be counted. */
export const EPOCH_MAX: number = 2 ** 32

/** throws ShoalError 'malformed' unless it is a list, and not too long. */
export function list(value: unknown, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) {
    throw new ShoalError(
      'malformed',
      `an op holds something that is not a list of at most ${countMax}`,
    )
  }
  return value
}

/** throws ShoalError 'malformed' unless it is bytes of such a length. */
export function bytes(value: unknown, lengthMax: number, lengthMin = 0): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > lengthMax || value.length < lengthMin) {
    throw new ShoalError(
      'malformed',
      `an op holds something that is not bytes of length ${lengthMin}..${lengthMax}`,
    )
  }
  return value
}

/** throws ShoalError 'malformed' unless it is an integer in 0..max. */
export function integer(value: unknown, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new ShoalError('malformed', `an op holds something that is not an integer in 0..${max}`)
  }
  return value
}
