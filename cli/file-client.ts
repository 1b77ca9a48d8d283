// The calls about files of a running node, over its control socket; and what all calls there have
// in common.
import {
  API_PREFIX,
  CAR_ROUTE,
  CONFLICTS_ROUTE,
  EXPORTED_TRAILER,
  FILE_ROUTE,
  LENGTH_HEADER,
  LIST_ROUTE,
  LOG_ROUTE,
  SMALL_FILES_ROUTE,
  STAT_HEADER,
  decodeHeader,
  decodeJson,
  encodeJson,
} from '../node/control/wire.ts'
import { decodeSmallFiles } from '../node/control/small-files.ts'
import { Connection, pagesOf, readAll } from './connection.ts'
import type {
  Ack,
  CallOptions,
  Conflict,
  ConflictsApi,
  FileAttributes,
  FileCallOptions,
  FileContent,
  FileStat,
  FilesApi,
  HistoryApi,
  KeptConflict,
  LogItem,
  LogOptions,
  MakeFolderOptions,
  NewFile,
  ReadRange,
  ShowConflictOptions,
  WriteOptions,
} from '../node/control/api.ts'
import type {
  ExchangeApi,
  ExportOptions,
  Exported,
  ImportEvent,
  ImportOptions,
} from '../node/control/exchange.ts'
import type { SmallFile } from '../node/control/small-files.ts'
import type { Query } from './connection.ts'
export interface ClientOptions extends CallOptions {
  readonly home: string
  /** Returns the default options for calls about a path. */
  readonly optionsFor?: ((path: string) => Promise<FileCallOptions>) | undefined
}

/**
 * throws ShoalError 'not-running' from every call while no node answers. Answers are those of our
 * own node: not checked again.
 */
export class FileClient implements FilesApi, ConflictsApi, HistoryApi, ExchangeApi {
  readonly #connection: Connection
  readonly #optionsFor: ClientOptions['optionsFor']

  /** signal: aborts every call of this client. */
  constructor({ home, signal, optionsFor }: ClientOptions) {
    this.#connection = new Connection({ home, signal })
    this.#optionsFor = optionsFor
  }

  stat(path: string, options?: FileCallOptions): Promise<FileStat> {
    return this.callAt(path, 'stat', { path }, options)
  }

  async *list(path: string, options?: FileCallOptions): AsyncGenerator<readonly FileStat[]> {
    yield* this.pages<FileStat>(LIST_ROUTE, { path }, await this.#options(path, options))
  }

  makeFolder(path: string, options: FileCallOptions & MakeFolderOptions = {}): Promise<void> {
    const { parents, mode, ack } = options
    return this.callAt(path, 'makeFolder', { path, parents, mode, ack }, options)
  }

  remove(
    path: string,
    options: FileCallOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<void> {
    return this.callAt(path, 'remove', { path, recursive: options.recursive }, options)
  }

  move(from: string, to: string, options?: FileCallOptions): Promise<void> {
    return this.callAt(from, 'move', { from, to }, options)
  }

  async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes: NewFile = {},
    options: FileCallOptions & WriteOptions = {},
  ): Promise<void> {
    const query = { path, ...attributes, ack: options.ack }
    const all = await this.#options(path, options)
    await readAll((await this.#connection.open('PUT', FILE_ROUTE, query, content, all)).body)
  }

  makeSymlink(
    path: string,
    target: string,
    options: FileCallOptions & WriteOptions = {},
  ): Promise<void> {
    return this.callAt(path, 'makeSymlink', { path, target, ack: options.ack }, options)
  }

  async readFile(path: string, options: FileCallOptions & ReadRange = {}): Promise<FileContent> {
    const { offsetBytes, lengthBytes } = options
    const query = { path, offsetBytes, lengthBytes }
    const all = await this.#options(path, options)
    const { headers, body } = await this.#connection.open('GET', FILE_ROUTE, query, undefined, all)
    return {
      stat: decodeHeader(String(headers[STAT_HEADER])) as FileStat,
      lengthBytes: Number(headers[LENGTH_HEADER]),
      content: body,
    }
  }

  async *readSmallFiles(
    paths: readonly string[],
    options?: FileCallOptions,
  ): AsyncGenerator<readonly SmallFile[]> {
    const request = Buffer.from(encodeJson({ paths }))
    const all = await this.#options(paths[0] ?? '/', options)
    const answer = await this.#connection.open('POST', SMALL_FILES_ROUTE, {}, request, all)
    yield* decodeSmallFiles(answer.body)
  }

  setAttributes(
    path: string,
    attributes: FileAttributes,
    options?: FileCallOptions,
  ): Promise<void> {
    return this.callAt(path, 'setAttributes', { path, ...attributes }, options)
  }

  settle(ack?: Ack, options?: CallOptions): Promise<void> {
    return this.call('settle', { ack }, options)
  }

  async *listConflicts(path: string, options?: CallOptions): AsyncGenerator<readonly Conflict[]> {
    yield* this.pages<Conflict>(CONFLICTS_ROUTE, { path }, options)
  }

  showConflict(path: string, { from, ...options }: ShowConflictOptions = {}): Promise<Conflict> {
    return this.call('showConflict', { path, from }, options)
  }

  keepConflict(path: string, options?: CallOptions): Promise<KeptConflict> {
    return this.call('keepConflict', { path }, options)
  }

  async *readLog(
    path: string,
    options: CallOptions & LogOptions = {},
  ): AsyncGenerator<readonly LogItem[]> {
    const { limit, follow, all } = options
    yield* this.pages<LogItem>(LOG_ROUTE, { path, limit, follow, all }, options)
  }

  async *exportCar(
    path: string,
    options: FileCallOptions & ExportOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const { sealed, attributes, rootLater, onExported } = options
    const query = { path, sealed, attributes, rootLater }
    const all = await this.#options(path, options)
    const { body, trailer } = await this.#connection.open('GET', CAR_ROUTE, query, undefined, all)
    yield* body
    onExported?.(decodeHeader(trailer(EXPORTED_TRAILER)) as Exported)
  }

  async *importCar(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: FileCallOptions & ImportOptions = {},
  ): AsyncGenerator<readonly ImportEvent[]> {
    const { sizeBytes, preserve, ack } = options
    const all = await this.#options(path, options)
    const query = { path, sizeBytes, preserve, ack }
    yield* pagesOf<ImportEvent>(
      (await this.#connection.open('PUT', CAR_ROUTE, query, content, all)).body,
    )
  }

  /** Drop the kept connections. */
  close(): void {
    this.#connection.close()
  }

  /** Merges the default options for a path with those of a call. */
  async #options(path: string, options?: FileCallOptions): Promise<FileCallOptions> {
    return { ...(await this.#optionsFor?.(path)), ...options }
  }

  protected async callAt<Result>(
    path: string,
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    return this.call(method, argument, await this.#options(path, options))
  }

  protected async call<Result>(
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    const request = Buffer.from(encodeJson(argument))
    const { body } = await this.#connection.open('POST', API_PREFIX + method, {}, request, options)
    return decodeJson(await readAll(body)) as Result
  }

  /** A streamed answer of one page a line. */
  protected async *pages<Item>(
    route: string,
    query: Query,
    options?: FileCallOptions,
  ): AsyncGenerator<readonly Item[]> {
    yield* pagesOf<Item>(
      (await this.#connection.open('GET', route, query, undefined, options)).body,
    )
  }
}
