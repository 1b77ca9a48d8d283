// Failures below a path name it: what fails there knows the name of a file only, or none.
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'

const STREAM_BYTES: number = MIB

/** Errors of the namespace know the name only: say the path. */
export function naming<Result>(shown: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    throw withPath(shown, error)
  }
}

/** The same of a stream, cut into parts of bounded length. */
export async function* namingEach(
  shown: string,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of source) {
      for (let at = 0; at < part.length; at += STREAM_BYTES)
        yield part.subarray(at, at + STREAM_BYTES)
    }
  } catch (error) {
    throw withPath(shown, error)
  }
}

function withPath(shown: string, error: unknown): unknown {
  if (!(error instanceof ShoalError)) return error
  const { code, message, permanent } = error
  return new ShoalError(code, `${shown}: ${message}`, { cause: error, permanent })
}
