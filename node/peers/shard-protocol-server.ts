// Serves /shoal/shard/1: members get what this node holds, and those who may store hand it shards
// to keep. A shard is kept only if it hashes to what its header says, and acknowledged only once it
// is durable, by a receipt; puts at the same time share a commit and a signature. What no stripe of
// the log names so far is bounded (store/orphan-shards.ts). A put is answered after its payload was
// taken, whatever the answer, so that the channel stays in step. Whole shards in memory are
// bounded; a peer beyond the bound waits, by backpressure of its channel.
import { ShoalError, asShoalError, assertNever, hasCode } from '../../protocol/errors.ts'
import { SHARD_LEAF, STREAMS_PER_PEER_MAX } from '../../protocol/limits.ts'
import {
  PAYLOAD_PIECE,
  SHARD_FRAME_MAX,
  SHARD_PROTOCOL,
  decodeShardRequest,
} from '../../protocol/wire/shard.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { enforces } from '../../protocol/trust.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { divCeil } from '../../protocol/units.ts'
import { ShardProofs, noShard } from './shard-protocol-proofs.ts'
import { ShardReceipts } from './shard-receipts.ts'
import type { SignReceipts } from './shard-receipts.ts'
import { within, ended } from '../traces/span.ts'
import type { Tracer } from '../traces/span.ts'
import { ROOM_BYTES, ShardRoom } from './shard-protocol-room.ts'
import { ShardSession } from './shard-protocol-session.ts'
import type { ChunkId, PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import type { ShardReply, ShardRequest } from '../../protocol/wire/shard.ts'
import type { KvWrite } from '../store/kv.ts'
import type { Store } from '../store/store.ts'
import { BytePool } from '../world/byte-pool.ts'
import type { Channel, Clock, Luck, Network } from '../world/world.ts'

/**
 * The volume's facts about members and stripes for the server; a StripeMap
 * (node/shard-map/stripe-map.ts) provides it.
 */
export interface ShardAccess {
  isMember(peer: PeerId): boolean
  /** May this peer hold shards and hand them to others? */
  mayStore(peer: PeerId): boolean
  /**
   * By shard index the peers that hold it; undefined for a stripe that the volume does not know.
   */
  stripe(id: StripeId): { readonly holders: readonly (readonly PeerId[])[] } | undefined
}

/** The object of a request. */
export type Asked = { readonly stripe: StripeId } | { readonly chunk: ChunkId }

export interface ShardServerHooks {
  /** A volume of this node, undefined if it is none. */
  accessTo(volume: VolumeId): ShardAccess | undefined
  /**
   * Does a stripe, or a chunk, lie in another volume of this node, and not in this one? What was
   * put a moment ago lies in none yet.
   */
  isForeign?(volume: VolumeId, what: Asked): boolean
  /** Sign for shards that are durable here. */
  readonly sign: SignReceipts
  /** A shard that a peer has put is durable here. */
  onKept?(volume: VolumeId, stripe: StripeId): void
  /** A peer has sent a shard that it may not put, or that is none. */
  onRefused?(peer: PeerId, bytes: number): void
  /**
   * A shard that a peer has asked for is damaged here, or is not, though the map ascribes it to
   * this node.
   */
  onDamaged?(stripe: StripeId, index: number): void
}

/** The network, as far as the server needs it. */
type Served = Pick<Network, 'self' | 'handle'>
type Request<Kind extends ShardRequest['kind']> = Extract<ShardRequest, { kind: Kind }>

/** The terms that a put must match. */
interface AdmittedPut {
  readonly stripe: StripeId
  readonly root: Uint8Array
  readonly header: Uint8Array
  /** Writes to make durable with it, and a call for the case that nothing comes of it. */
  readonly writes: readonly KvWrite[]
  readonly cancel: () => void
}

/** Errors of puts by peers that know better. */
const FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'malformed',
  'corrupt',
  'EACCES',
  'not-a-member',
])
const NO_DEBT = { writes: [], cancel: () => undefined }
const DONE: Extract<ShardReply, { kind: 'ok' }> = { kind: 'ok', length: 0, indices: [], proof: [] }

