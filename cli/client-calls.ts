// How calls of a client become requests: one value out and one back, or pages of a streamed answer.
import { API_PREFIX, decodeJson, encodeJson } from '../node/control/wire.ts'
import { Connection, pagesOf, readAll } from './connection.ts'
import type { CallOptions, FileCallOptions } from '../node/control/api.ts'
import type { Query } from './connection.ts'

export interface ClientOptions extends CallOptions {
  readonly home: string
  /** What calls about a path are made with, unless they say otherwise. */
  readonly optionsFor?: ((path: string) => Promise<FileCallOptions>) | undefined
}

export class ClientCalls {
  protected readonly connection: Connection
  readonly #optionsFor: ClientOptions['optionsFor']

  /** signal: aborts every call of this client. */
  constructor({ home, signal, optionsFor }: ClientOptions) {
    this.connection = new Connection({ home, signal })
    this.#optionsFor = optionsFor
  }

  /** Drop the kept connections. */
  close(): void {
    this.connection.close()
  }

  /** What a call about a path is made with. */
  protected async optionsAt(path: string, options?: FileCallOptions): Promise<FileCallOptions> {
    return { ...(await this.#optionsFor?.(path)), ...options }
  }

  protected async callAt<Result>(
    path: string,
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    return this.call(method, argument, await this.optionsAt(path, options))
  }

  protected async call<Result>(
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    const request = Buffer.from(encodeJson(argument))
    const { body } = await this.connection.open('POST', API_PREFIX + method, {}, request, options)
    return decodeJson(await readAll(body)) as Result
  }

  /** A streamed answer of one page a line. */
  protected async *pages<Item>(
    route: string,
    query: Query,
    options?: FileCallOptions,
  ): AsyncGenerator<readonly Item[]> {
    yield* pagesOf<Item>((await this.connection.open('GET', route, query, undefined, options)).body)
  }
}
