// Streams on the connection of a stranger: of what libp2p serves, only the protocols for strangers
// can be chosen, twice; the connection carries STRANGER_BYTES_MAX in all, whatever they are, and
// ends after STRANGER_MS. And those of a member: a frame of yamux, which its decoder would gather
// whole, is no longer than a window; and a connection on which nothing comes any more ends.
import { yamux } from '@chainsafe/libp2p-yamux'
import { TypedEventEmitter } from '@libp2p/interface'
import { handle } from '@libp2p/multistream-select'
import { ShoalError } from '../../../protocol/errors.ts'
import { STRANGER_BYTES_MAX } from '../../../protocol/limits.ts'
import { KIB, MIB, SECOND_MS } from '../../../protocol/units.ts'
import { ignoreFailure } from '../ignore-failure.ts'
import { sparingWindowUpdates } from './internals.ts'
import type { SilenceWatch } from './silence.ts'
import type {
  CreateStreamOptions,
  MessageStream,
  Stream,
  StreamMuxer,
  StreamMuxerEvents,
  StreamMuxerFactory,
  StreamMuxerStatus,
} from '@libp2p/interface'

/** The muxer that a connection of libp2p reports if it is the one for strangers. */
export const STRANGERS_MUXER = 'strangers'

/** A ticket is shown in a second; who waits in line may stay. */
const STRANGER_MS: number = 30 * SECOND_MS
const NEGOTIATION_MS: number = 10 * SECOND_MS
/** Streams of a protocol for strangers on one connection: one, and one that was tried again. */
const STREAMS_MAX = 2
/**
 * Below the read buffer, or a paused stream would be reset; above bandwidth x delay of most links.
 */
const STREAM_WINDOW_MAX: number = 4 * MIB
const STREAM_BUFFER_MAX: number = 8 * MIB
/** Maximum for all protocols of one connection. */
const MEMBER_STREAMS_MAX = 256

/** The muxer of members, whose connections `silence` watches. */
export function membersMuxer(silence: SilenceWatch): StreamMuxerFactory {
  const factory = yamux({
    maxInboundStreams: MEMBER_STREAMS_MAX,
    enableKeepAlive: false, // asks whether the peer talks or not
    streamOptions: {
      maxStreamWindowSize: STREAM_WINDOW_MAX,
      maxReadBufferLength: STREAM_BUFFER_MAX,
    },
  })()
  return {
    protocol: factory.protocol,
    createStreamMuxer(connection) {
      const muxer = factory.createStreamMuxer(connection)
      sparingWindowUpdates(muxer)
      const ask = (): Promise<unknown> => muxer.ping()
      const cutOff = (): void =>
        connection.abort(new ShoalError('timeout', 'the peer does not answer'))
      const { heard, end } = silence.add({ ask, cutOff })
      connection.addEventListener('close', end)
      // The round trip decides how windows grow.
      queueMicrotask(() => void ignoreFailure(ask(), 'it is measured when the peer is silent'))
      connection.addEventListener('message', () => {
        heard()
        if (muxer['decoder']['buffer'].byteLength <= STREAM_WINDOW_MAX + 64 * KIB) return
        connection.abort(
          new ShoalError('malformed', 'a frame of yamux that is larger than a window'),
        )
      })
      return muxer
    },
  }
}

/** The muxer of strangers, who may choose `protocols`. */
export function strangersMuxer(protocols: () => readonly string[]): StreamMuxerFactory {
  const factory = yamux({ maxInboundStreams: STREAMS_MAX, enableKeepAlive: false })()
  return {
    protocol: factory.protocol,
    createStreamMuxer: (connection) =>
      new StrangersMuxer(factory.createStreamMuxer(connection), connection, protocols),
  }
}

class StrangersMuxer extends TypedEventEmitter<StreamMuxerEvents> implements StreamMuxer {
  readonly protocol: string = STRANGERS_MUXER
  readonly #inner: StreamMuxer
  readonly #protocols: () => readonly string[]
  #count = 0

  constructor(inner: StreamMuxer, connection: MessageStream, protocols: () => readonly string[]) {
    super()
    this.#inner = inner
    this.#protocols = protocols
    inner.addEventListener('stream', ({ detail }) => void this.#negotiate(detail))
    let bytes = 0
    connection.addEventListener('message', ({ data }) => {
      bytes += data.byteLength
      if (bytes > STRANGER_BYTES_MAX)
        connection.abort(new ShoalError('malformed', `more than ${STRANGER_BYTES_MAX} bytes`))
    })
    const end = (): void => connection.abort(new ShoalError('timeout', 'a stranger goes again'))
    const timer = setTimeout(end, STRANGER_MS)
    timer.unref()
    connection.addEventListener('close', () => clearTimeout(timer))
  }

  get streams(): Stream[] {
    return this.#inner.streams
  }

  get status(): StreamMuxerStatus {
    return this.#inner.status
  }

  createStream(options?: CreateStreamOptions): Promise<Stream> {
    return this.#inner.createStream(options)
  }

  async close(options?: Parameters<StreamMuxer['close']>[0]): Promise<void> {
    await this.#inner.close(options)
  }

  abort(error: Error): void {
    this.#inner.abort(error)
  }

  /**
   * libp2p would offer all that it serves; it takes the choice as made where the stream has a
   * protocol.
   */
  async #negotiate(stream: Stream): Promise<void> {
    try {
      const signal = AbortSignal.timeout(NEGOTIATION_MS)
      stream.protocol = await handle(stream, [...this.#protocols()], { signal })
      if (++this.#count > STREAMS_MAX) throw new ShoalError('unreachable', 'enough was tried')
      this.safeDispatchEvent('stream', { detail: stream })
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
