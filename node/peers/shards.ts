// Asks peers for shards and chunks of one volume, and hands them shards to keep
// (docs/formats/shard-protocol.md). What a peer answers is as long as asked, and nothing else about
// it is known to be true: callers verify.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { WallTime } from '../../protocol/units.ts'
import { CHUNK_SEALED_MAX, CLOCK_AHEAD_MS, RECEIPT_AGE_MS } from '../../protocol/limits.ts'
import { isReceiptOf } from '../../protocol/stripe/receipt.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { SHARD_MAX, decodeShardReply, encodeShardRequest } from '../../protocol/wire/shard.ts'
import { currentSpan, ended } from '../traces/span.ts'
import { Latencies } from './round-trips.ts'
import { ShardChannels } from './shard-protocol-channels.ts'
import { receiveFrame, receivePayload, sendPayload } from './shard-protocol-frames.ts'
import type { ChunkId, PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ShardReply, ShardRequest } from '../../protocol/wire/shard.ts'
import type { Clock, Network, Timer } from '../world/world.ts'
import type { Lease } from './shard-protocol-channels.ts'
import type { FrameDeadline } from './shard-protocol-frames.ts'

/** For each frame sent or received. */
const FRAME_MS = 30_000
/** A holder answers a put after its disk has. */
const COMMIT_MS = 30_000

/** A range of a shard. */
export interface ShardRange {
  readonly stripe: StripeId
  readonly index: number
  readonly offset: number
  readonly length: number
}

interface Answer {
  readonly reply: Extract<ShardReply, { kind: 'ok' }>
  readonly payload: Uint8Array
}

/**
 * The client side of /shoal/shard/1 for one volume, whose time tells how old receipts are (this
 * node's clock, unless given). Every call throws ShoalError: 'unreachable',
 * 'timeout' or the peer's code.
 */
export class ShardClient {
  readonly #channels: ShardChannels
  readonly #clock: Clock
  readonly #time: { readonly now: () => WallTime }
  readonly #volume: VolumeId
  readonly #latencies: Latencies

  constructor(
    { network, clock }: { network: Network; clock: Clock },
    { volume, time }: { volume: VolumeId; time?: { readonly now: () => WallTime } },
  ) {
    this.#time = time ?? { now: () => clock.wall() }
    this.#channels = new ShardChannels({ network, clock })
    this.#clock = clock
    this.#volume = volume
    this.#latencies = new Latencies(clock)
  }

  /**
   * How soon a peer may be expected to begin its answer, as it did lately; 0 for one that was not
   * asked.
   */
  expectedMs(peer: PeerId): number {
    return this.#latencies.expectedMs(peer)
  }

