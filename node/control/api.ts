// What a running node offers to its owner: the command, the doors (S3, WebDAV, ...) and programs that embed a node all
// speak through this interface and nothing else. Every failure is a ShoalError.
//
// Paths are '/folder/file' in the node's default volume, or 'volume:/folder/file'; names are UTF-8 text. Where `volume`
// is optional it is a name or an id, and the default volume if left out. A `peer` is a name, an id, or the unique
// beginning or end of an id. Times of files are nanoseconds since the Unix epoch, as bigint (decimal text in JSON).
import type { FileKind } from '../../protocol/tree/attributes.ts'
import type { EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import type { WallTime } from '../../protocol/units.ts'

/** Cancels the call: it rejects with 'aborted' and leaves nothing half done that a reader could see. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * How durable a write is before it is acknowledged (DESIGN §5): 'none' in this node's memory, 'local' survives power
 * loss of this node, 'copied' data and entry also durable on another peer, 'placed' all k+m shards durable on distinct
 * peers. A volume's policy is one of these; a call may ask for another.
 */
export type Ack = 'none' | 'local' | 'copied' | 'placed'

export interface NodeApi {
  status(options?: CallOptions): Promise<NodeStatus>

  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]>
  /** Dial a multiaddr, remember it, and say who answered. throws 'unreachable', 'usage'. */
  addPeer(address: string, options?: CallOptions): Promise<PeerStatus>
  /** Take a peer's membership of a volume away (a new key epoch for those who remain). throws 'no-such-peer', 'EPERM'. */
  removePeer(
    peer: string,
    options?: CallOptions & { readonly volume?: string | undefined },
  ): Promise<void>
  /** throws 'no-such-peer'. */
  peerInfo(peer: string, options?: CallOptions): Promise<PeerStatus>
  /** Round trip in ms, dialling if need be. throws 'no-such-peer', 'unreachable'. */
  pingPeer(peer: string, options?: CallOptions): Promise<number>
  /** A ticket for another machine; makes the volume `main` if there is none. throws 'EPERM' unless this node is an admin. */
  invite(request: InviteRequest, options?: CallOptions): Promise<Invitation>
  /** Become a member by a ticket. returns once the log is held. throws 'ticket-*', 'unreachable'. */
  join(ticket: string, options?: CallOptions): Promise<VolumeInfo>

  /** throws 'EEXIST', 'usage'. */
  createVolume(request: CreateVolumeRequest, options?: CallOptions): Promise<VolumeInfo>
  listVolumes(options?: CallOptions): Promise<readonly VolumeStatus[]>
  /** throws 'no-such-volume'. */
  volumeInfo(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /** Set policies by name (class, ack, grace, ...), all or none. throws 'usage' naming the key and its values. */
  setVolume(volume: string, settings: Settings, options?: CallOptions): Promise<VolumeInfo>

  /** Does not follow a symlink at the end of the path. throws 'ENOENT', 'ENOTDIR'. */
  stat(path: string, options?: CallOptions): Promise<FileStat>
  /** The entries of a folder in byte order of their names, in pages of bounded size. throws 'ENOENT', 'ENOTDIR'. */
  list(path: string, options?: CallOptions): AsyncIterable<readonly FileStat[]>
  /** `parents`: make missing parents too, and succeed if the folder is there. throws 'EEXIST', 'ENOENT', 'ENOTDIR'. */
  makeFolder(path: string, options?: CallOptions & MakeFolderOptions): Promise<void>
  /** Remove a file, a symlink, an empty folder, or with `recursive` a whole tree. throws 'ENOENT', 'ENOTEMPTY'. */
  remove(
    path: string,
    options?: CallOptions & { readonly recursive?: boolean | undefined },
  ): Promise<void>
  /** Rename, as rename(2): replaces a file or an empty folder at `to`. throws 'ENOENT', 'ENOTEMPTY', 'EISDIR', ... */
  move(from: string, to: string, options?: CallOptions): Promise<void>
  /**
   * Write a whole file, replacing a file or symlink of that name. Readers see the old version or the whole new one; if
   * `content` throws or the call is aborted, the old one stays. throws 'ENOENT' without the parent, 'EISDIR', 'ENOSPC',
   * 'not-placed' (the data is kept locally), 'malformed' when `sizeBytes` was given and the content differs.
   */
  writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
    options?: CallOptions & WriteOptions,
  ): Promise<void>
  /** Make a symlink, replacing a file or symlink of that name. */
  makeSymlink(path: string, target: string, options?: CallOptions & WriteOptions): Promise<void>
  /** One version of a file, from `offsetBytes` for `lengthBytes` or to its end. Follows no symlink ('EINVAL'). throws 'EISDIR'. */
  readFile(path: string, options?: CallOptions & ReadRange): Promise<FileContent>
  setAttributes(path: string, attributes: FileAttributes, options?: CallOptions): Promise<void>
  /**
   * Wait until everything written through this node before the call is durable as `ack` says (undefined: as each
   * volume's policy says), so that many writes with ack 'none' can be pipelined and waited for once. throws 'not-placed'.
   */
  settle(ack?: Ack, options?: CallOptions): Promise<void>

  /** Mount a volume's namespace at an existing or new folder of this machine (absolute). throws 'mount-failed', 'EBUSY'. */
  mount(folder: string, options?: CallOptions & MountRequest): Promise<MountStatus>
  /** throws 'ENOENT' if not mounted by this node, 'EBUSY' unless `force`. */
  unmount(
    folder: string,
    options?: CallOptions & { readonly force?: boolean | undefined },
  ): Promise<void>
  listMounts(options?: CallOptions): Promise<readonly MountStatus[]>

  /** Stop the node cleanly: unmount, finish writes, close the store. Idempotent. */
  stop(): Promise<void>
}

