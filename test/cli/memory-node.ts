// A node whose world is a Map: methods of NodeApi as api.ts describes it, with nothing durable and
// no peers. What the server, the client and the commands are tested against.
import { readSmallFiles } from '../../node/handlers/files.ts'
import { joinPath } from '../../cli/paths.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { writeEach } from './memory-small-files.ts'
import { MemoryTiers } from './memory-tiers.ts'
import { NODE, PEER, VOLUME, seenOnce } from './memory-status.ts'
import type { CallOptions, NodeApi, VolumeCallOptions } from '../../node/control/api.ts'
import type { Conflict, KeptConflict, ShowConflictOptions } from '../../node/control/conflicts.ts'
import type {
  Ack,
  FileAttributes,
  FileContent,
  FileStat,
  MakeFolderOptions,
  NewFile,
  ReadRange,
  WriteOptions,
} from '../../node/control/files.ts'
import type { LogItem, LogOptions } from '../../node/control/history.ts'
import type { MountRequest } from '../../node/control/mounts.ts'
import type { CreateVolumeRequest, Settings, VolumeInfo } from '../../node/control/volumes.ts'
import type { MemberStatus } from '../../node/control/peers.ts'
import type { SmallFile, WriteFailure } from '../../node/control/small-files.ts'
import type { GarbageEvent, GarbageProgress } from '../../node/control/garbage.ts'
import type {
  MountStatus,
  NodeStatus,
  PeerStatus,
  VolumeStatus,
  LockStatus,
  Notice,
} from '../../node/control/status.ts'
import type { ScrubEvent } from '../../node/control/upkeep.ts'
import type { Invitation, InviteRequest } from '../../node/control/tickets.ts'
import type { WallTime } from '../../protocol/units.ts'

const PART_BYTES = 65_536
const PAGE_ENTRIES = 100

interface Entry {
  stat: FileStat
  content: Uint8Array
}

export class MemoryNode extends MemoryTiers implements Partial<NodeApi> {
  readonly #entries = new Map<string, Entry>([['/', entryOf('folder', { mode: 0o755 })]])
  readonly #mounts = new Map<string, MountStatus>()
  #settings: Settings = { class: 'auto', ack: 'local' }
  conflicts: readonly Conflict[] = []
  conflictCount = 0
  garbage: GarbageProgress | undefined
  readonly watch: NodeApi['watch'] = () => seenOnce(() => this.status())
  locks: readonly LockStatus[] = []
  notices: readonly Notice[] = []
  /** The result of readLog(). */
  log: readonly LogItem[] = []
  /** The result of scrub(). */
  scrubbed: readonly ScrubEvent[] = []
  /** The arguments of settle(), in order. */
  readonly settled: (Ack | undefined)[] = []

