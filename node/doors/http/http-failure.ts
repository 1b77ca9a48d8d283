// Failures that HTTP has more words for than a code: a status, headers, a type of problem and its
// members.
import { ShoalError } from '../../../protocol/errors.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { Headers } from '../web-answers.ts'

export interface HttpFailureOptions {
  readonly status: number
  readonly headers?: Headers
  /** A URI (RFC 9457). Default: that of the code. */
  readonly type?: string
  /** Members of the problem beside the usual ones. */
  readonly members?: Readonly<Record<string, unknown>>
}

export class HttpFailure extends ShoalError {
  readonly options: HttpFailureOptions

  constructor(code: ErrorCode, message: string, options: HttpFailureOptions) {
    super(code, message)
    this.options = options
  }
}

/** The failure of a method that there is not, at a path that has others. */
export function wrongMethod(method: string | undefined, allow: string): HttpFailure {
  const message = `there is no ${method} here, but ${allow}`
  return new HttpFailure('unsupported', message, { status: 405, headers: { allow } })
}