/** A node in this process, as `shoal up` runs it. The control socket opens last in start(): it answers = it is ready. */
export interface LocalNode extends NodeApi {
  start(): Promise<void>
  /** Resolves after stop() was done, whoever asked for it; rejects with the failure that ended the node. */
  readonly stopped: Promise<void>
}

export interface NodeStatus {
  readonly node: {
    readonly id: PeerId
    readonly name: string
    /** Failure domain; undefined: this node is one by itself. */
    readonly zone: string | undefined
    /** Multiaddrs that others can dial, each ending in /p2p/<id>. */
    readonly addresses: readonly string[]
    readonly version: string
    readonly home: string
    readonly pid: number
    readonly startedMs: WallTime
    /** Bytes of the store on disk, and the bytes it may still grow by (capacity and free disk space). */
    readonly usedBytes: number
    readonly freeBytes: number
  }
  readonly peers: readonly PeerStatus[]
  readonly volumes: readonly VolumeStatus[]
  readonly mounts: readonly MountStatus[]
}

export interface PeerStatus {
  readonly id: PeerId
  /** The name it gave itself; its id where it has said none yet. */
  readonly name: string
  readonly zone?: string | undefined
  readonly state: 'connected' | 'away'
  readonly addresses: readonly string[]
  /** Its memberships of volumes this node has. */
  readonly volumes: readonly { readonly name: string; readonly role: Role }[]
  readonly lastSeenMs?: WallTime | undefined
  readonly roundTripMs?: number | undefined
  readonly freeBytes?: number | undefined
}

export interface InviteRequest {
  readonly volume?: string | undefined
  /** Default 'writer'. */
  readonly role?: Role | undefined
  /** How many machines may join by it. Default 1. */
  readonly uses?: number | undefined
  /** Default 24 hours. */
  readonly expiresInMs?: number | undefined
}

export interface Invitation {
  readonly ticket: string
  readonly volume: string
  readonly role: Role
  readonly uses: number
  readonly expiresMs: WallTime
}

export interface CreateVolumeRequest {
  readonly name: string
  /** Average chunk: '64k', '256k' or '1m'. For ever. */
  readonly chunk?: string | undefined
  /** 'blake3' or 'sha2-256'. For ever. */
  readonly hash?: string | undefined
  readonly settings?: Settings | undefined
}

/** Policies of a volume by name, as `shoal volume set` takes them: class=rs4+2, ack=placed, grace=30m, ... */
export type Settings = Readonly<Record<string, string>>

export interface VolumeStatus {
  readonly id: VolumeId
  readonly name: string
  readonly isDefault: boolean
  /** This node's role. */
  readonly role: Role
  /** The redundancy class in force, 'rs4+2' where the setting is 'auto'. */
  readonly class: string
  readonly stripes: StripeCounts
  /** How many peers (failure domains) may be lost at once without losing a byte. */
  readonly tolerates: number
  /** Bytes written on this node that lie in no stripe yet: `tolerates` does not hold for them. */
  readonly unplacedBytes: number
  /** Conflict copies in view. */
  readonly conflicts: number
  /** Entries that no known entry points to; equal heads are equal namespaces. Sorted. */
  readonly heads: readonly EntryHash[]
}

export interface StripeCounts {
  /** All k+m shards on live peers. */
  readonly full: number
  /** Shards are missing, but at least one more may be lost. */
  readonly degraded: number
  /** Readable, and one more loss makes it unreadable. */
  readonly atRisk: number
  /** Fewer than k shards on live peers. */
  readonly lost: number
}

export interface VolumeInfo extends VolumeStatus {
  readonly members: readonly { readonly peer: PeerId; readonly name: string; readonly role: Role }[]
  readonly settings: Settings
  readonly chunk: string
  readonly hash: string
  readonly createdMs: WallTime
  /** Entries of the log held. */
  readonly entries: number
}

export interface FileStat {
  /** The last part of the path; '/' for the root. */
  readonly name: string
  readonly kind: FileKind
  /** Permission bits, 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkCount: number
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  readonly changedNs: bigint
  /** Of a symlink. */
  readonly target?: string | undefined
}

export interface FileAttributes {
  readonly mode?: number | undefined
  readonly modifiedNs?: bigint | undefined
}

/** mode defaults to that of the file replaced, else 0o644; modifiedNs to now. */
export interface NewFile extends FileAttributes {
  /** Checked against the content where given. */
  readonly sizeBytes?: number | undefined
}

export interface MakeFolderOptions extends WriteOptions {
  readonly parents?: boolean | undefined
  /** Default 0o755. */
  readonly mode?: number | undefined
}

export interface WriteOptions {
  /** Default: the volume's policy. */
  readonly ack?: Ack | undefined
}

export interface ReadRange {
  readonly offsetBytes?: number | undefined
  readonly lengthBytes?: number | undefined
}

/** Iterate `content` to its end or break off: an iteration left open holds a handle. It throws where a part cannot be read. */
export interface FileContent {
  /** Of the version that is read. */
  readonly stat: FileStat
  /** What `content` will yield in all: the range, cut at the end of the file. */
  readonly lengthBytes: number
  readonly content: AsyncIterable<Uint8Array>
}

export interface MountRequest {
  readonly volume?: string | undefined
  readonly readOnly?: boolean | undefined
  readonly allowOther?: boolean | undefined
}

export interface MountStatus {
  readonly folder: string
  readonly volume: string
  readonly readOnly: boolean
}
