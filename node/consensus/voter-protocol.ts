// Asking the voters of volumes, and answering as one, whatever it is about. For each volume and
// peer one channel, with one request in flight; a channel that failed is never used again, one that
// stays idle is closed.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { VoterError } from '../../protocol/wire/voter-error.ts'
import type { Channel, Timer, World } from '../world/world.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import {
  LOCK_ANSWER_MAX,
  LOCK_PROTOCOL,
  LOCK_REQUEST_MAX,
  decodeLockAnswer,
  decodeLockRequest,
  encodeLockAnswer,
  encodeLockRequest,
} from '../../protocol/wire/lock.ts'
import type { LockReply, LockRequest } from '../../protocol/wire/lock.ts'
import type { StrongReply, StrongRequest } from '../../protocol/strong/acceptor.ts'
import {
  STRONG_FRAME_MAX,
  STRONG_PROTOCOL,
  decodeStrongAnswer,
  decodeStrongRequest,
  encodeStrongAnswer,
  encodeStrongRequest,
} from '../../protocol/wire/strong.ts'

/** A voter that has not answered by then counts as one that does not. */
const ANSWER_MS = 3_000
/** Channels are kept this long between requests; those who answer wait longer. */
const KEEP_MS = 30_000
const IDLE_MS = 60_000
/** Requests that wait for one voter; beyond, it is not asked. */
const WAITING_MAX = 16

/** A protocol's messages and their bytes. Decoders throw ShoalError 'malformed'. */
export interface VoterWire<Request, Reply> {
  readonly protocol: string
  /** Bytes of the largest request, and answer. */
  readonly requestMax: number
  readonly answerMax: number
  readonly encodeRequest: (volume: VolumeId, request: Request) => Uint8Array
  readonly decodeRequest: (bytes: Uint8Array) => {
    readonly volume: VolumeId
    readonly request: Request
  }
  readonly encodeAnswer: (answer: Reply | VoterError) => Uint8Array
  readonly decodeAnswer: (bytes: Uint8Array) => Reply | VoterError
}

export interface VoterProtocolComponents<Request, Reply> {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  /** Answer a request of a peer; undefined if it may not ask, or the volume is not here. */
  readonly answer: (volume: VolumeId, from: PeerId, request: Request) => Promise<Reply> | undefined
}

interface Lane {
  readonly peer: PeerId
  channel: Channel | undefined
  readonly queue: SerialQueue
  waitingCount: number
  timer: Timer | undefined
}

class VoterProtocol<Request, Reply extends { readonly kind: string }> {
  readonly #c: VoterProtocolComponents<Request, Reply>
  readonly #wire: VoterWire<Request, Reply>
  readonly #lanes = new Map<string, Lane>()
  readonly #stop = new AbortController()

  constructor(
    components: VoterProtocolComponents<Request, Reply>,
    wire: VoterWire<Request, Reply>,
  ) {
    this.#c = components
    this.#wire = wire
  }

  async start(): Promise<void> {
    const { protocol, requestMax: frameMax } = this.#wire
    const serve = (channel: Channel): Promise<void> => this.#serve(channel)
    await this.#c.world.network.handle(protocol, serve, { frameMax })
  }

  stop(): void {
    const reason = new ShoalError('stopped', 'the node is stopping')
    this.#stop.abort(reason)
    for (const { channel, timer } of this.#lanes.values()) {
      timer?.cancel()
      channel?.abort(reason)
    }
  }

