// A client of the HTTP API of a node, for browsers and Node: calls by name with types of the
// description of the API (types.ts), files, and streams. It imports nothing else.
import { eventOf, linesOf } from './streams.ts'
import type { ServerEvent } from './streams.ts'
import type { Calls, FileStat, FolderPage, LineCalls, LogItem, Problem } from './types.ts'

export interface ClientOptions {
  /** The door, such as 'http://localhost:4190'; '' for a page that it serves. */
  readonly url: string
  /** Headers of each request, such as Authorization; asked for each. */
  readonly headers?: () => Readonly<Record<string, string>>
}

/** The content of a request, as fetch() takes it. */
export type Content = NonNullable<RequestInit['body']>

export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Content | undefined
  readonly signal?: AbortSignal | undefined
}

export interface WriteOptions {
  /** Make missing folders, too. */
  readonly parents?: boolean
  /** Permission bits. */
  readonly mode?: number
  /** Only in place of this content, or with '' where nothing is. */
  readonly ifTag?: string
  readonly signal?: AbortSignal | undefined
}

/** A failure that the node tells of (RFC 9457). */
export class ShoalProblem extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.name = 'ShoalProblem'
    this.problem = problem
  }

  get code(): string {
    return this.problem.code
  }
}

/** Paths are 'volume:/folder/file'. What fails rejects with ShoalProblem, or as fetch() does. */
export class ShoalClient {
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.#options = options
  }

  async request(path: string, asked: Asking = {}): Promise<Response> {
    const { url, headers = () => ({}) } = this.#options
    const { method = 'GET', body, signal } = asked
    const response = await fetch(url + path, {
      method,
      headers: { ...headers(), ...asked.headers },
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
    })
    if (response.ok) return response
    throw new ShoalProblem(await problemOf(response))
  }

  /** A call with one answer. key: makes it once, however often it is sent. */
  async call<Name extends keyof Calls>(
    name: Name,
    fields: Calls[Name]['fields'],
    { key, signal }: { readonly key?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Calls[Name]['answer']> {
    const headers = key === undefined ? {} : { 'idempotency-key': `"${key}"` }
    const body = JSON.stringify(fields)
    const path = `/v1/calls/${name}`
    const response = await this.request(path, { method: 'POST', headers, body, signal })
    return (await response.json()) as Calls[Name]['answer']
  }

  /** The items of a call that answers in lines, as they come. limit: the first of them. */
  async *items<Name extends keyof LineCalls>(
    name: Name,
    fields: LineCalls[Name]['fields'],
    { limit, signal }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<LineCalls[Name]['answer']> {
    const path = `/v1/calls/${name}${limit === undefined ? '' : `?limit=${limit}`}`
    const body = JSON.stringify(fields)
    const response = await this.request(path, { method: 'POST', body, signal })
    for await (const line of linesOf(response, '\n')) {
      if (line === '') continue
      const item = JSON.parse(line) as { readonly problem?: Problem }
      if (item.problem !== undefined) throw new ShoalProblem(item.problem)
      yield item as LineCalls[Name]['answer']
    }
  }

  /** The entries of a folder, had page by page. */
  async *list(path: string, signal?: AbortSignal): AsyncGenerator<FileStat> {
    for (let after = ''; ;) {
      const response = await this.request(`${fileUrl(path)}${after}`, { signal })
      const { entries, next } = (await response.json()) as FolderPage
      yield* entries
      if (next === undefined) return
      after = `?after=${next}`
    }
  }

  /** A file, or a part of it: from a byte up to, and without, another. */
  get(
    path: string,
    {
      from,
      to,
      signal,
    }: { readonly from?: number; readonly to?: number; signal?: AbortSignal } = {},
  ): Promise<Response> {
    const isPart = from !== undefined || to !== undefined
    const range = `bytes=${from ?? 0}-${to === undefined ? '' : to - 1}`
    return this.request(fileUrl(path), { headers: isPart ? { range } : {}, signal })
  }

  /** Write a whole file. returns its tag. */
  async put(path: string, body: Content, options: WriteOptions = {}): Promise<string | undefined> {
    const { signal } = options
    const headers = writeHeaders(options)
    const response = await this.request(writeUrl(path, options), {
      method: 'PUT',
      headers,
      body,
      signal,
    })
    return tagOf(response)
  }

  async remove(path: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    const query = recursive ? '?recursive=true' : ''
    await this.request(`${fileUrl(path)}${query}`, { method: 'DELETE' })
  }

  /** Entries of the log about a path and below, once it listens, until the signal aborts. */
  async changes(path: string, signal: AbortSignal): Promise<AsyncGenerator<LogItem>> {
    const url = fileUrl(path).replace('/v1/files/', '/v1/changes/')
    return itemsOf(await this.events(url, signal))
  }

  /** Server-sent events of a path. */
  async events(path: string, signal: AbortSignal): Promise<AsyncGenerator<ServerEvent>> {
    return eventsOf(await this.request(path, { signal }))
  }
}

async function* itemsOf(events: AsyncIterable<ServerEvent>): AsyncGenerator<LogItem> {
  for await (const { data } of events) yield data as LogItem
}

async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  for await (const text of linesOf(response, '\n\n')) {
    const found = eventOf(text)
    if (found?.event === 'problem') throw new ShoalProblem(found.data as Problem)
    if (found !== undefined) yield found
  }
}

/** '/v1/files/main/docs/a.txt' of 'main:/docs/a.txt', each part encoded by itself. */
export function fileUrl(path: string): string {
  const [, volume = '', below = ''] = /^([^:/]+):\/?(.*)$/s.exec(path) ?? []
  return `/v1/files/${[volume, ...below.split('/')].map(encodeURIComponent).join('/')}`
}

/** The same with what a write is asked for. */
export function writeUrl(path: string, { parents, mode }: WriteOptions): string {
  const query = new URLSearchParams({
    ...(parents === true && { parents: 'true' }),
    ...(mode !== undefined && { mode: mode.toString(8) }),
  })
  return query.size === 0 ? fileUrl(path) : `${fileUrl(path)}?${query.toString()}`
}

export function writeHeaders({ ifTag }: WriteOptions): Readonly<Record<string, string>> {
  if (ifTag === undefined) return {}
  return ifTag === '' ? { 'if-none-match': '*' } : { 'if-match': `"${ifTag}"` }
}

/** The tag of what was written. */
export function tagOf({ headers }: Response): string | undefined {
  return headers.get('etag')?.slice(1, -1)
}

async function problemOf(response: Response): Promise<Problem> {
  const { status } = response
  try {
    return (await response.json()) as Problem
  } catch {
    // It is no answer of a node, and the status says all that is known.
    const detail = `the answer is ${status}`
    return { type: 'about:blank', title: detail, status, detail, code: 'internal' }
  }
}
