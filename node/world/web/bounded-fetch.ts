// Asks a server of somebody else's over HTTP: no answer is longer than it may be, and none is
// looked for elsewhere than it was asked for.
import { ShoalError } from '../../../protocol/errors.ts'

/** throws ShoalError 'EFBIG', and what fetch() does. */
export async function boundedFetch(
  url: string,
  options: RequestInit,
  bytesMax: number,
): Promise<Response> {
  const answer = await fetch(url, { ...options, redirect: 'manual' })
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of answer.body ?? []) {
    length += part.byteLength
    if (length > bytesMax)
      throw new ShoalError('EFBIG', `the answer of ${url} is longer than ${bytesMax} bytes`)
    parts.push(part)
  }
  const { status, statusText, headers } = answer
  // Others have none, and are not made with one.
  const body = length === 0 ? null : Buffer.concat(parts)
  return new Response(body, { status, statusText, headers })
}
