// The API of a running node, over its control socket. A call here is a call there: same names, same
// errors.
import { Connection, pagesOf, readAll } from './connection.ts'
import { CONTENT, FIELDS } from './route.ts'
import { ROUTES } from './routes.ts'
import { decodeSmallFiles } from './small-files.ts'
import {
  API_PREFIX,
  EXPORTED_TRAILER,
  LENGTH_HEADER,
  STAT_HEADER,
  decodeHeader,
  decodeJson,
  encodeJson,
} from './wire.ts'
import type { CallOptions, NodeApi } from './api.ts'
import type { Query, Reply } from './connection.ts'
import type { ExportOptions, Exported } from './exchange.ts'
import type { FileCallOptions, FileContent, FileStat } from './files.ts'
import type { Route } from './route.ts'

export interface ClientOptions extends CallOptions {
  readonly home: string
  /** Options of calls about a path, unless they say otherwise. */
  readonly optionsFor?: ((path: string) => Promise<FileCallOptions>) | undefined
}

export interface Client extends NodeApi {
  /** Returns as soon as the node has begun to stop: it cannot answer once it has. */
  stop(): Promise<void>
  /** Drop the kept connections. */
  close(): void
}

type Options = FileCallOptions & Pick<ExportOptions, 'onExported'>

/** Options of a call that are no fields of its request. */
const OPTION_NAMES: ReadonlySet<string> = new Set<keyof Options>([
  'signal',
  'consistency',
  'session',
  'onSession',
  'onExported',
])

/** A call, taken apart. */
interface Request {
  readonly fields: Readonly<Record<string, unknown>>
  readonly content: AsyncIterable<Uint8Array> | undefined
  readonly options: Options
}

/**
 * Each call throws ShoalError 'not-running' while no node answers. Answers are those of our own
 * node: not checked again.
 *
 * signal: aborts every call of this client.
 */
export function openClient({ home, signal, optionsFor }: ClientOptions): Client {
  const connection = new Connection({ home, signal })
  const callOf = (name: string, route: Route): unknown => {
    const { answer, method, path = name, hasSession } = route
    const open = async ({ fields, content, options }: Request, at: string): Promise<Reply> => {
      const usual = hasSession ? await optionsFor?.(at) : undefined
      const [query, body] =
        method === 'POST' ? [{}, Buffer.from(encodeJson(fields))] : [fields as Query, content]
      return connection.open(method, API_PREFIX + path, query, body, { ...usual, ...options })
    }
    if (answer === 'json' || answer === 'file') {
      return async (...passed: readonly unknown[]) =>
        readWhole(answer, await open(requestOf(route, passed), pathIn(passed)))
    }
    return async function* (...passed: readonly unknown[]) {
      const request = requestOf(route, passed)
      yield* readParts(answer, await open(request, pathIn(passed)), request.options)
    }
  }
  const calls = Object.entries(ROUTES).map(([name, route]) => [name, callOf(name, route)])
  // RoutesOf has checked that each route is that of its method.
  return { ...Object.fromEntries(calls), close: () => connection.close() } as unknown as Client
}

/** Inverse of what the server passes to the method. */
function requestOf({ names }: Route, passed: readonly unknown[]): Request {
  const fields: Record<string, unknown> = {}
  const options: Record<string, unknown> = {}
  let content: AsyncIterable<Uint8Array> | undefined
  for (const [at, name] of names.entries()) {
    if (name === CONTENT) content = passed[at] as AsyncIterable<Uint8Array>
    else if (name === FIELDS) Object.assign(fields, passed[at])
    else fields[name] = passed[at]
  }
  for (const [name, value] of Object.entries(passed[names.length] ?? {}))
    (OPTION_NAMES.has(name) ? options : fields)[name] = value
  return { fields, content, options }
}

/** The path of a call about files, or the first one. */
function pathIn([first]: readonly unknown[]): string {
  return ([first].flat()[0] as string | undefined) ?? '/'
}

async function readWhole(answer: 'json' | 'file', { headers, body }: Reply): Promise<unknown> {
  if (answer === 'json') return decodeJson(await readAll(body))
  return {
    stat: decodeHeader(String(headers[STAT_HEADER])) as FileStat,
    lengthBytes: Number(headers[LENGTH_HEADER]),
    content: body,
  } satisfies FileContent
}

async function* readParts(
  answer: 'pages' | 'small-files' | 'archive',
  { body, trailer }: Reply,
  { onExported }: Options,
): AsyncGenerator<unknown> {
  if (answer === 'pages') yield* pagesOf(body)
  else if (answer === 'small-files') yield* decodeSmallFiles(body)
  else {
    yield* body
    onExported?.(decodeHeader(trailer(EXPORTED_TRAILER)) as Exported)
  }
}
