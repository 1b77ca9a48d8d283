// Nodes of one volume in one process, for the tests of the data paths: each with a store of its own
// on a real disk. The first one works, the others hold shards. What crosses the network is a call;
// who is away, who refuses and whose disk has rotten is as a test says.
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '../../../protocol/errors.ts'
import { peerIdFromPublicKey } from '../../../protocol/ids.ts'
import { SHARD_LEAF } from '../../../protocol/limits.ts'
import { decodeStripeHeader, stripeIdOf } from '../../../protocol/stripe/stripe.ts'
import { shardProof, shardRoot } from '../../../protocol/stripe/shard-tree.ts'
import { equalBytes } from '../../../protocol/bytes.ts'
import { divCeil } from '../../../protocol/units.ts'
import { ShardClient } from '../../../node/peers/shards.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { ManualClock } from './manual-clock.ts'
import type { TestContext } from 'node:test'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ChunkId, PeerId, StripeId, VolumeId } from '../../../protocol/ids.ts'
import type { Receipt } from '../../../protocol/stripe/receipt.ts'
import type { ShardRange } from '../../../node/peers/shards.ts'
import type { Channel, Network } from '../../../node/world/world.ts'

export const VOLUME: VolumeId = 'ab'.repeat(32) as VolumeId

/** A peer id that no two numbers share. */
export function peerOf(number: number): PeerId {
  return peerIdFromPublicKey(new Uint8Array(32).fill(number + 1))
}

export class PeerGroup {
  /** The first works. */
  readonly peers: readonly PeerId[]
  readonly stores: Map<PeerId, Store>
  readonly away: Set<PeerId> = new Set()
  /** The refusal of a peer to every put. */
  readonly refusals: Map<PeerId, ErrorCode> = new Map()
  /** Peers whose disk changes a byte of each shard. */
  readonly rotten: Set<PeerId> = new Set()
  /** Puts that arrived, in order. */
  readonly puts: { readonly peer: PeerId; readonly stripe: StripeId; readonly index: number }[] = []
  /** CIDs that the first node announced. */
  readonly provided: Uint8Array[] = []
  /** And those that it announced no more. */
  readonly withdrawn: Uint8Array[] = []
  readonly clock: ManualClock
  readonly network: Network
  readonly client: ShardClient
  /** Called before a put is answered. */
  onPut: () => Promise<void> = () => Promise.resolve()
  readonly #home: string
  #kv: MemoryKv

  private constructor(stores: Map<PeerId, Store>, home: string, kv: MemoryKv, clock: ManualClock) {
    this.clock = clock
    this.stores = stores
    this.peers = [...stores.keys()]
    this.#home = home
    this.#kv = kv
    this.network = new GroupNetwork(this)
    this.client = new GroupClient(this)
  }

  static async open(
    t: TestContext,
    { count, fetchedBytesMax }: { count: number; fetchedBytesMax?: number },
  ): Promise<PeerGroup> {
    const home = await mkdtemp(join(tmpdir(), 'shoal-data-'))
    const kv = MemoryKv.open()
    const clock = new ManualClock()
    const stores = new Map<PeerId, Store>()
    for (let i = 0; i < count; i++) {
      const disk = new SystemDisk(join(home, String(i)))
      const parts = { disk, clock, kv: i === 0 ? kv : MemoryKv.open() }
      stores.set(peerOf(i), await Store.open(parts, { fetchedBytesMax }))
    }
    const group = new PeerGroup(stores, home, kv, clock)
    t.after(async () => {
      await Promise.all([...stores.values()].map((store) => store.close()))
      await rm(home, { recursive: true, force: true })
    })
    return group
  }

  get self(): PeerId {
    return peerOf(0)
  }

  get store(): Store {
    return this.storeOf(this.self)
  }

  storeOf(peer: PeerId): Store {
    const store = this.stores.get(peer)
    if (store === undefined || this.away.has(peer)) {
      throw new ShoalError('unreachable', `${peer} is away`)
    }
    return store
  }

