// The API of a running node, over its control socket. A call here is a call there: same names, same errors.
import {
  API_PREFIX,
  CAR_ROUTE,
  COLD_PUSH_ROUTE,
  COLD_RECALL_ROUTE,
  CONFLICTS_ROUTE,
  EXPORTED_TRAILER,
  FILE_ROUTE,
  LENGTH_HEADER,
  LIST_ROUTE,
  LOCAL_PIN_ROUTE,
  LOG_ROUTE,
  PINS_ROUTE,
  SCRUB_ROUTE,
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
  CreateVolumeRequest,
  FileAttributes,
  FileCallOptions,
  FileContent,
  FileStat,
  Invitation,
  InviteRequest,
  KeptConflict,
  LogItem,
  LogOptions,
  MakeFolderOptions,
  MountRequest,
  NewFile,
  NodeApi,
  ReadRange,
  Settings,
  ShowConflictOptions,
  VolumeInfo,
  WriteOptions,
} from '../node/control/api.ts'
import type { ColdProgress, Tier, TierRequest, TierStatus } from '../node/control/cold.ts'
import type {
  ExportOptions,
  Exported,
  ImportEvent,
  ImportOptions,
} from '../node/control/exchange.ts'
import type { GarbageReport } from '../node/control/garbage.ts'
import type { ClassPin, ColdPin, Pin, PinProgress, PinsCounted } from '../node/control/pins.ts'
import type { ExportedKey, RecoverRequest } from '../node/control/recovery.ts'
import type { SmallFile } from '../node/control/small-files.ts'
import type { MountStatus, NodeStatus, PeerStatus, VolumeStatus } from '../node/control/status.ts'
import type { ScrubEvent, UpkeepOptions } from '../node/control/upkeep.ts'
import type { Query } from './connection.ts'

export interface ClientOptions extends CallOptions {
  readonly home: string
  /** What calls about a path are made with, unless they say otherwise. */
  readonly optionsFor?: ((path: string) => Promise<FileCallOptions>) | undefined
}

/** throws ShoalError 'not-running' from every call while no node answers. Answers are those of our own node: not checked again. */
export class Client implements NodeApi {
  readonly #connection: Connection
  readonly #optionsFor: ClientOptions['optionsFor']

