// Why something is not as it should be, as the control API tells it: an Error by itself loses its
// message in JSON.
import { asShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

export interface Reason {
  readonly failure?: { readonly code: ErrorCode; readonly message: string }
}

/** The reason for a failure, empty for none. */
export function reasonOf(failure: unknown): Reason {
  if (failure === undefined) return {}
  const { code, message } = asShoalError(failure)
  return { failure: { code, message } }
}
