// Many small files read in one call.
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { FileContent } from '../control/files.ts'
import { SMALL_FILE_BYTES } from '../control/small-files.ts'
import type { SmallFile } from '../control/small-files.ts'

const AT_ONCE = 32

/** In pages, in the order of the paths. throws what `signal` says. */
export async function* readSmallFiles(
  paths: readonly string[],
  read: (path: string) => Promise<FileContent>,
  signal?: AbortSignal,
): AsyncGenerator<readonly SmallFile[]> {
  for (let at = 0; at < paths.length; at += AT_ONCE) {
    signal?.throwIfAborted()
    const some = paths.slice(at, at + AT_ONCE)
    const page = await Promise.all(some.map((path) => readSmallFile(path, read)))
    signal?.throwIfAborted()
    yield page
  }
}

async function readSmallFile(
  path: string,
  read: (path: string) => Promise<FileContent>,
): Promise<SmallFile> {
  try {
    const { stat, lengthBytes, content } = await read(path)
    if (lengthBytes > SMALL_FILE_BYTES)
      throw new ShoalError('EFBIG', `${path}: larger than ${SMALL_FILE_BYTES} bytes`)
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    return { path, stat, bytes: concatBytes(parts) }
  } catch (error) {
    return { path, error: asShoalError(error) }
  }
}