  /** The first node loses power and starts again. */
  async crash(): Promise<void> {
    const old = this.store
    this.#kv = this.#kv.crash()
    // Its ordered store is gone: only the files are still to be closed.
    await old.close().catch(() => undefined)
    const disk = new SystemDisk(join(this.#home, '0'))
    this.stores.set(this.self, await Store.open({ disk, clock: this.clock, kv: this.#kv }))
  }

  /** One bit in each 4 KiB of the first node's disk is flipped. */
  async rot(): Promise<void> {
    const folder = join(this.#home, '0', 'segments')
    for (const name of await readdir(folder)) {
      const bytes = await readFile(join(folder, name))
      for (let at = 64; at < bytes.length; at += 4096) bytes[at] = (bytes[at] ?? 0) ^ 1
      await writeFile(join(folder, name), bytes, { flag: 'r+' })
    }
  }

  /** The first node forgets all its copies of the chunks of a stripe. */
  dropChunks(chunks: readonly { readonly id: ChunkId }[]): void {
    for (const { id } of chunks) this.store.chunks.delete(id)
  }
}

/** Time goes on when a volume is opened again. */
let hlcCount = 0

/** The next timestamp, of receipts and of ops. */
export function nextHlc(): Hlc {
  return BigInt(++hlcCount) as Hlc
}

class GroupClient extends ShardClient {
  readonly #group: PeerGroup

  constructor(group: PeerGroup) {
    super(group, { volume: VOLUME })
    this.#group = group
  }

  override async put(
    peer: PeerId,
    { header, index, shard }: { header: Uint8Array; index: number; shard: Uint8Array },
    { signal }: { signal: AbortSignal },
  ): Promise<Receipt> {
    const store = this.#group.storeOf(peer)
    await this.#group.onPut()
    signal.throwIfAborted()
    const refusal = this.#group.refusals.get(peer)
    if (refusal !== undefined) throw new ShoalError(refusal, `${peer} refuses`)
    const root = decodeStripeHeader(header).shardRoots[index]
    if (root === undefined || !equalBytes(root, shardRoot(shard))) {
      throw new ShoalError('corrupt', 'the shard is another than its header says')
    }
    const stripe = stripeIdOf(header)
    this.#group.puts.push({ peer, stripe, index })
    await store.shards.put(stripe, index, header, shard)
    await store.commit([])
    return { hlc: nextHlc(), signature: new Uint8Array(64), position: 0, count: 1, path: [] }
  }

  override async get(
    peer: PeerId,
    { stripe, index, offset, length }: ShardRange,
    { proof }: { proof: boolean; signal: AbortSignal },
  ): Promise<{ bytes: Uint8Array; proof: readonly Uint8Array[] }> {
    const store = this.#group.storeOf(peer)
    const shardBytes = store.shards.shardLength(stripe, index) ?? 0
    const shard = await store.shards.read(stripe, index, 0, shardBytes)
    if (shard === undefined) throw new ShoalError('chunk-unavailable', `${peer} has no such shard`)
    if (this.#group.rotten.has(peer)) {
      for (let at = 0; at < shard.length; at += SHARD_LEAF) shard[at] = (shard[at] ?? 0) ^ 1
    }
    const first = Math.floor(offset / SHARD_LEAF)
    const count = divCeil(offset + length, SHARD_LEAF) - first
    return {
      bytes: shard.subarray(offset, offset + length),
      proof: proof ? shardProof(shard, first, count) : [],
    }
  }

  override async chunk(peer: PeerId, chunk: ChunkId): Promise<Uint8Array> {
    const bytes = await this.#group.storeOf(peer).chunks.read(chunk)
    if (bytes === undefined) throw new ShoalError('chunk-unavailable', `${peer} has no such chunk`)
    return bytes
  }

  override async have(peer: PeerId, stripe: StripeId): Promise<readonly number[]> {
    return this.#group.storeOf(peer).shards.indices(stripe)
  }
}

/** Knows who is there, and nothing else. */
class GroupNetwork implements Network {
  readonly #group: PeerGroup

  constructor(group: PeerGroup) {
    this.#group = group
  }

  get self(): PeerId {
    return this.#group.self
  }

  peers(): readonly PeerId[] {
    return this.#group.peers.filter((peer) => peer !== this.self && !this.#group.away.has(peer))
  }

  async provide(cid: Uint8Array): Promise<void> {
    this.#group.provided.push(cid)
  }

  async unprovide(cid: Uint8Array): Promise<void> {
    this.#group.withdrawn.push(cid)
  }

  async *find(): AsyncGenerator<PeerId> {
    yield* this.peers()
  }

  async open(peer: PeerId): Promise<Channel> {
    throw new ShoalError('unreachable', `no channel to ${peer} in this test`)
  }

  async dial(): Promise<PeerId> {
    throw new ShoalError('unreachable', 'nobody is dialled in this test')
  }

  async ping(): Promise<number> {
    return 0
  }

  addresses(): readonly string[] {
    return []
  }

  async addressesOf(): Promise<readonly string[]> {
    return []
  }

  subscribe(): () => void {
    return () => undefined
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async learn(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async handle(): Promise<void> {}
  async publish(): Promise<void> {}
  gate(): void {}
  onConnect(): void {}
  onDisconnect(): void {}
  onDiscover(): void {}
  onTraffic(): void {}
}
