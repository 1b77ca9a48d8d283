// Errors of cold tiers name the tier and the object, and say what to do. They never hold what a
// library knew of the request: that may have keys or tokens in it.
import { ShoalError } from '../../../protocol/errors.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'

/** The place of an event: the tier's name, and the key if it was about one object. */
export interface TierPlace {
  readonly tier: string
  readonly key?: string | undefined
}

/**
 * A ShoalError on a tier. what: what happened and what to do next; its cause is told by its words
 * only.
 */
export function tierError(
  code: ErrorCode,
  { tier, key }: TierPlace,
  what: string,
  options: { readonly cause?: unknown; readonly permanent?: boolean } = {},
): ShoalError {
  const { cause, ...rest } = options
  const where = key === undefined ? '' : ` ${key}:`
  return new ShoalError(code, `cold tier ${tier}:${where} ${what}`, {
    ...rest,
    ...(cause instanceof Error && { cause: new Error(`${cause.name}: ${cause.message}`) }),
  })
}

/** The error of a put whose chunks were not as many bytes as announced. */
export function wrongSize(place: TierPlace, expected: number, found: number): ShoalError {
  return tierError('corrupt', place, `${found} bytes came to be stored, not ${expected}`)
}

/**
 * The error of a tier that cannot tell what it held before: rollBack() needs a bucket of S3 that
 * keeps versions.
 */
export function noVersions(tier: string): ShoalError {
  return tierError('unsupported', { tier }, 'keeps no older versions of its objects')
}
