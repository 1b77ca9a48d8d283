// Failures that nobody needs to hear of, each with the reason; NODE_DEBUG=shoal shows them.
import { debuglog } from 'node:util'

const debug = debuglog('shoal')

/** Resolves as the promise does, with undefined if that fails. why: completes "ignored, since". */
export function ignoreFailure<Value>(
  promise: Promise<Value>,
  why: string,
): Promise<Value | undefined> {
  return promise.catch((error: unknown) => {
    debug('a failure is ignored, since %s: %s', why, error)
    return undefined
  })
}