  async stop(): Promise<void> {}
  async status(): Promise<NodeStatus> {
    return {
      node: { ...NODE, garbage: this.garbage },
      peers: await this.listPeers(),
      volumes: await this.listVolumes(),
      mounts: [...this.#mounts.values()],
      locks: this.locks,
      notices: this.notices,
    }
  }

  async listPeers(): Promise<readonly PeerStatus[]> {
    return [PEER]
  }

  async addPeer(address: string): Promise<PeerStatus> {
    throw new ShoalError('unreachable', `${address} does not answer. Is the node up there?`)
  }

  async memberInfo(peer: string): Promise<MemberStatus> {
    const { id, name, lastSeenMs, shards, shardBytes } = await this.peerInfo(peer)
    return { id, name, role: 'writer', volume: 'main', lastSeenMs, shards, shardBytes }
  }

  async renamePeer(peer: string, name: string): Promise<MemberStatus> {
    return { ...(await this.memberInfo(peer)), name }
  }

  async removePeer(peer: string): Promise<void> {
    await this.peerInfo(peer)
  }

  async peerInfo(peer: string): Promise<PeerStatus> {
    const found = (await this.listPeers()).find(({ id, name }) => id === peer || name === peer)
    if (found !== undefined) return found
    throw new ShoalError('no-such-peer', `no peer is called "${peer}". See "shoal peer ls".`)
  }

  async pingPeer(peer: string): Promise<number> {
    await this.peerInfo(peer)
    return 1.25
  }

  async invite({
    role = 'writer',
    uses = 1,
    expiresInMs = 86_400 * SECOND_MS,
  }: InviteRequest): Promise<Invitation> {
    const expiresMs = (1_700_000_000_000 + expiresInMs) as WallTime
    return { ticket: 'shoal1memory', id: 'ab12cd34', volume: 'main', role, uses, expiresMs }
  }

  async join(ticket: string): Promise<VolumeInfo> {
    if (!ticket.startsWith('shoal1')) {
      throw new ShoalError(
        'ticket-malformed',
        'this is not a whole ticket. Copy it again from "shoal invite".',
      )
    }
    return this.volumeInfo('main')
  }

  async createVolume({ name }: CreateVolumeRequest): Promise<VolumeInfo> {
    if (name === 'main') throw new ShoalError('EEXIST', 'there is a volume "main" already')
    return { ...(await this.volumeInfo('main')), name }
  }

  async listVolumes(): Promise<readonly VolumeStatus[]> {
    return [await this.volumeInfo('main')]
  }

  async volumeInfo(volume: string): Promise<VolumeInfo> {
    if (volume !== 'main')
      throw new ShoalError('no-such-volume', `this node has no volume "${volume}"`)
    return { ...VOLUME, conflicts: this.conflictCount, settings: this.#settings }
  }

  async retryVolume(volume: string): Promise<VolumeInfo> {
    return this.volumeInfo(volume)
  }

  async renameVolume(volume: string, name: string): Promise<VolumeInfo> {
    const known = volume === VOLUME.id ? 'main' : volume
    return { ...(await this.volumeInfo(known)), name }
  }

  async acceptCheckpoint(peer: string): Promise<VolumeInfo> {
    await this.peerInfo(peer)
    return this.volumeInfo('main')
  }

  async setVolume(volume: string, settings: Settings): Promise<VolumeInfo> {
    await this.volumeInfo(volume)
    this.#settings = { ...this.#settings, ...settings }
    return this.volumeInfo(volume)
  }

  async stat(path: string): Promise<FileStat> {
    return this.#get(path).stat
  }

  async *list(path: string): AsyncGenerator<readonly FileStat[]> {
    if (this.#get(path).stat.kind !== 'folder')
      throw new ShoalError('ENOTDIR', `${path} is not a folder`)
    const children = this.#children(clean(path)).map((child) => this.#get(child).stat)
    for (let i = 0; i < children.length; i += PAGE_ENTRIES)
      yield children.slice(i, i + PAGE_ENTRIES)
  }

  async makeFolder(
    path: string,
    { parents = false, mode = 0o755 }: MakeFolderOptions = {},
  ): Promise<void> {
    const existing = this.#entries.get(clean(path))
    if (existing !== undefined) {
      if (parents && existing.stat.kind === 'folder') return
      throw new ShoalError('EEXIST', `${path} is there already`)
    }
    if (parents) await this.makeFolder(parentOf(path), { parents })
    this.#set(path, entryOf('folder', { mode }))
  }

  async remove(
    path: string,
    { recursive = false }: { recursive?: boolean | undefined } = {},
  ): Promise<void> {
    this.#get(path)
    const children = this.#children(clean(path))
    if (children.length > 0 && !recursive) {
      throw new ShoalError(
        'ENOTEMPTY',
        `${path} is not empty. Remove the whole tree with --recursive.`,
      )
    }
    for (const child of children) await this.remove(child, { recursive })
    this.#entries.delete(clean(path))
  }

  async move(from: string, to: string): Promise<void> {
    const entry = this.#get(from)
    const children = this.#children(clean(from))
    this.#set(to, entry)
    this.#entries.delete(clean(from))
    for (const child of children)
      await this.move(child, clean(to) + child.slice(clean(from).length))
  }

  async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes: NewFile = {},
    { signal }: CallOptions & WriteOptions = {},
  ): Promise<void> {
    this.#get(parentOf(path))
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    signal?.throwIfAborted()
    this.#set(path, entryOf('file', attributes, Buffer.concat(parts)))
  }

  async makeSymlink(path: string, target: string): Promise<void> {
    const entry = entryOf('symlink', { mode: 0o777 })
    this.#set(path, { ...entry, stat: { ...entry.stat, target } })
  }

  /** Nothing but a mount makes one. */
  makeSpecial(path: string, kind: FileStat['kind'], rdev?: number): void {
    const entry = entryOf(kind, {})
    this.#set(path, { ...entry, stat: { ...entry.stat, rdev } })
  }

  async readFile(
    path: string,
    { offsetBytes = 0, lengthBytes }: ReadRange = {},
  ): Promise<FileContent> {
    const { stat, content } = this.#get(path)
    if (stat.kind === 'folder') throw new ShoalError('EISDIR', `${path} is a folder`)
    const end = lengthBytes === undefined ? content.length : offsetBytes + lengthBytes
    const range = content.subarray(offsetBytes, end)
    return { stat, lengthBytes: range.length, content: partsOf(range) }
  }

  readSmallFiles(paths: readonly string[]): AsyncGenerator<readonly SmallFile[]> {
    return readSmallFiles(paths, (path) => this.readFile(path))
  }

  writeSmallFiles(
    folder: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<readonly WriteFailure[]> {
    return writeEach(content, ({ path, bytes, ...attributes }) =>
      this.writeFile(joinPath(folder, path), partsOf(bytes), attributes),
    )
  }

  async setAttributes(path: string, attributes: FileAttributes): Promise<void> {
    const entry = this.#get(path)
    entry.stat = { ...entry.stat, ...attributes } as FileStat
  }

  async settle(ack?: Ack): Promise<void> {
    this.settled.push(ack)
    if (ack === 'placed')
      throw new ShoalError('not-placed', 'no peer can hold shards. Invite one with "shoal invite".')
  }

  async *listConflicts(path: string): AsyncGenerator<readonly Conflict[]> {
    this.#get(path)
    yield this.conflicts
  }

  async showConflict(path: string, { from }: ShowConflictOptions = {}): Promise<Conflict> {
    const found = this.conflicts.find(({ sides }) => sides.some((side) => side.path === path))
    const [side] = found?.sides ?? []
    // Those that are more, one a page.
    if (found !== undefined && side !== undefined && from !== undefined)
      return { ...found, sides: [side], moreCount: found.moreCount - from - 1 }
    if (found !== undefined) return found
    throw new ShoalError('EINVAL', `${path} is not in conflict`)
  }

  async keepConflict(path: string): Promise<KeptConflict> {
    const found = await this.showConflict(path)
    this.conflicts = this.conflicts.filter((conflict) => conflict !== found)
    const removed = found.sides.map((side) => side.path).filter((other) => other !== path)
    return { path: found.path, removed }
  }

  async *readLog(
    path: string,
    { limit, follow = false, signal }: CallOptions & LogOptions = {},
  ): AsyncGenerator<readonly LogItem[]> {
    this.#get(path)
    yield this.log.slice(0, limit)
    if (!follow) return
    await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }

  async *scrub({ volume }: VolumeCallOptions = {}): AsyncGenerator<readonly ScrubEvent[]> {
    if (volume !== undefined) await this.volumeInfo(volume)
    yield this.scrubbed
  }

  async *collectGarbage({ volume = 'main' }: VolumeCallOptions = {}): AsyncGenerator<
    readonly GarbageEvent[]
  > {
    await this.volumeInfo(volume)
    const found = { condemned: 3, repacked: 2, swept: 3, sweptBytes: 36_000_000 }
    yield [{ kind: 'progress', step: 'space', done: 1_000_000, total: 4_000_000 }]
    const report = {
      volumes: [{ volume, ...found, waiting: 1, waitingFor: ['shelf'], falseFiles: [] }],
      deletedBytes: 24_000_000,
      releasedBytes: 0,
      freedBytes: 12_000_000,
      trashBytes: 6_000_000,
      reclaimableBytes: 0,
    }
    yield [{ kind: 'done', ...report }]
  }

  async repair({ volume }: VolumeCallOptions = {}): Promise<void> {
    if (volume !== undefined) await this.volumeInfo(volume)
  }

  async mount(
    folder: string,
    { volume = 'main', readOnly = false, allowOther = false }: MountRequest = {},
  ): Promise<MountStatus> {
    const mounted = { folder, volume, readOnly, allowOther }
    this.#mounts.set(folder, mounted)
    return mounted
  }

  async unmount(folder: string): Promise<void> {
    if (!this.#mounts.delete(folder))
      throw new ShoalError('ENOENT', `nothing is mounted at ${folder}`)
  }

  async listMounts(): Promise<readonly MountStatus[]> {
    return [...this.#mounts.values()]
  }

  #get(path: string): Entry {
    const entry = this.#entries.get(clean(path))
    if (entry === undefined) throw new ShoalError('ENOENT', `${path} is not there`)
    return entry
  }

  #set(path: string, entry: Entry): void {
    const key = clean(path)
    if (key !== '/') this.#get(parentOf(key))
    entry.stat = { ...entry.stat, name: key === '/' ? '/' : key.slice(key.lastIndexOf('/') + 1) }
    this.#entries.set(key, entry)
  }

  #children(path: string): string[] {
    return [...this.#entries.keys()]
      .filter((key) => key !== '/' && parentOf(key) === path)
      .toSorted()
  }
}

function entryOf(
  kind: FileStat['kind'],
  { mode, modifiedNs }: NewFile,
  content = new Uint8Array(),
): Entry {
  const stat: FileStat = {
    name: '/',
    kind,
    mode: mode ?? 0o644,
    uid: 0,
    gid: 0,
    linkCount: 1,
    sizeBytes: content.length,
    modifiedNs: modifiedNs ?? 1_700_000_000_123_456_789n,
    changedNs: 1_700_000_000_123_456_789n,
  }
  return { stat, content }
}

async function* partsOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += PART_BYTES) yield bytes.subarray(i, i + PART_BYTES)
}

function clean(path: string): string {
  const inside = path.replace(/^(main)?:/, '').replace(/\/+$/, '')
  return inside.startsWith('/') ? inside : `/${inside}`
}

function parentOf(path: string): string {
  return clean(path).replace(/\/[^/]*$/, '') || '/'
}
