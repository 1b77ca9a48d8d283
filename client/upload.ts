// Sends a large file in pieces, and goes on where it broke off ("Resumable Uploads for HTTP").
import { ShoalProblem, tagOf, writeHeaders, writeUrl } from './client.ts'
import type { ShoalClient, WriteOptions } from './client.ts'

const PIECE_BYTES: number = 16 * 1024 * 1024
/** Pauses between tries of which none brought a byte; after the last it fails. */
const PAUSES_MS: readonly number[] = [500, 1000, 2000, 5000, 10_000, 20_000, 30_000]

export interface UploadOptions extends WriteOptions {
  /** An upload of the same bytes that was begun before, as onBegun was told. */
  readonly begun?: string | undefined
  /** Told where it goes on, for whoever keeps that; undefined: it is over. */
  readonly onBegun?: (location: string | undefined) => void
  readonly onSent?: (bytes: number) => void
  readonly pausesMs?: readonly number[]
}

/** Write a whole file. returns its tag. throws as ShoalClient, and what the signal says. */
export async function upload(
  client: ShoalClient,
  path: string,
  content: Blob,
  options: UploadOptions = {},
): Promise<string | undefined> {
  const { signal, begun, onBegun = () => {}, onSent = () => {} } = options
  const known = begun === undefined ? undefined : await stateOf(client, begun, signal)
  let at = known ?? { location: await begin(client, path, content, options), offset: 0 }
  onBegun(at.location)
  const pauses = options.pausesMs ?? PAUSES_MS
  for (let failures = 0; ;) {
    try {
      if (at.tag !== undefined) break
      onSent(at.offset)
      at = await append(client, at, content, signal)
      failures = 0
    } catch (error) {
      if (signal?.aborted === true || !mayPass(error)) throw error
      const pauseMs = pauses[failures++]
      if (pauseMs === undefined) throw error
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const found = await stateOf(client, at.location, signal).catch(() => at)
      // It ended meanwhile: its time, or somebody else.
      if (found === undefined) throw error
      if (found.offset > at.offset) failures = 0
      at = found
    }
  }
  onBegun(undefined)
  onSent(content.size)
  return at.tag
}

interface State {
  readonly location: string
  readonly offset: number
  /** It is complete. */
  readonly tag?: string | undefined
}

async function begin(
  client: ShoalClient,
  path: string,
  content: Blob,
  options: UploadOptions,
): Promise<string> {
  const response = await client.request(writeUrl(path, options), {
    method: 'PUT',
    headers: {
      ...writeHeaders(options),
      'upload-complete': '?0',
      'upload-length': `${content.size}`,
    },
    signal: options.signal,
  })
  return response.headers.get('location') ?? ''
}

/** Undefined: there is no such upload any more. */
async function stateOf(
  client: ShoalClient,
  location: string,
  signal: AbortSignal | undefined,
): Promise<State | undefined> {
  try {
    return stateIn(location, await client.request(location, { method: 'HEAD', signal }))
  } catch (error) {
    if (error instanceof ShoalProblem && error.problem.status === 404) return undefined
    throw error
  }
}

async function append(
  client: ShoalClient,
  { location, offset }: State,
  content: Blob,
  signal: AbortSignal | undefined,
): Promise<State> {
  const end = Math.min(content.size, offset + PIECE_BYTES)
  const response = await client.request(location, {
    method: 'PATCH',
    headers: {
      'content-type': 'application/partial-upload',
      'upload-offset': `${offset}`,
      'upload-complete': end === content.size ? '?1' : '?0',
    },
    body: content.slice(offset, end),
    signal,
  })
  return stateIn(location, response)
}

function stateIn(location: string, response: Response): State {
  const { headers } = response
  const isDone = headers.get('upload-complete') === '?1'
  const offset = Number(headers.get('upload-offset'))
  return { location, offset, ...(isDone && { tag: tagOf(response) ?? '' }) }
}

/** Another offset is asked for again, and what the network or the node cannot do now. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof ShoalProblem)) return true
  const { status, permanent } = error.problem
  return status === 409 || status >= 500 || permanent === false
}
