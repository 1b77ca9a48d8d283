// Which Linux error number a program sees for a failure of the file system. Whatever is thrown has
// one.
import { constants } from 'node:os'
import { ShoalError } from '../../../protocol/errors.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'

export const EINTR: number = constants.errno.EINTR
export const EIO: number = constants.errno.EIO
export const ENOSYS: number = constants.errno.ENOSYS
export const EPROTO: number = constants.errno.EPROTO

/** Codes that are not themselves names of error numbers; every other one is EIO. */
const MEANINGS: Readonly<Partial<Record<ErrorCode, number>>> = {
  aborted: EINTR,
  timeout: constants.errno.ETIMEDOUT,
  NO_QUORUM: constants.errno.EAGAIN,
  'cold-archived': constants.errno.EAGAIN,
  usage: constants.errno.EINVAL,
  unsupported: constants.errno.EOPNOTSUPP,
}

const NUMBERS: Readonly<Record<string, number>> = { ...constants.errno, ...MEANINGS }

/** The (positive) error number for whatever was thrown. */
export function errnoOf(error: unknown): number {
  if (error instanceof ShoalError) return NUMBERS[error.code] ?? EIO
  return error instanceof Error && error.name === 'AbortError' ? EINTR : EIO
}

/** Is this a failure that the file system meant to tell its caller, and not a bug? */
export function isExpected(error: unknown): boolean {
  if (error instanceof ShoalError) return error.code !== 'internal'
  return error instanceof Error && error.name === 'AbortError'
}