export class ShardServer {
  readonly #network: Served
  readonly #clock: Clock
  readonly #store: Store
  readonly #random: Luck | undefined
  readonly #hooks: ShardServerHooks
  readonly #tracer: Tracer | undefined
  readonly #room = new ShardRoom()
  readonly #memory: BytePool
  readonly #proofs: ShardProofs
  readonly #receipts: ShardReceipts
  readonly #sessions = new Map<ShardSession, Promise<void>>()
  #stopped = false

  constructor(
    components: {
      network: Served
      clock: Clock
      store: Store
      random?: Luck
      tracer?: Tracer | undefined
    },
    hooks: ShardServerHooks,
  ) {
    this.#network = components.network
    this.#clock = components.clock
    this.#store = components.store
    this.#random = components.random
    this.#hooks = hooks
    this.#tracer = components.tracer
    this.#memory = new BytePool(components, { freeBytesMax: ROOM_BYTES / 2 })
    this.#proofs = new ShardProofs(components.store)
    this.#receipts = new ShardReceipts(components.store, hooks.sign)
  }

  async start(): Promise<void> {
    const frames = { frameMax: SHARD_FRAME_MAX, isBulk: true }
    await this.#network.handle(SHARD_PROTOCOL, (channel) => this.#open(channel), frames)
  }