  /** signal: aborts every call of this client. */
  constructor({ home, signal, optionsFor }: ClientOptions) {
    this.#connection = new Connection({ home, signal })
    this.#optionsFor = optionsFor
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
    {
      volume,
      now,
      ...options
    }: CallOptions & {
      readonly volume?: string | undefined
      readonly now?: boolean | undefined
    } = {},
  ): Promise<void> {
    return this.#call('removePeer', { peer, volume, now }, options)
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

  stat(path: string, options?: FileCallOptions): Promise<FileStat> {
    return this.#callAt(path, 'stat', { path }, options)
  }

  async *list(path: string, options?: FileCallOptions): AsyncGenerator<readonly FileStat[]> {
    yield* this.#pages<FileStat>(LIST_ROUTE, { path }, await this.#options(path, options))
  }

  makeFolder(path: string, options: FileCallOptions & MakeFolderOptions = {}): Promise<void> {
    const { parents, mode, ack } = options
    return this.#callAt(path, 'makeFolder', { path, parents, mode, ack }, options)
  }

  remove(
    path: string,
    options: FileCallOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<void> {
    return this.#callAt(path, 'remove', { path, recursive: options.recursive }, options)
  }

  move(from: string, to: string, options?: FileCallOptions): Promise<void> {
    return this.#callAt(from, 'move', { from, to }, options)
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
    return this.#callAt(path, 'makeSymlink', { path, target, ack: options.ack }, options)
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
    return this.#callAt(path, 'setAttributes', { path, ...attributes }, options)
  }

  settle(ack?: Ack, options?: CallOptions): Promise<void> {
    return this.#call('settle', { ack }, options)
  }

  async *listConflicts(path: string, options?: CallOptions): AsyncGenerator<readonly Conflict[]> {
    yield* this.#pages<Conflict>(CONFLICTS_ROUTE, { path }, options)
  }

  showConflict(path: string, { from, ...options }: ShowConflictOptions = {}): Promise<Conflict> {
    return this.#call('showConflict', { path, from }, options)
  }

  keepConflict(path: string, options?: CallOptions): Promise<KeptConflict> {
    return this.#call('keepConflict', { path }, options)
  }

  async *readLog(
    path: string,
    options: CallOptions & LogOptions = {},
  ): AsyncGenerator<readonly LogItem[]> {
    const { limit, follow, all } = options
    yield* this.#pages<LogItem>(LOG_ROUTE, { path, limit, follow, all }, options)
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
    const { sizeBytes, ack } = options
    const all = await this.#options(path, options)
    const query = { path, sizeBytes, ack }
    yield* pagesOf<ImportEvent>(
      (await this.#connection.open('PUT', CAR_ROUTE, query, content, all)).body,
    )
  }

  async *scrub({ volume, signal }: UpkeepOptions = {}): AsyncGenerator<readonly ScrubEvent[]> {
    yield* this.#pages<ScrubEvent>(SCRUB_ROUTE, { volume }, { signal })
  }

  collectGarbage({ volume, signal }: UpkeepOptions = {}): Promise<GarbageReport> {
    return this.#call('collectGarbage', { volume }, { signal })
  }

  addPin(
    path: string,
    { class: cls }: { readonly class: string },
    options?: CallOptions,
  ): Promise<ClassPin> {
    return this.#call('addPin', { path, class: cls }, options)
  }

  addColdPin(path: string, tier: string, options?: CallOptions): Promise<ColdPin> {
    return this.#call('addColdPin', { path, tier }, options)
  }

  async *addLocalPin(
    path: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<readonly PinProgress[]> {
    yield* this.#pages<PinProgress>(LOCAL_PIN_ROUTE, { path }, { signal })
  }

  removePin(path: string, options?: CallOptions): Promise<void> {
    return this.#call('removePin', { path }, options)
  }

  async *listPins({ volume, signal }: UpkeepOptions = {}): AsyncGenerator<
    readonly (PinsCounted | Pin)[]
  > {
    yield* this.#pages<PinsCounted | Pin>(PINS_ROUTE, { volume }, { signal })
  }

  addTier(request: TierRequest, options?: CallOptions): Promise<Tier> {
    return this.#call('addTier', { ...request }, options)
  }

  listTiers({ volume, signal }: UpkeepOptions = {}): Promise<readonly TierStatus[]> {
    return this.#call('listTiers', { volume }, { signal })
  }

  removeTier(name: string, { volume, signal }: UpkeepOptions = {}): Promise<void> {
    return this.#call('removeTier', { name, volume }, { signal })
  }

  async *pushCold(
    path: string,
    { tier, signal }: CallOptions & { readonly tier?: string | undefined } = {},
  ): AsyncGenerator<readonly ColdProgress[]> {
    yield* this.#pages<ColdProgress>(COLD_PUSH_ROUTE, { path, tier }, { signal })
  }

  async *recallCold(
    path: string,
    { signal }: CallOptions = {},
  ): AsyncGenerator<readonly ColdProgress[]> {
    yield* this.#pages<ColdProgress>(COLD_RECALL_ROUTE, { path }, { signal })
  }

  exportRecoveryKey({ volume, signal }: UpkeepOptions = {}): Promise<ExportedKey> {
    return this.#call('exportRecoveryKey', { volume }, { signal })
  }

  recover(request: RecoverRequest, options?: CallOptions): Promise<VolumeInfo> {
    return this.#call('recover', { ...request }, options)
  }

  repair({ volume, signal }: UpkeepOptions = {}): Promise<void> {
    return this.#call('repair', { volume }, { signal })
  }

  mount(folder: string, options: CallOptions & MountRequest = {}): Promise<MountStatus> {
    const { signal, ...how } = options
    return this.#call('mount', { folder, ...how }, { signal })
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
    this.#connection.close()
  }

  /** What a call about a path is made with. */
  async #options(path: string, options?: FileCallOptions): Promise<FileCallOptions> {
    return { ...(await this.#optionsFor?.(path)), ...options }
  }

  async #callAt<Result>(
    path: string,
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    return this.#call(method, argument, await this.#options(path, options))
  }

  async #call<Result>(
    method: string,
    argument: unknown,
    options?: FileCallOptions,
  ): Promise<Result> {
    const request = Buffer.from(encodeJson(argument))
    const { body } = await this.#connection.open('POST', API_PREFIX + method, {}, request, options)
    return decodeJson(await readAll(body)) as Result
  }

  /** A streamed answer of one page a line. */
  async *#pages<Item>(
    route: string,
    query: Query,
    options?: FileCallOptions,
  ): AsyncGenerator<readonly Item[]> {
    yield* pagesOf<Item>(
      (await this.#connection.open('GET', route, query, undefined, options)).body,
    )
  }
}
