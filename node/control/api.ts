// What a running node offers to its owner: the command, the doors (S3, WebDAV, ...) and programs that embed a node all
// speak through this interface and nothing else. Every failure is a ShoalError.
//
// Paths are '/folder/file' in the node's default volume, or 'volume:/folder/file'; names are UTF-8 text. Where `volume`
// is optional it is a name or an id, and the default volume if left out. A `peer` is a name, an id, or the unique
// beginning or end of an id. Times of files are nanoseconds since the Unix epoch, as bigint (decimal text in JSON).
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Change } from '../../protocol/tree/describe.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ColdApi } from './cold.ts'
import type { ExchangeApi } from './exchange.ts'
import type { GarbageApi } from './garbage.ts'
import type { PinsApi } from './pins.ts'
import type { RecoveryApi } from './recovery.ts'
import type { SecurityApi } from './security.ts'
import type { TicketsApi } from './tickets.ts'
import type { MountStatus, NodeStatus, PeerStatus, VolumeStatus } from './status.ts'
import type { UpkeepApi } from './upkeep.ts'
import type { SmallFile } from './small-files.ts'

/** Cancels the call: it rejects with 'aborted' and leaves nothing half done that a reader could see. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * How recent what a call reads is, and who must agree to what it writes: 'eventual' what this node has,
 * 'read-own' at least what the session has read and written, on whatever node, 'strong' all that was strongly written
 * before the call, and each write after it; refused ('NO_QUORUM') without a majority of the volume's voters.
 */
export type Consistency = 'eventual' | 'read-own' | 'strong'

/** Whom a lock of a file of a mount excludes: other processes of that machine, or 'strong', those of all nodes. */
export type Locking = 'local' | 'strong'

/**
 * For every call about files. throws 'ESTALE' where this node cannot get what the session has seen, 'usage' for what is
 * no token of the volume, 'NO_QUORUM' naming the voters that are missing, 'EPERM' for a write of a strong volume that
 * asks for less.
 */
export interface FileCallOptions extends CallOptions {
  /** Default: the volume's policy; with `session` no less than 'read-own'. */
  readonly consistency?: Consistency | undefined
  /** The token of what the session has seen of this volume so far, as `onSession` was told it. Undefined: nothing. */
  readonly session?: string | undefined
  /**
   * Told, before the call ends, the token of what this node has then, which is all that the call read or wrote and more;
   * of a listing, at its end. It holds `session` too unless the call was 'eventual'.
   */
  readonly onSession?: ((token: string) => void) | undefined
}

/**
 * How durable a write is before it is acknowledged: 'none' in this node's memory, 'local' survives power
 * loss of this node, 'copied' data and entry also durable on another peer, 'placed' all k+m shards durable on distinct
 * peers. A volume's policy is one of these; a call may ask for another.
 */
export type Ack = 'none' | 'local' | 'copied' | 'placed'

/** All of it. */
export interface NodeApi
  extends
    PeersApi,
    VolumesApi,
    FilesApi,
    ConflictsApi,
    HistoryApi,
    MountsApi,
    UpkeepApi,
    GarbageApi,
    PinsApi,
    ColdApi,
    RecoveryApi,
    SecurityApi,
    TicketsApi,
    ExchangeApi {
  status(options?: CallOptions): Promise<NodeStatus>
  /** Stop the node cleanly: unmount, finish writes, close the store. Idempotent. */
  stop(): Promise<void>
}

export interface PeersApi {
  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]>
  /** Dial a multiaddr, remember it, and say who answered. throws 'unreachable', 'usage'. */
  addPeer(address: string, options?: CallOptions): Promise<PeerStatus>
  /**
   * Take a peer's membership of a volume away (a new key epoch for those who remain), and its vote; after it has given
   * its shards away, which may take long, or at once. To break off leaves it a member.
   * throws 'no-such-peer', 'EPERM', 'not-placed' if stripes would be lost; 'NO_QUORUM' if it is removed, but the voters cannot decide that it is none of them.
   */
  removePeer(
    peer: string,
    options?: CallOptions & {
      readonly volume?: string | undefined
      readonly now?: boolean | undefined
    },
  ): Promise<void>
  /** throws 'no-such-peer'. */
  peerInfo(peer: string, options?: CallOptions): Promise<PeerStatus>
  /** Round trip in ms, dialling if need be. throws 'no-such-peer', 'unreachable'. */
  pingPeer(peer: string, options?: CallOptions): Promise<number>
}