  /** End all channels. The store is not used any more once it resolves. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const session of this.#sessions.keys()) session.end(stopped())
    await Promise.allSettled(this.#sessions.values())
    this.#memory.release()
  }

  async #open(channel: Channel): Promise<void> {
    if (this.#stopped) throw stopped()
    const session = new ShardSession({ channel, clock: this.#clock })
    const others = [...this.#sessions.keys()].filter(({ peer }) => peer === channel.peer)
    const serving = others.length < STREAMS_PER_PEER_MAX ? this.#serve(session) : refuse(session)
    this.#sessions.set(session, serving)
    try {
      await serving
    } finally {
      this.#sessions.delete(session)
    }
  }

  async #serve(session: ShardSession): Promise<void> {
    for (;;) {
      const frame = await session.request()
      if (frame === undefined) return
      let request: ShardRequest
      try {
        request = decodeShardRequest(frame)
      } catch (error) {
        // Whether a payload follows cannot be known.
        await session.dismiss(refusal(error))
        throw error
      }
      try {
        await this.#traced(session, request)
      } catch (error) {
        session.signal.throwIfAborted()
        if (request.kind === 'get') this.#noteFailure(request, error)
        if (request.kind === 'put' && FAULTS.has(asShoalError(error).code))
          this.#hooks.onRefused?.(session.peer, request.length)
        await session.reply(refusal(error))
      }
    }
  }

  #traced(session: ShardSession, request: ShardRequest): Promise<void> {
    if (this.#tracer === undefined) return this.#answer(session, request)
    const { kind, volume, trace } = request
    const { peer } = session
    const isMember = this.#hooks.accessTo(volume)?.isMember(peer) === true
    const facts = { peer, ...(isMember && { volume }) }
    const span = this.#tracer.served(`shard.${kind}`, facts)
    span.below(isMember ? trace : undefined)
    return ended(
      span,
      within(span, () => this.#answer(session, request)),
    )
  }

  #answer(session: ShardSession, request: ShardRequest): Promise<void> {
    switch (request.kind) {
      case 'put':
        return this.#put(session, request)
      case 'get':
        return request.proof ? this.#getProven(session, request) : this.#get(session, request)
      case 'chunk':
        return this.#chunk(session, request)
      case 'have':
        return this.#have(session, request)
      default:
        return assertNever(request)
    }
  }

  async #put(session: ShardSession, request: Request<'put'>): Promise<void> {
    const { volume, index, length } = request
    const orDiscard = async <Result>(decide: () => Result | Promise<Result>): Promise<Result> => {
      try {
        return await decide()
      } catch (error) {
        await session.discard(length)
        throw error
      }
    }
    const put = await orDiscard(() => this.#admitPut(session.peer, request))
    let receipt: Receipt | undefined
    try {
      const giveBack = await this.#room.take(session.peer, length, session.signal)
      try {
        // A shard may be put again because it was found damaged here.
        const state = await orDiscard(() => this.#store.shards.verify(put.stripe, index))
        const shard = state === 'whole' ? undefined : this.#memory.take(length)
        if (shard === undefined) await session.discard(length)
        else {
          await session.payload(shard)
          await this.#keep(put, index, shard)
        }
        receipt = await this.#receipts.take(volume, { stripe: put.stripe, index }, put.writes)
        // Not after a failure: the store may still have it in hand.
        if (shard !== undefined) this.#memory.giveBack(shard)
      } finally {
        giveBack()
      }
    } finally {
      if (receipt === undefined) put.cancel()
    }
    this.#hooks.onKept?.(volume, put.stripe)
    if (this.#random?.unlucky('peers.receipt-lost') === true)
      return session.end(new ShoalError('unreachable', 'the receipt was lost'))
    await session.reply({ ...DONE, receipt })
  }

  async #keep(
    { stripe, root, header }: AdmittedPut,
    index: number,
    shard: Uint8Array,
  ): Promise<void> {
    if (!equalBytes(shardRoot(shard), root)) {
      throw new ShoalError('corrupt', `shard ${index} is not what its stripe's header says`)
    }
    await this.#store.shards.put(stripe, index, header, shard, { verify: true })
  }

  /**
   * Checks a put, and returns the terms that it must match. throws ShoalError, and the payload is
   * not wanted.
   */
  #admitPut(peer: PeerId, { volume, header, index, length }: Request<'put'>): AdmittedPut {
    const access = this.#accessOfStorer(volume, peer)
    const { shardBytes, shardRoots } = decodeStripeHeader(header)
    const root = shardRoots[index]
    if (root === undefined || length !== shardBytes) {
      const expected = `${shardRoots.length} shards of ${shardBytes} bytes`
      throw new ShoalError('malformed', `shard ${index} of ${length} bytes in ${expected}`)
    }
    if (this.#random?.unlucky('peers.no-room') === true)
      throw new ShoalError('ENOSPC', 'there is no room for a shard now')
    const stripe = stripeIdOf(header)
    const isLogged = access.stripe(stripe)?.holders[index]?.includes(this.#network.self) === true
    const debt = isLogged ? NO_DEBT : this.#store.orphans.expect(peer, { stripe, index }, length)
    return { stripe, root, header, ...debt }
  }

  #noteFailure({ volume, stripe, index }: Request<'get'>, error: unknown): void {
    const holders = this.#hooks.accessTo(volume)?.stripe(stripe)?.holders[index]
    const isMissing = hasCode(error, 'ENOENT') && holders?.includes(this.#network.self) === true
    if (isMissing || hasCode(error, 'corrupt')) this.#hooks.onDamaged?.(stripe, index)
  }

  async #get(session: ShardSession, request: Request<'get'>): Promise<void> {
    this.#shardLength(session.peer, request)
    const first = await this.#piece(request, 0)
    const { length } = request
    await session.reply({ ...DONE, length }, this.#pieces(request, first))
  }

  async *#pieces(request: Request<'get'>, first: Uint8Array): AsyncGenerator<Uint8Array> {
    yield first
    for (let at = first.length; at < request.length; at += PAYLOAD_PIECE) {
      yield await this.#piece(request, at)
    }
  }