  /**
   * Have `peer` keep a shard. returns its receipt, when the shard is durable there. The shard must
   * not be written to after.
   * throws also 'bad-signature' where the receipt is none.
   */
  async put(
    peer: PeerId,
    { header, index, shard }: { header: Uint8Array; index: number; shard: Uint8Array },
    { signal }: { signal: AbortSignal },
  ): Promise<Receipt> {
    const volume = this.#volume
    const request: ShardRequest = { kind: 'put', volume, header, index, length: shard.length }
    const { receipt } = (await this.#ask(peer, request, 0, { signal, payload: shard })).reply
    const stripe = stripeIdOf(header)
    if (receipt !== undefined && this.#isGood(receipt, { volume, peer, stripe, index }))
      return receipt
    const what = `shard ${index} of stripe ${stripe}`
    throw new ShoalError('bad-signature', `${peer} took ${what} and gave no receipt that is good`)
  }

  /** As others will take it: signed by the peer for this shard, and of this day. */
  #isGood(receipt: Receipt, of: Parameters<typeof isReceiptOf>[1]): boolean {
    const ageMs = this.#time.now() - hlcMillis(receipt.hlc)
    return ageMs > -CLOCK_AHEAD_MS && ageMs < RECEIPT_AGE_MS / 2 && isReceiptOf(receipt, of)
  }

  /** Bytes of a shard. With `proof`, also the Merkle proof of the leaves that the range touches. */
  async get(
    peer: PeerId,
    range: ShardRange,
    { proof, signal }: { proof: boolean; signal: AbortSignal },
  ): Promise<{ bytes: Uint8Array; proof: readonly Uint8Array[] }> {
    const request: ShardRequest = { kind: 'get', volume: this.#volume, ...range, proof }
    const lengthMax = proof ? SHARD_MAX : range.length
    const { reply, payload } = await this.#ask(peer, request, lengthMax, { signal })
    if (!proof && payload.length !== range.length) {
      throw new ShoalError('corrupt', `${peer} sent ${payload.length} of ${range.length} bytes`)
    }
    return { bytes: payload, proof: reply.proof }
  }

  /** A whole sealed chunk. */
  async chunk(
    peer: PeerId,
    chunk: ChunkId,
    { signal }: { signal: AbortSignal },
  ): Promise<Uint8Array> {
    const request: ShardRequest = { kind: 'chunk', volume: this.#volume, chunk }
    return (await this.#ask(peer, request, CHUNK_SEALED_MAX, { signal })).payload
  }

  /** Indices of the shards of a stripe that `peer` holds. */
  async have(
    peer: PeerId,
    stripe: StripeId,
    { signal }: { signal: AbortSignal },
  ): Promise<readonly number[]> {
    const request: ShardRequest = { kind: 'have', volume: this.#volume, stripe }
    return (await this.#ask(peer, request, 0, { signal })).reply.indices
  }

  close(): void {
    this.#channels.close()
  }

  #ask(
    peer: PeerId,
    request: ShardRequest,
    lengthMax: number,
    how: { signal: AbortSignal; payload?: Uint8Array },
  ): Promise<Answer> {
    const span = currentSpan()?.child(`shard.${request.kind}`, { peer, volume: this.#volume })
    if (span === undefined) return this.#answerTo(peer, request, lengthMax, how)
    const answer = this.#answerTo(peer, { ...request, trace: span.context }, lengthMax, how)
    return ended(span, answer, ({ payload }) => ({
      bytes: how.payload?.length ?? payload.length,
    }))
  }

  /**
   * One request and its answer. An idle channel may have died meanwhile; then a new one is tried,
   * once.
   */
  async #answerTo(
    peer: PeerId,
    request: ShardRequest,
    lengthMax: number,
    { signal, payload }: { signal: AbortSignal; payload?: Uint8Array },
  ): Promise<Answer> {
    let fresh = false
    for (;;) {
      const startedAt = this.#clock.now()
      const waited = (): void => this.#latencies.waited(peer, this.#clock.now() - startedAt)
      const lease = await this.#channels.lease(peer, { fresh, signal }).catch((error: unknown) => {
        waited()
        throw error
      })
      let answer
      try {
        answer = await this.#exchange(lease, request, lengthMax, payload, signal)
      } catch (error) {
        const failure = asShoalError(error)
        this.#channels.discard(lease, failure)
        waited()
        if (!lease.reused || failure.code !== 'unreachable' || signal.aborted) throw failure
        fresh = true
        continue
      }
      this.#channels.release(lease)
      return accepted(peer, answer)
    }
  }

  async #exchange(
    { channel }: Lease,
    request: ShardRequest,
    lengthMax: number,
    payload: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<{ reply: ShardReply; payload: Uint8Array }> {
    const deadlines = new Deadlines(this.#clock, signal)
    const deadline: FrameDeadline = () => deadlines.within(FRAME_MS)
    try {
      await channel.send([encodeShardRequest(request)], { signal: deadline() })
      if (payload !== undefined) await sendPayload(channel, payload, deadline)
      const answerMs = request.kind === 'put' ? COMMIT_MS : FRAME_MS
      const askedAt = this.#clock.now()
      const frame = await receiveFrame(channel, () => deadlines.within(answerMs))
      if (payload === undefined) this.#latencies.answered(channel.peer, this.#clock.now() - askedAt)
      const reply = decodeShardReply(frame)
      if (reply.kind === 'error') return { reply, payload: new Uint8Array(0) }
      if (reply.length > lengthMax) {
        throw new ShoalError(
          'malformed',
          `${channel.peer} answers ${reply.length} bytes, at most ${lengthMax} asked`,
        )
      }
      const answered = new Uint8Array(Buffer.allocUnsafeSlow(reply.length).buffer)
      await receivePayload(channel, answered, deadline)
      return { reply, payload: answered }
    } finally {
      deadlines.end()
    }
  }
}

/**
 * One signal for all steps of an exchange, each with its own time: nothing of it is left after
 * end().
 */
class Deadlines {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #onAbort = (): void => this.#controller.abort(this.#signal.reason)
  #timer: Timer | undefined

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
    signal.throwIfAborted()
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The time of the step before is over; the next has so long. */
  within(delayMs: number): AbortSignal {
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(delayMs, () => {
      this.#controller.abort(new ShoalError('timeout', `no progress for ${delayMs} ms`))
    })
    return this.#controller.signal
  }

  end(): void {
    this.#timer?.cancel()
    this.#signal.removeEventListener('abort', this.#onAbort)
  }
}

function accepted(
  peer: PeerId,
  { reply, payload }: { reply: ShardReply; payload: Uint8Array },
): Answer {
  if (reply.kind === 'error') throw new ShoalError(reply.code, `${peer} answers: ${reply.message}`)
  return { reply, payload }
}
