// One channel of /shoal/shard/1, at the side that serves. Every step on it has a deadline, and a
// step that fails ends the session for good: what would follow could not be told from what was left
// of it.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { encodeShardReply } from '../../protocol/wire/shard.ts'
import { discardPayload, receivePayload } from './shard-protocol-frames.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { ShardReply } from '../../protocol/wire/shard.ts'
import type { Channel, Clock, Timer } from '../world/world.ts'

/** For each frame received or sent. */
const FRAME_MS = 30_000
/** Between requests; longer than clients keep idle channels. */
const IDLE_MS = 60_000

/**
 * Every call throws ShoalError: what failed on the channel, 'timeout', or what end() was called
 * with.
 */
export class ShardSession {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #ended = new AbortController()
  /** The timer of the step under way. */
  #timer: Timer | undefined

  constructor(components: { channel: Channel; clock: Clock }) {
    this.#channel = components.channel
    this.#clock = components.clock
  }

  get peer(): PeerId {
    return this.#channel.peer
  }

  /** Aborts when the session ends. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** End it at once, whatever is under way. Idempotent. */
  end(error: ShoalError): void {
    this.#ended.abort(error)
    this.#channel.abort(error)
  }

  /** The frame of the next request, or undefined when the peer has closed. */
  request(): Promise<Uint8Array | undefined> {
    return this.#step(() => this.#channel.receive({ signal: this.#within(IDLE_MS) }))
  }

  /** Payload, all of `into`. */
  payload(into: Uint8Array): Promise<void> {
    return this.#step(() => receivePayload(this.#channel, into, this.#frame))
  }

  discard(length: number): Promise<void> {
    return this.#step(() => discardPayload(this.#channel, length, this.#frame))
  }

  /**
   * Send a reply and its payload, in pieces of at most PAYLOAD_PIECE bytes; they must not be
   * written to after.
   */
  reply(
    reply: ShardReply,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = [],
  ): Promise<void> {
    return this.#step(async () => {
      await this.#channel.send([encodeShardReply(reply)], { signal: this.#frame() })
      for await (const piece of pieces) await this.#channel.send([piece], { signal: this.#frame() })
    })
  }

  /** Send a last reply. What the peer still sends is not read. */
  dismiss(reply: ShardReply): Promise<void> {
    return this.#step(async () => {
      await this.#channel.send([encodeShardReply(reply)], { signal: this.#frame() })
      this.#within(FRAME_MS)
      await this.#channel.close()
    })
  }

  readonly #frame = (): AbortSignal => this.#within(FRAME_MS)

  /**
   * Like Clock.timeout, but nothing is left of it when the next frame or the end of the step comes
   * first.
   */
  #within(delayMs: number): AbortSignal {
    this.#timer?.cancel()
    this.#timer = this.#clock.timer(delayMs, () => {
      this.end(new ShoalError('timeout', `${this.peer} let ${delayMs} ms pass`))
    })
    return this.signal
  }

  async #step<Result>(work: () => Promise<Result>): Promise<Result> {
    this.signal.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      this.end(asShoalError(error))
      throw error
    } finally {
      this.#timer?.cancel()
    }
  }
}
