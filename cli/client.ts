// The API of a running node, over its control socket. A call here is a call there: same names, same errors. Connections
// are kept and reused, bodies stream with backpressure, and an aborted call is broken off at the node too.
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { ShoalError, asShoalError } from '../protocol/errors.ts'
import {
  API_PREFIX,
  ERROR_TRAILER,
  FILE_ROUTE,
  LENGTH_HEADER,
  LIST_ROUTE,
  STAT_HEADER,
  decodeHeader,
  decodeJson,
  encodeJson,
  errorFrom,
  socketPathOf,
} from '../node/control/wire.ts'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type {
  Ack,
  CallOptions,
  CreateVolumeRequest,
  FileAttributes,
  FileContent,
  FileStat,
  Invitation,
  InviteRequest,
  MakeFolderOptions,
  MountRequest,
  MountStatus,
  NewFile,
  NodeApi,
  NodeStatus,
  PeerStatus,
  ReadRange,
  Settings,
  VolumeInfo,
  VolumeStatus,
  WriteOptions,
} from '../node/control/api.ts'
import type { ErrorBody } from '../node/control/wire.ts'

const CONNECTIONS_MAX = 16

export interface ClientOptions extends CallOptions {
  readonly home: string
}

/** throws ShoalError 'not-running' from every call while no node answers. Answers are those of our own node: not checked again. */
export class Client implements NodeApi {
  readonly #home: string
  readonly #signal: AbortSignal | undefined
  readonly #agent: Agent

  /** signal: aborts every call of this client. */
  constructor({ home, signal }: ClientOptions) {
    this.#home = home
    this.#signal = signal
    this.#agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX })
  }

  status(options?: CallOptions): Promise<NodeStatus> {
    return this.#call('status', {}, options)
  }

  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]> {
    return this.#call('listPeers', {}, options)
  }

  addPeer(address: string, options?: CallOptions): Promise<PeerStatus> {
    return this.#call('addPeer', { address }, options)
  }

  removePeer(
    peer: string,
    options: CallOptions & { readonly volume?: string | undefined } = {},
  ): Promise<void> {
    return this.#call('removePeer', { peer, volume: options.volume }, options)
  }

  peerInfo(peer: string, options?: CallOptions): Promise<PeerStatus> {
    return this.#call('peerInfo', { peer }, options)
  }

  pingPeer(peer: string, options?: CallOptions): Promise<number> {
    return this.#call('pingPeer', { peer }, options)
  }

  invite(request: InviteRequest, options?: CallOptions): Promise<Invitation> {
    return this.#call('invite', request, options)
  }

  join(ticket: string, options?: CallOptions): Promise<VolumeInfo> {
    return this.#call('join', { ticket }, options)
  }

  createVolume(request: CreateVolumeRequest, options?: CallOptions): Promise<VolumeInfo> {
    return this.#call('createVolume', request, options)
  }

  listVolumes(options?: CallOptions): Promise<readonly VolumeStatus[]> {
    return this.#call('listVolumes', {}, options)
  }

  volumeInfo(volume: string, options?: CallOptions): Promise<VolumeInfo> {
    return this.#call('volumeInfo', { volume }, options)
  }

  setVolume(volume: string, settings: Settings, options?: CallOptions): Promise<VolumeInfo> {
    return this.#call('setVolume', { volume, settings }, options)
  }

  stat(path: string, options?: CallOptions): Promise<FileStat> {
    return this.#call('stat', { path }, options)
  }

  async *list(path: string, options?: CallOptions): AsyncGenerator<readonly FileStat[]> {
    const { body } = await this.#open('GET', LIST_ROUTE, { path }, undefined, options)
    const decoder = new TextDecoder()
    let rest = ''
    for await (const part of body) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield decodeJson(line) as readonly FileStat[]
    }
  }

  makeFolder(path: string, options: CallOptions & MakeFolderOptions = {}): Promise<void> {
    const { parents, mode, ack } = options
    return this.#call('makeFolder', { path, parents, mode, ack }, options)
  }

  remove(
    path: string,
    options: CallOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<void> {
    return this.#call('remove', { path, recursive: options.recursive }, options)
  }

  move(from: string, to: string, options?: CallOptions): Promise<void> {
    return this.#call('move', { from, to }, options)
  }

  async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes: NewFile = {},
    options: CallOptions & WriteOptions = {},
  ): Promise<void> {
    const query = { path, ...attributes, ack: options.ack }
    await readAll((await this.#open('PUT', FILE_ROUTE, query, content, options)).body)
  }

  makeSymlink(
    path: string,
    target: string,
    options: CallOptions & WriteOptions = {},
  ): Promise<void> {
    return this.#call('makeSymlink', { path, target, ack: options.ack }, options)
  }

  async readFile(path: string, options: CallOptions & ReadRange = {}): Promise<FileContent> {
    const { offsetBytes, lengthBytes } = options
    const query = { path, offsetBytes, lengthBytes }
    const { headers, body } = await this.#open('GET', FILE_ROUTE, query, undefined, options)
    return {
      stat: decodeHeader(String(headers[STAT_HEADER])) as FileStat,
      lengthBytes: Number(headers[LENGTH_HEADER]),
      content: body,
    }
  }

  setAttributes(path: string, attributes: FileAttributes, options?: CallOptions): Promise<void> {
    return this.#call('setAttributes', { path, ...attributes }, options)
  }

  settle(ack?: Ack, options?: CallOptions): Promise<void> {
    return this.#call('settle', { ack }, options)
  }

  mount(folder: string, options: CallOptions & MountRequest = {}): Promise<MountStatus> {
    const { volume, readOnly, allowOther } = options
    return this.#call('mount', { folder, volume, readOnly, allowOther }, options)
  }

  unmount(
    folder: string,
    options: CallOptions & { readonly force?: boolean | undefined } = {},
  ): Promise<void> {
    return this.#call('unmount', { folder, force: options.force }, options)
  }

  listMounts(options?: CallOptions): Promise<readonly MountStatus[]> {
    return this.#call('listMounts', {}, options)
  }

  /** Returns as soon as the node has begun to stop: it cannot answer once it has. */
  stop(): Promise<void> {
    return this.#call('stop', {})
  }

  /** Drop the kept connections. */
  close(): void {
    this.#agent.destroy()
  }

  async #call<Result>(method: string, argument: unknown, options?: CallOptions): Promise<Result> {
    const request = Buffer.from(encodeJson(argument))
    const { body } = await this.#open('POST', API_PREFIX + method, {}, request, options)
    return decodeJson(await readAll(body)) as Result
  }

  /** Send a request and its body. returns the response once it has begun well; throws what the node reports. */
  async #open(
    method: string,
    route: string,
    query: Query,
    body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
    { signal }: CallOptions = {},
  ): Promise<Answer> {
    const ended = AbortSignal.any([signal, this.#signal].filter((one) => one !== undefined))
    const request = httpRequest({
      socketPath: socketPathOf(this.#home),
      agent: this.#agent,
      method,
      path: route + encodeQuery(query),
      signal: ended,
    })
    try {
      const response = await exchange(request, body)
      if (response.statusCode !== 200)
        throw errorFrom(decodeJson(await readAll(bodyOf(response, ended))) as ErrorBody)
      return { headers: response.headers, body: bodyOf(response, ended) }
    } catch (error) {
      request.destroy()
      throw ended.aborted ? asShoalError(ended.reason) : this.#explain(error)
    }
  }

  #explain(error: unknown): ShoalError {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall === 'connect') {
      const message = `no node runs at ${this.#home}. Start it with "shoal up".`
      if (code === 'ECONNREFUSED' || code === 'ENOENT')
        return new ShoalError('not-running', message, { cause: error })
      if (code === 'EACCES')
        return new ShoalError('EACCES', `${this.#home} belongs to another user`, { cause: error })
    }
    if (code === 'ECONNRESET' || code === 'EPIPE') return goneError(error)
    return asShoalError(error)
  }
}