  /**
   * throws ShoalError: what the voter answered instead, 'unreachable', 'timeout', and the reason of
   * `signal`.
   */
  async ask(volume: VolumeId, peer: PeerId, request: Request, signal: AbortSignal): Promise<Reply> {
    const lane = this.#lane(volume, peer)
    if (lane.waitingCount >= WAITING_MAX)
      throw new ShoalError('unreachable', 'it has not answered an earlier request')
    const { random } = this.#c.world
    if (random.unlucky('consensus.question-lost'))
      throw new ShoalError('unreachable', 'the question was lost')
    const late = new AbortController()
    const timer = this.#c.world.clock.timer(ANSWER_MS, () =>
      late.abort(new ShoalError('timeout', `no answer within ${ANSWER_MS} ms`)),
    )
    const within = AbortSignal.any([signal, this.#stop.signal, late.signal])
    const bytes = this.#wire.encodeRequest(volume, request)
    lane.waitingCount++
    const answered = lane.queue.run(() => this.#exchange(lane, bytes, within))
    const answer = await answered.finally(() => {
      timer.cancel()
      lane.waitingCount--
    })
    if (random.unlucky('consensus.answer-lost'))
      throw new ShoalError('unreachable', 'the answer was lost')
    if (isError(answer)) throw new ShoalError(answer.code, answer.message)
    return answer
  }

  #lane(volume: VolumeId, peer: PeerId): Lane {
    const key = `${volume} ${peer}`
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const queue = new SerialQueue()
    const lane: Lane = { peer, channel: undefined, queue, waitingCount: 0, timer: undefined }
    this.#lanes.set(key, lane)
    return lane
  }

  async #exchange(
    lane: Lane,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Reply | VoterError> {
    signal.throwIfAborted()
    lane.timer?.cancel()
    const kept = lane.channel
    lane.channel = undefined
    try {
      return await this.#exchangeOn(lane, kept, request, signal)
    } catch (error) {
      if (kept === undefined || signal.aborted) throw error
      // It may have died while it was idle.
      return this.#exchangeOn(lane, undefined, request, signal)
    }
  }

  async #exchangeOn(
    lane: Lane,
    kept: Channel | undefined,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Reply | VoterError> {
    const { network, clock } = this.#c.world
    const { protocol, answerMax: frameMax } = this.#wire
    const channel = kept ?? (await network.open(lane.peer, protocol, { signal, frameMax }))
    try {
      await channel.send([request], { signal })
      const frame = await channel.receive({ signal })
      if (frame === undefined) throw new ShoalError('unreachable', 'it closed the channel')
      const answer = this.#wire.decodeAnswer(frame)
      lane.channel = channel
      lane.timer = clock.timer(KEEP_MS, () => {
        lane.channel = undefined
        channel.close().catch((error: unknown) => channel.abort(asShoalError(error)))
      })
      return answer
    } catch (error) {
      channel.abort(asShoalError(error))
      throw error
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      const idle = this.#c.world.clock.timer(IDLE_MS, () =>
        channel.abort(new ShoalError('timeout', 'the channel was idle')),
      )
      const frame = await channel.receive({ signal }).finally(() => idle.cancel())
      if (frame === undefined) return channel.close()
      const { volume, request } = this.#wire.decodeRequest(frame)
      const answer = await this.#answer(volume, channel.peer, request)
      await channel.send([this.#wire.encodeAnswer(answer)], { signal })
    }
  }

  async #answer(volume: VolumeId, from: PeerId, request: Request): Promise<Reply | VoterError> {
    try {
      const reply = this.#c.answer(volume, from, request)
      if (reply !== undefined) return await reply
      // The same answer whether the volume is here or not: a stranger must not learn which are.
      return { kind: 'error', code: 'not-a-member', message: 'you are not a member of this volume' }
    } catch (error) {
      const { code, message } = asShoalError(error)
      return { kind: 'error', code, message }
    }
  }
}

function isError(answer: { readonly kind: string }): answer is VoterError {
  return answer.kind === 'error'
}

/** The messages to voters about locks: /shoal/lock/1. */
export class LockProtocol extends VoterProtocol<LockRequest, LockReply> {
  constructor(components: VoterProtocolComponents<LockRequest, LockReply>) {
    super(components, {
      protocol: LOCK_PROTOCOL,
      requestMax: LOCK_REQUEST_MAX,
      answerMax: LOCK_ANSWER_MAX,
      encodeRequest: encodeLockRequest,
      decodeRequest: decodeLockRequest,
      encodeAnswer: encodeLockAnswer,
      decodeAnswer: decodeLockAnswer,
    })
  }
}

/** The messages to voters about strong writes: /shoal/strong/1. */
export class StrongProtocol extends VoterProtocol<StrongRequest, StrongReply> {
  constructor(components: VoterProtocolComponents<StrongRequest, StrongReply>) {
    super(components, {
      protocol: STRONG_PROTOCOL,
      requestMax: STRONG_FRAME_MAX,
      answerMax: STRONG_FRAME_MAX,
      encodeRequest: encodeStrongRequest,
      decodeRequest: decodeStrongRequest,
      encodeAnswer: encodeStrongAnswer,
      decodeAnswer: decodeStrongAnswer,
    })
  }
}
