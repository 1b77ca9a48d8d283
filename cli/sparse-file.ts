// Writes local files so that their zeros take no space.
import { dataRuns } from '../protocol/data-runs.ts'
import type { FileHandle } from 'node:fs/promises'

/** Write `parts`, from the start of an empty file, as all that is in it; zeros become holes. */
export async function writeSparse(
  file: FileHandle,
  parts: AsyncIterable<Uint8Array>,
): Promise<void> {
  let position = 0
  for await (const part of parts) {
    for (const { start, end } of dataRuns(part, position))
      await writeAll(file, part, start, end, position)
    position += part.byteLength
  }
  await file.truncate(position)
}

/** write(2) may take less than it is given. */
async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  start: number,
  end: number,
  position: number,
): Promise<void> {
  for (let at = start; at < end;) {
    const { bytesWritten } = await file.write(bytes, at, end - at, position + at)
    at += bytesWritten
  }
}