export interface VolumesApi {
  /** throws 'EEXIST', 'usage'. */
  createVolume(request: CreateVolumeRequest, options?: CallOptions): Promise<VolumeInfo>
  listVolumes(options?: CallOptions): Promise<readonly VolumeStatus[]>
  /** Try the entry again that a volume stopped at. throws 'no-such-volume', 'EIO' where the node must start anew first. */
  retryVolume(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /** throws 'no-such-volume'. */
  volumeInfo(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /** Set policies by name (class, ack, grace, ...), all or none. throws 'usage' naming the key and its values. */
  setVolume(volume: string, settings: Settings, options?: CallOptions): Promise<VolumeInfo>
  /**
   * Start from the checkpoint of a peer, though too few members attest it: the owner of this node vouches for it.
   * throws 'no-such-volume', 'no-such-peer', 'EEXIST' if there is no need to, 'unreachable', 'unsupported' (it has none).
   */
  acceptCheckpoint(
    peer: string,
    options?: CallOptions & { readonly volume?: string | undefined },
  ): Promise<VolumeInfo>
}

/** Files by path. */
export interface FilesApi {
  /** Does not follow a symlink at the end of the path. throws 'ENOENT', 'ENOTDIR'. */
  stat(path: string, options?: FileCallOptions): Promise<FileStat>
  /** The entries of a folder in byte order of their names, in pages of bounded size. throws 'ENOENT', 'ENOTDIR'. */
  list(path: string, options?: FileCallOptions): AsyncIterable<readonly FileStat[]>
  /** `parents`: make missing parents too, and succeed if the folder is there. throws 'EEXIST', 'ENOENT', 'ENOTDIR'. */
  makeFolder(path: string, options?: FileCallOptions & MakeFolderOptions): Promise<void>
  /** Remove a file, a symlink, an empty folder, or with `recursive` a whole tree. throws 'ENOENT', 'ENOTEMPTY'. */
  remove(
    path: string,
    options?: FileCallOptions & { readonly recursive?: boolean | undefined },
  ): Promise<void>
  /** Rename, as rename(2): replaces a file or an empty folder at `to`. throws 'ENOENT', 'ENOTEMPTY', 'EISDIR', ... */
  move(from: string, to: string, options?: FileCallOptions): Promise<void>
  /**
   * Write a whole file, replacing a file or symlink of that name. Readers see the old version or the whole new one; if
   * `content` throws or the call is aborted, the old one stays. throws 'ENOENT' without the parent, 'EISDIR', 'ENOSPC',
   * 'not-placed' (the data is kept locally), 'malformed' when `sizeBytes` was given and the content differs.
   */
  writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
    options?: FileCallOptions & WriteOptions,
  ): Promise<void>
  /** Make a symlink, replacing a file or symlink of that name. */
  makeSymlink(path: string, target: string, options?: FileCallOptions & WriteOptions): Promise<void>
  /** One version of a file, from `offsetBytes` for `lengthBytes` or to its end. Follows no symlink ('EINVAL'). throws 'EISDIR'. */
  readFile(path: string, options?: FileCallOptions & ReadRange): Promise<FileContent>
  /**
   * Small files of one volume, at most SMALL_FILES_MAX, in pages: one call costs far less than one for each. One that cannot
   * be read, or is larger than SMALL_FILE_BYTES ('EFBIG'), keeps none of the others back.
   */
  readSmallFiles(
    paths: readonly string[],
    options?: FileCallOptions,
  ): AsyncIterable<readonly SmallFile[]>
  setAttributes(path: string, attributes: FileAttributes, options?: FileCallOptions): Promise<void>
  /**
   * Wait until everything written through this node before the call is durable as `ack` says (undefined: as each
   * volume's policy says), so that many writes with ack 'none' can be pipelined and waited for once. throws 'not-placed'.
   */
  settle(ack?: Ack, options?: CallOptions): Promise<void>
}

/**
 * What was written, made or named by several at once, of which one has the name and the others show beside it. Answers
 * name the volume in their paths if the call does.
 */
export interface ConflictsApi {
  /** Those at a path and below, in pages. throws 'ENOENT', 'ENOTDIR'. */
  listConflicts(path: string, options?: CallOptions): AsyncIterable<readonly Conflict[]>
  /** By the path of any side. throws 'ENOENT', 'EINVAL' where there is no conflict. */
  showConflict(path: string, options?: ShowConflictOptions): Promise<Conflict>
  /**
   * End a conflict: the side at `path` gets the name, or keeps it, and the others go.
   * throws 'ENOENT', 'EINVAL' where there is none, 'EISDIR' where a side is a folder: then a move of one ends it.
   */
  keepConflict(path: string, options?: CallOptions): Promise<KeptConflict>
}

export interface HistoryApi {
  /**
   * The log of a volume (the path of its root), or what of it is about a file, or about a folder and all in it, also
   * under other names; newest first, in pages. cost: O(entries given) for a volume; for a path the whole log is read.
   * With `follow` the latest `limit` entries oldest first, and then new ones as they come, until the call is aborted.
   * throws 'ENOENT', 'ENOTDIR', 'EPERM' on a keeper.
   */
  readLog(path: string, options?: CallOptions & LogOptions): AsyncIterable<readonly LogItem[]>
}

export interface MountsApi {
  /** Mount a volume's namespace at an existing or new folder of this machine (absolute). throws 'mount-failed', 'EBUSY'. */
  mount(folder: string, options?: CallOptions & MountRequest): Promise<MountStatus>
  /** throws 'ENOENT' if not mounted by this node, 'EBUSY' unless `force`. */
  unmount(
    folder: string,
    options?: CallOptions & { readonly force?: boolean | undefined },
  ): Promise<void>
  listMounts(options?: CallOptions): Promise<readonly MountStatus[]>
}

/** A node in this process, as `shoal up` runs it. The control socket opens last in start(): it answers = it is ready. */
export interface LocalNode {
  readonly api: NodeApi
  start(): Promise<void>
  /** As api.stop(). */
  stop(): Promise<void>
  /** Resolves after stop() was done, whoever asked for it; rejects with the failure that ended the node. */
  readonly stopped: Promise<void>
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
  /** Of a device: its number, as Linux has it in 32 bits. */
  readonly rdev?: number | undefined
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

export interface Conflict {
  /** Where it is: the path of the side that has the name. */
  readonly path: string
  /** That side first. At least two, unless others were asked for. */
  readonly sides: readonly ConflictSide[]
  /** Sides that are not among these: too many to show in their folder, where each is found by its path all the same. */
  readonly moreCount: number
}

export interface ShowConflictOptions extends CallOptions {
  /** Instead of the sides that show in their folder: some of the others, from this one on. */
  readonly from?: number | undefined
}

export interface KeptConflict {
  /** Where the side that was kept is now. */
  readonly path: string
  /** The sides that went; of very many the first. */
  readonly removed: readonly string[]
}

export interface ConflictSide {
  /** As it shows: one of a name of its own, or a conflict name. */
  readonly path: string
  readonly kind: FileKind
  readonly sizeBytes: number
  /** Who wrote this content, or gave this name, and when by that node's clock. */
  readonly peer: PeerId | undefined
  readonly author: string
  readonly writtenMs: WallTime
  /** Not listed in its folder, as conflicts=lww says; it is there by its path all the same. */
  readonly hidden: boolean
  /** Where a side is a folder, so that none can be kept: a path that is free, to which this one can be moved instead. */
  readonly moveTo?: string | undefined
}

export interface LogOptions {
  /** Entries at most. Default: all; 10 before those that are followed. */
  readonly limit?: number | undefined
  readonly follow?: boolean | undefined
  /** Also what nodes note for themselves: where data lies, merges, checkpoints. */
  readonly all?: boolean | undefined
}

/** 'dropped' comes last: what was written before that time may not be kept. */
export type LogItem =
  LogEntry | { readonly kind: 'dropped'; readonly beforeMs: WallTime | undefined }

export interface LogEntry {
  readonly kind: 'entry'
  readonly id: EntryHash
  /** The heads that its author had when it was made, as far as can be told cheaply: one, or several that it merges. */
  readonly parents: readonly EntryHash[]
  readonly peer: PeerId
  /** The name of that member. */
  readonly author: string
  /** By the author's clock, and after all that the author had seen. */
  readonly timeMs: WallTime
  readonly changes: readonly Change[]
}

/** What mounts. kernel: Linux's own protocol. fuse-native: libfuse 2, an optional package (docs/mount.md). */
export type DriverName = 'kernel' | 'fuse-native'

export interface MountRequest {
  readonly volume?: string | undefined
  readonly readOnly?: boolean | undefined
  /** Let other users of the machine in. Default: no. */
  readonly allowOther?: boolean | undefined
  /** Show this folder of the volume as the root. */
  readonly subdir?: string | undefined
  /** Whose everything shows to be, and is when it is made here; without, as it is stored. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Permission bits that nothing shows. */
  readonly umask?: number | undefined
  /** Mount over what is in the folder. */
  readonly nonEmpty?: boolean | undefined
  /** Reading waits so long for peers that have the data, then fails; without, for one answer of at most 30 s. */
  readonly waitMs?: number | undefined
  /** A size: what the node may keep of what it fetches to be read, for all its mounts and until it stops. */
  readonly cacheSize?: string | undefined
  /** close(2) does not wait until the disk has what was written; fsync(2) does. */
  readonly async?: boolean | undefined
  /** Undefined: that of the platform. */
  readonly driver?: DriverName | undefined
}
