// The seam between what decides and what is outside: time, chance, disk, network, cold tiers. Real
// and simulated worlds are of equal rank; everything in node/ outside this folder takes what it
// needs from here and from nowhere else.
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Instant, WallTime } from '../../protocol/units.ts'
import type { UnluckySite } from './unlucky-sites.ts'

/** All that a node has of the outside. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly network: Network
  readonly tiers: Tiers
}

export interface Clock {
  wall(): WallTime
  now(): Instant
  /** Calls `run` once after `delayMs`; cancel() is idempotent. Does not keep the process alive. */
  timer(delayMs: number, run: () => void): Timer
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, options?: { signal?: AbortSignal | undefined }): Promise<void>
  /**
   * A signal that aborts with ShoalError 'timeout' after `delayMs`, or as soon as `signal` aborts.
   */
  timeout(delayMs: number, signal?: AbortSignal): AbortSignal
}

export interface Timer {
  cancel(): void
}

export interface Random {
  bytes(length: number): Uint8Array
  /** Uniform in [0, 1). */
  number(): number
  /**
   * True when a simulation wants the unlucky branch of a site (unlucky-sites.ts); always false in
   * production (FoundationDB's buggify).
   */
  unlucky(site: UnluckySite): boolean
}

/** The part of chance that is for simulations alone. */
export type Luck = Pick<Random, 'unlucky'>

/** The numbers of a user and its group, as files have them. */
export interface FileOwner {
  readonly uid: number
  readonly gid: number
}

/**
 * Files below one home folder; paths are relative, with '/'. Every failure is a ShoalError (ENOENT,
 * ENOSPC, EIO...).
 */
export interface Disk {
  /** The owner of the files below the home: the user that the node runs as. */
  readonly owner: FileOwner
  open(path: string, mode: 'read' | 'write'): Promise<DiskFile>
  /** Names in a folder, sorted; empty if the folder is not there. */
  list(path: string): Promise<readonly string[]>
  makeFolder(path: string): Promise<void>
  /** Atomic, and durable once it returns (the folder is synced). */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Make the names in a folder durable. */
  syncFolder(path: string): Promise<void>
  /** Bytes free for this node and in all on the file system of the home. */
  space(): Promise<{ freeBytes: number; totalBytes: number }>
  /**
   * Text that is the same as long as these very files are where they are. A copy of the home has
   * another, here or elsewhere, and so has what is restored from that; an image of the whole disk
   * may have the same.
   */
  identity(): Promise<string>
}

/**
 * 'write' mode: created if absent, readable too. Calls on one file may overlap if their ranges do
 * not.
 */