type Query = Readonly<Record<string, string | number | bigint | undefined>>

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Uint8Array>
}

/** Send `body` and wait for the response, which may come early: then the rest of the body is not sent. */
async function exchange(
  request: ClientRequest,
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
): Promise<IncomingMessage> {
  const early = new AbortController()
  const response = once(request, 'response').finally(() => early.abort('answered'))
  // Also awaited below; while the body is being sent nobody else listens.
  response.catch(() => {})
  if (body === undefined || body instanceof Uint8Array) request.end(body)
  // A body that is waiting for its next part does not keep an early response or failure back.
  else await Promise.race([send(request, body, early.signal), response])
  return (await response)[0] as IncomingMessage
}

async function send(
  request: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  early: AbortSignal,
): Promise<void> {
  for await (const part of body) {
    if (early.aborted) return
    if (request.write(part)) continue
    try {
      await once(request, 'drain', { signal: early })
    } catch (error) {
      if (early.aborted) return
      throw error
    }
  }
  request.end()
}

/** The body to its end; throws what the node reports after it, or 'stopped' where it breaks off. */
async function* bodyOf(response: IncomingMessage, ended: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>
  } catch (error) {
    throw ended.aborted ? asShoalError(ended.reason) : goneError(error)
  }
  const failure = response.trailers[ERROR_TRAILER]
  if (failure !== undefined) throw errorFrom(decodeHeader(failure) as ErrorBody)
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

function encodeQuery(query: Query): string {
  const text = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) text.set(key, String(value))
  }
  return text.size === 0 ? '' : `?${text.toString()}`
}

function goneError(cause: unknown): ShoalError {
  const message = 'the node ended while it was answering. Look at it with "shoal status".'
  return new ShoalError('stopped', message, { cause })
}
