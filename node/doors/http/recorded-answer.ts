// Listens in on an answer as it is sent, and has it kept before the other side has all of it.
import type { KeptAnswer } from './kept-answers.ts'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** A longer body is not kept. */
const BODY_BYTES_MAX: number = 16 * 1024
/** Headers that say what the call came to; all others are of the connection, or always there. */
const HEADERS: ReadonlySet<string> = new Set([
  'content-type',
  'etag',
  'location',
  'upload-complete',
  'upload-limit',
  'upload-offset',
])

export interface RecordedAnswer {
  /** Once the answer has been kept, or there was none. */
  readonly kept: () => Promise<void>
}

/** keep: is called once, at the end; undefined: nothing was answered. */
export function recordAnswer(
  response: ServerResponse,
  keep: (answer: KeptAnswer | 'long' | undefined) => Promise<void>,
): RecordedAnswer {
  const writeHead = response.writeHead.bind(response)
  const write = response.write.bind(response)
  const end = response.end.bind(response)
  const parts: Buffer[] = []
  let length = 0
  let headers: Readonly<Record<string, string>> = {}
  let keeping: Promise<void> | undefined
  const add = (part: unknown): void => {
    if (typeof part !== 'string' && !(part instanceof Uint8Array)) return
    const bytes = Buffer.from(part)
    length += bytes.byteLength
    if (length <= BODY_BYTES_MAX) parts.push(bytes)
  }
  const answer = (): KeptAnswer | 'long' | undefined => {
    if (!response.headersSent) return undefined
    if (length > BODY_BYTES_MAX) return 'long'
    return { status: response.statusCode, headers, body: Buffer.concat(parts).toString('utf8') }
  }
  const recording = {
    writeHead: (status: number, own: OutgoingHttpHeaders = {}) => {
      headers = textsOf({ ...response.getHeaders(), ...own })
      return writeHead(status, own)
    },
    write: (part: unknown) => {
      add(part)
      if (!response.destroyed) write(part)
      // The call does not wait for whoever reads its answer.
      return true
    },
    end: (part?: unknown) => {
      add(part)
      keeping ??= keep(answer()).finally(() => end(part))
      return response
    },
  }
  Object.assign(response, recording)
  return { kept: () => (keeping ??= keep(undefined)) }
}

function textsOf(headers: OutgoingHttpHeaders): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name, value]) => HEADERS.has(name) && value !== undefined)
      .map(([name, value]) => [name, String(value)]),
  )
}