export interface DiskFile {
  size(): Promise<number>
  /**
   * Up to `length` bytes at `position`; fewer only at the end of the file. The result belongs to
   * the caller.
   */
  read(position: number, length: number): Promise<Uint8Array>
  /**
   * Writes all parts back to back from `position`. Neither they nor what they lie in may change
   * meanwhile.
   */
  write(position: number, parts: readonly Uint8Array[]): Promise<void>
  truncate(length: number): Promise<void>
  /**
   * Data and size durable. Never retried after a failure (fsyncgate): the node stops and recovers.
   */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * How a peer stands with this node. A member is served. A stranger reaches protocols that are for
 * strangers alone, with small frames, for a short time, few at once. Nobody else is connected.
 */
export type Standing = 'member' | 'stranger' | 'nobody'

/**
 * The fate of a gossiped message: forwarded; or not; or not, and whoever delivered it is to blame.
 */
export type Verdict = 'accept' | 'ignore' | 'reject'

export type TopicListener = (message: Uint8Array, from: PeerId) => Verdict

/** How a protocol is served. */
export interface HandleOptions {
  /** To strangers too, not to members alone. */
  readonly forStrangers?: boolean
  /** Limit for frames of a remote: a larger one breaks the channel before any of it is kept. */
  readonly frameMax?: number
  /** As for open(). */
  readonly isBulk?: boolean
}

/** How a channel is opened. */
export interface OpenOptions {
  readonly signal: AbortSignal
  /** As for handle(). */
  readonly frameMax?: number
  /**
   * For many bytes: over a connection of its own beside the other talk with the peer, where that
   * can be opened.
   */
  readonly isBulk?: boolean
}

/** Authenticated messages between nodes. The remote PeerId is always proven by the connection. */
export interface Network {
  readonly self: PeerId
  start(): Promise<void>
  stop(): Promise<void>
  /** Addresses others can dial, each ending in /p2p/<self>. */
  addresses(): readonly string[]
  /** Connected members. */
  peers(): readonly PeerId[]
  /** Last known addresses of a peer, also while it is away. */
  addressesOf(peer: PeerId): Promise<readonly string[]>
  /** Remember addresses for a member; those of others are not kept. */
  learn(peer: PeerId, addresses: readonly string[]): Promise<void>
  /**
   * Connect to a member. A bare address may end in /p2p/<id>, which is then required of the remote.
   * throws 'unreachable', also for one that is no member.
   */
  dial(target: PeerId | readonly string[], options: { signal: AbortSignal }): Promise<PeerId>
  /** Hang up on a peer, whatever it is. */
  disconnect(peer: PeerId): Promise<void>
  /**
   * Sets the standing of peers, asked at each connection. To be called again when somebody has
   * become something else: whoever is not connected as what it is by now is hung up on, and may
   * connect again.
   */
  gate(standing: (peer: PeerId) => Standing): void
  onConnect(listener: (peer: PeerId) => void): void
  onDisconnect(listener: (peer: PeerId) => void): void
  /**
   * A member announced itself on the local network (mDNS). Not dialled yet; its addresses are
   * learned.
   */
  onDiscover(listener: (peer: PeerId) => void): void
  /** Serve a protocol. A rejection aborts the channel; it never harms the process. */
  handle(
    protocol: string,
    serve: (channel: Channel) => Promise<void>,
    options?: HandleOptions,
  ): Promise<void>
  /**
   * Open a channel to a peer, dialling its known addresses if need be. throws 'unreachable'.
   */
  open(peer: PeerId, protocol: string, options: OpenOptions): Promise<Channel>
  /** Round trip in ms. */
  ping(peer: PeerId, options: { signal: AbortSignal }): Promise<number>
  /** Flooded to subscribers, best effort, at most protocol limits GOSSIP_MAX bytes. */
  publish(topic: string, message: Uint8Array): Promise<void>
  /**
   * `from` is the peer that delivered it to us. Only an `audience` is sent anything on the topic,
   * and heard on it.
   */
  subscribe(topic: string, listener: TopicListener, audience: (peer: PeerId) => boolean): () => void
  /** Tells how much of its own talk (gossip, DHT) the network has taken from a peer, in bytes. */
  onTraffic(listener: (peer: PeerId, bytes: number) => void): void
  /** Announce in the DHT that this node has `cid` (CID bytes). Best effort. */
  provide(cid: Uint8Array, options: { signal: AbortSignal }): Promise<void>
  /**
   * Announce it no more: what this node keeps of it is gone, what others were told they forget with
   * time.
   */
  unprovide(cid: Uint8Array): Promise<void>
  /** Members that announced `cid`. */
  find(cid: Uint8Array, options: { signal: AbortSignal }): AsyncIterable<PeerId>
}

/**
 * A bidirectional stream of frames with backpressure: send waits, and an unread receiver stops the
 * sender.
 */
export interface Channel {
  readonly peer: PeerId
  readonly protocol: string
  /**
   * One frame made of `parts` back to back (at most FRAME_MAX in all). The parts must not be
   * written to after.
   */
  send(parts: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<void>
  /**
   * The next frame, or undefined when the remote has closed cleanly between frames.
   * throws 'malformed' on an oversized frame, 'unreachable' when the stream broke.
   */
  receive(options: { signal: AbortSignal }): Promise<Uint8Array | undefined>
  /**
   * Fills `into` with the next frames, none of them empty, which must end where it ends. `onFrame`
   * is called as each has come. A failure breaks the channel, and nothing is written to `into` any
   * more.
   * throws 'malformed' on frames that do not add up, 'unreachable' when the remote closes before.
   */
  receiveInto(into: Uint8Array, options: ReceiveIntoOptions): Promise<void>
  /** Flush and close our side. */
  close(): Promise<void>
  /** Break the stream at once; idempotent. */
  abort(error: Error): void
}

export interface ReceiveIntoOptions {
  readonly signal: AbortSignal
  readonly onFrame?: (() => void) | undefined
}

/** Object stores outside the swarm. */
export interface Tiers {
  /** The objects at a location. Nothing is asked of it yet: check() does. */
  open(location: TierLocation, options: TierOptions): ObjectTier
}

export interface TierOptions {
  /** The name of the tier in errors. */
  readonly name: string
  /** For tiers of S3. */
  readonly access?: TierAccess | undefined
  /** The limit for all puts together, and for all gets together; unlimited if undefined. */
  readonly bytesPerSecond?: number
  /** Objects put or got at a time, the rest wait; the driver's own bound if not said. */
  readonly transfersMax?: number
}

/** The facts that a tier reports of an object without reading it. */
export interface TierObject {
  readonly bytes: number
  readonly modifiedMs: WallTime
  /** As the tier calls it (STANDARD, GLACIER...); '' where it has no such thing. */
  readonly storageClass: string
  /**
   * For an object in an archive class: whether a restore was requested, and it may be read by now.
   */
  readonly restore: 'none' | 'underway' | 'ready'
}

/**
 * Whole objects by key ('/' between folders, no empty, '.' or '..' part, no control characters).
 * Calls may overlap. Every failure is a ShoalError that names the tier, the key and what to do:
 * 'cold-unreachable' after its own retries, 'cold-denied', 'cold-gone', 'cold-missing',
 * 'cold-archived', 'cold-corrupt', 'aborted', 'unsupported'.
 */
export interface ObjectTier {
  /**
   * Store an object, over an older one. It is there whole once this returns, and before that not at
   * all. size: how many bytes `chunks` has, where known; with any other number nothing is stored
   * ('cold-corrupt').
   */
  put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly signal: AbortSignal; readonly storageClass?: string },
  ): Promise<void>
  /**
   * Bytes [from, to) of an object, fewer where it ends before, or all. Whoever reads checks what
   * they are: only a whole object is compared with the checksum its tier has, if any, and then at
   * the end. Broken reads go on where they were.
   */
  get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array>
  /** undefined: surely not there. */
  head(key: string, options: { readonly signal: AbortSignal }): Promise<TierObject | undefined>
  /** Objects whose key starts with `prefix`, in no order. What is being put is not among them. */
  list(
    prefix: string,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<TierObject & { readonly key: string }>
  /** Keys that are not there count as removed. */
  remove(keys: readonly string[], options: { readonly signal: AbortSignal }): Promise<void>
  /** Ask an archived object back for some days; once more while that is underway does no harm. */
  restore(key: string, days: number, options: { readonly signal: AbortSignal }): Promise<void>
  /**
   * Bring back what each object was at a time, where the tier keeps older versions; objects that
   * came later stay.
   * returns how many were something else. throws ShoalError 'unsupported' where it keeps none.
   */
  rollBack(toMs: WallTime, options: { readonly signal: AbortSignal }): Promise<number>
  /** Resolves if the tier answers, lets us in, is there, and takes, gives and removes an object. */
  check(options: { readonly signal: AbortSignal }): Promise<void>
  /** Ends what is underway ('stopped') and lets go of connections. */
  close(): Promise<void>
}
