// Compares a local file with what is in the namespace.
import type { FileHandle } from 'node:fs/promises'

/**
 * Has the file just these bytes? Reads no further than to the first difference. onRead: told how
 * many more are compared.
 */
export async function hasContent(
  file: FileHandle,
  parts: AsyncIterable<Uint8Array>,
  onRead: (bytes: number) => void,
): Promise<boolean> {
  let position = 0
  for await (const part of parts) {
    onRead(part.byteLength)
    if (!(await readAt(file, position, part.byteLength)).equals(part)) return false
    position += part.byteLength
  }
  return (await readAt(file, position, 1)).byteLength === 0
}

/** The bytes there, fewer only at the end of the file. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}