  #piece({ stripe, index, offset, length }: Request<'get'>, at: number): Promise<Uint8Array> {
    return this.#read(stripe, index, offset + at, Math.min(PAYLOAD_PIECE, length - at))
  }

  /** The leaves that the range touches. */
  async #getProven(session: ShardSession, request: Request<'get'>): Promise<void> {
    this.#shardLength(session.peer, request)
    const { stripe, index, offset, length } = request
    const firstLeaf = Math.floor(offset / SHARD_LEAF)
    const endLeaf = divCeil(offset + length, SHARD_LEAF)
    const room = (endLeaf - firstLeaf) * SHARD_LEAF
    const giveBack = await this.#room.take(session.peer, room, session.signal)
    try {
      const { bytes, proof } = await this.#proofs.prove(stripe, index, firstLeaf, endLeaf)
      await session.reply({ ...DONE, length: bytes.length, proof }, cut(bytes))
    } finally {
      giveBack()
    }
  }

  /**
   * Length of the shard in question. throws unless the peer may read it, and the range is inside.
   */
  #shardLength(peer: PeerId, { volume, stripe, index, offset, length }: Request<'get'>): number {
    this.#accessOfMember(volume, peer)
    if (this.#isForeign(volume, { stripe })) throw noShard(stripe, index)
    const shardLength = this.#store.shards.shardLength(stripe, index)
    if (shardLength === undefined) throw noShard(stripe, index)
    if (offset + length > shardLength) {
      const range = `bytes ${offset} to ${offset + length}`
      throw new ShoalError('malformed', `${range} of a shard of ${shardLength}`)
    }
    return shardLength
  }

  async #read(
    stripe: StripeId,
    index: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const bytes = await this.#store.shards.read(stripe, index, offset, length)
    if (bytes === undefined) throw noShard(stripe, index)
    return bytes
  }

  async #chunk(session: ShardSession, { volume, chunk }: Request<'chunk'>): Promise<void> {
    this.#accessOfMember(volume, session.peer)
    const isForeign = this.#isForeign(volume, { chunk })
    const sealed = isForeign ? undefined : await this.#store.chunks.read(chunk)
    if (sealed === undefined) throw new ShoalError('ENOENT', `chunk ${chunk} is not held here`)
    await session.reply({ ...DONE, length: sealed.length }, cut(sealed))
  }

  async #have(session: ShardSession, { volume, stripe }: Request<'have'>): Promise<void> {
    this.#accessOfMember(volume, session.peer)
    const isForeign = this.#isForeign(volume, { stripe })
    await session.reply({ ...DONE, indices: isForeign ? [] : this.#store.shards.indices(stripe) })
  }

  /** A stranger gets the same answer for any volume, and does not learn which are here. */
  #accessOfMember(volume: VolumeId, peer: PeerId): ShardAccess {
    const access = this.#hooks.accessTo(volume)
    if (access?.isMember(peer) === true) return access
    throw new ShoalError('not-a-member', 'you are not a member of this volume')
  }

  #isForeign(volume: VolumeId, what: Asked): boolean {
    return enforces('shards-by-volume') && this.#hooks.isForeign?.(volume, what) === true
  }

  #accessOfStorer(volume: VolumeId, peer: PeerId): ShardAccess {
    const access = this.#accessOfMember(volume, peer)
    if (access.mayStore(peer)) return access
    throw new ShoalError('EACCES', 'your role in this volume does not let you store')
  }
}

async function refuse(session: ShardSession): Promise<void> {
  const error = new ShoalError('EBUSY', `more than ${STREAMS_PER_PEER_MAX} channels at a time`)
  await session.dismiss(refusal(error))
  throw error
}

function refusal(error: unknown): ShardReply {
  const { code, message } = asShoalError(error)
  return { kind: 'error', code, message }
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PAYLOAD_PIECE) {
    yield bytes.subarray(at, at + PAYLOAD_PIECE)
  }
}

function stopped(): ShoalError {
  return new ShoalError('stopped', 'the node is stopping')
}
