// One file as the answer to GET or HEAD, whole or a part, and only if the conditions of the request
// hold (RFC 9110, sections 13 and 14).
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeApi } from '../control/api.ts'
import type { FileStat } from '../control/files.ts'
import { isChanged, isKnown, rangeOf } from './ranges.ts'
import { sendBytes, sendNothing } from './web-answers.ts'
import type { Headers } from './web-answers.ts'
import type { Exchange } from './web-server.ts'
import { NS_PER_SECOND, SECOND_MS } from '../../protocol/units.ts'

/** Somebody may write between a look at a file and its reading. */
export const READ_TRIES = 5

export interface FileToSend {
  readonly path: string
  /** As it was looked at a moment ago; undefined: what is sent is not said otherwise. */
  readonly stat: FileStat | undefined
  readonly version?: string | undefined
  readonly headersOf: (stat: FileStat) => Headers
  /** The failure of a range that begins beyond the end. Default: an answer without a body. */
  readonly outOfRange?: (headers: Headers) => Error
}

/** throws ShoalError 'precondition', and as NodeApi.readFile. */
export async function sendFile(
  api: NodeApi,
  { request, response, signal }: Omit<Exchange, 'passage'>,
  file: FileToSend,
  triesLeft: number = READ_TRIES,
): Promise<void> {
  const { path, stat, version, headersOf } = file
  const tag = etagOf(stat)
  const { range: asked, 'if-range': rangeOnly, ...conditions } = request.headers
  const is = { match: conditions['if-match'], since: conditions['if-unmodified-since'] }
  const isNot = { known: conditions['if-none-match'], since: conditions['if-modified-since'] }
  const dated = stat && { tag, date: httpDate(stat) }
  if (dated === undefined ? is.match !== undefined : isChanged(is, dated))
    throw new ShoalError('precondition', `${path}: has changed; look again`)
  if (tag !== undefined && dated !== undefined && isKnown(isNot, dated))
    return sendNothing(response, 304, { etag: tag })
  const isRangeOf = rangeOnly === undefined || rangeOnly === tag
  const sizeBytes = stat?.sizeBytes
  const range = isRangeOf && sizeBytes !== undefined ? rangeOf(asked, sizeBytes) : undefined
  if (range === 'none') {
    const whole = { 'content-range': `bytes */${sizeBytes}` }
    if (file.outOfRange !== undefined) throw file.outOfRange(whole)
    return sendNothing(response, 416, whole)
  }
  const found = await api.readFile(path, { version, signal, ...range })
  // Somebody may have written meanwhile: what is sent is what is described.
  if (stat !== undefined && found.stat.tag !== stat.tag && version === undefined) {
    await found.content[Symbol.asyncIterator]().return?.()
    if (triesLeft === 1)
      throw new ShoalError('ESTALE', `${path}: is written all the time; ask again`)
    const again = { ...file, stat: await api.stat(path, { signal }) }
    return sendFile(api, { request, response, signal }, again, triesLeft - 1)
  }
  const end = (range?.offsetBytes ?? 0) + found.lengthBytes - 1
  const headers: Headers = {
    'accept-ranges': 'bytes',
    'last-modified': httpDate(found.stat),
    ...(found.stat.tag !== undefined && { etag: `"${found.stat.tag}"` }),
    ...headersOf(found.stat),
    'content-length': found.lengthBytes,
    ...(range && { 'content-range': `bytes ${range.offsetBytes}-${end}/${found.stat.sizeBytes}` }),
  }
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') {
    await found.content[Symbol.asyncIterator]().return?.()
    return sendNothing(response, status, headers)
  }
  await sendBytes(response, { status, headers, parts: found.content }, signal)
}

/** In its quotes. */
export function etagOf(stat: FileStat | undefined): string | undefined {
  return stat?.tag === undefined ? undefined : `"${stat.tag}"`
}

/** As HTTP has it, in seconds. */
export function httpDate({ modifiedNs }: Pick<FileStat, 'modifiedNs'>): string {
  return new Date(Number(modifiedNs / NS_PER_SECOND) * SECOND_MS).toUTCString()
}

type ConditionHeaders = Exchange['request']['headers']

/** Has it no condition and no range, so that what there is is sent, whatever it is? */
export function isPlain(headers: ConditionHeaders): boolean {
  return ASKING.every((name) => headers[name] === undefined)
}

const ASKING: readonly (keyof ConditionHeaders)[] = [
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]
