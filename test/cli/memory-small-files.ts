// The small files of one request, written one by one.
import { decodeNewFiles } from '../../node/control/new-files.ts'
import { errorBody } from '../../node/control/wire.ts'
import { asShoalError } from '../../protocol/errors.ts'
import type { NewSmallFile } from '../../node/control/files.ts'
import type { WriteFailure } from '../../node/control/small-files.ts'

/** Write all of them; returns the failures. */
export async function writeEach(
  content: AsyncIterable<Uint8Array>,
  write: (file: NewSmallFile) => Promise<void>,
): Promise<readonly WriteFailure[]> {
  const failures: WriteFailure[] = []
  for (const [at, file] of (await decodeNewFiles(content)).entries()) {
    try {
      await write(file)
    } catch (error) {
      failures.push({ at, ...errorBody(asShoalError(error)) })
    }
  }
  return failures
}
