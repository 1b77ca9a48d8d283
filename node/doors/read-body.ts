// The body of a request that is read before it is understood: bounded in length.
import { ShoalError } from '../../protocol/errors.ts'
import { concatBytes } from '../../protocol/bytes.ts'

/** throws ShoalError 'EFBIG'. */
export async function readBody(
  request: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request) {
    length += part.byteLength
    if (length > bytesMax)
      throw new ShoalError('EFBIG', `the request is longer than ${bytesMax} bytes`)
    parts.push(part)
  }
  return concatBytes(parts)
}
