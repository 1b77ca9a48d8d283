// A channel of frames over one libp2p stream, with backpressure both ways.
// Always true: at most RECEIVE_QUEUE_MAX + FRAME_MAX bytes are held for a reader that does not read, plus what the yamux
// window lets through; a frame is either delivered whole or not at all; what was received whole before a break is
// still delivered; every await ends when the stream does.
// The traps of libp2p 3 streams avoided here are listed in docs/formats/network.md ("Streams of js-libp2p").
import { asShoalError, assert, ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB, SECOND_MS } from '../../../protocol/units.ts'
import { encodeFrame, FrameDecoder } from './frames.ts'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Channel } from '../world.ts'

/** Whole frames waiting for receive(), counted in bytes, above which the sender is stopped. */
const RECEIVE_QUEUE_MAX: number = 2 * MIB
/** What a queued frame costs beside its bytes. */
const FRAME_OVERHEAD = 64
/** Bytes that may be sent before the other side has shown that it reads. */
const EARLY_MAX: number = 256 * KIB
/** How long close() waits for a slow remote to take the last bytes. */
const CLOSE_TIMEOUT_MS: number = 60 * SECOND_MS

/** Channel over `stream`; listens from its construction on. */
export class Libp2pChannel implements Channel {
  readonly peer: PeerId
  readonly protocol: string
  readonly #stream: Stream
  readonly #decoder = new FrameDecoder((frame) => this.#onFrame(frame))
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #paused = false
  #resuming = false
  #remoteReads = false
  #remoteFinished = false
  #ended = false
  #closing = false
  #failure: ShoalError | undefined
  /** Settles when all sends so far are done; never rejects. */
  #lastSend: Promise<void> = Promise.resolve()
  /** Called at every change that a waiting receive(), send() or open may depend on. */
  readonly #waiters = new Set<() => void>()

  constructor(stream: Stream, peer: PeerId, protocol: string) {
    this.peer = peer
    this.protocol = protocol
    this.#stream = stream
    if (stream.status !== 'open') return this.#fail(this.#broken('it was closed at once'))
    this.#remoteFinished = stream.remoteWriteStatus === 'closed'
    this.#listen()
    if (stream.readableEnded) this.#onEnd()
    this.#sendBlocks(encodeFrame([])) // "I read"; see docs/formats/network.md
  }

  async send(parts: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<void> {
    const { signal } = options
    const blocks = encodeFrame(parts)
    const previous = this.#lastSend
    const { promise: done, resolve: finish } = Promise.withResolvers<void>()
    this.#lastSend = previous.then(() => done)
    try {
      await abortable(previous, signal)
      await this.#sendFrame(blocks, signal)
    } finally {
      finish()
    }
  }

  async receive(options: { signal: AbortSignal }): Promise<Uint8Array | undefined> {
    await this.#until(options.signal, () => {
      return this.#queue.length > 0 || this.#ended || this.#failure !== undefined
    })
    const frame = this.#queue.shift()
    if (frame !== undefined) {
      this.#queuedBytes -= frame.byteLength + FRAME_OVERHEAD
      if (this.#queuedBytes < RECEIVE_QUEUE_MAX / 2) this.#resume()
      return frame
    }
    if (this.#ended) return undefined
    throw this.#failure ?? this.#broken('it ended')
  }

  async close(): Promise<void> {
    if (this.#closing || this.#failure !== undefined) return
    this.#closing = true
    await this.#lastSend
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
    } catch (cause) {
      const error = this.#broken('the last bytes could not be sent', cause)
      this.abort(error)
      throw error
    }
  }

  abort(error: Error): void {
    this.#queue.length = 0
    this.#fail(error instanceof ShoalError ? error : this.#broken(error.message, error))
    this.#stream.abort(error)
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('message', (event) => this.#onMessage(event))
    stream.addEventListener('drain', () => this.#wake())
    stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteFinished = true
    })
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', ({ error }) => {
      if (error !== undefined) this.#fail(this.#broken(error.message, error))
      else if (!this.#remoteFinished) this.#fail(this.#broken('the connection was lost'))
      else this.#wake()
    })
  }

  #onMessage({ data }: StreamMessageEvent): void {
    try {
      for (const bytes of data instanceof Uint8Array ? [data] : data) this.#decoder.push(bytes)
    } catch (error) {
      return this.abort(asShoalError(error))
    }
    this.#pauseIfFull()
  }

  #onFrame(frame: Uint8Array): void {
    if (!this.#remoteReads) {
      this.#remoteReads = true
      if (frame.byteLength > 0) throw new ShoalError('malformed', 'the first frame is not empty')
      return this.#wake()
    }
    this.#queue.push(frame)
    this.#queuedBytes += frame.byteLength + FRAME_OVERHEAD
    this.#wake()
  }

  #onEnd(): void {
    if (!this.#remoteFinished) return // broken, not finished: 'close' follows and says why
    if (this.#decoder.insideFrame) return this.abort(this.#broken('it ended inside a frame'))
    this.#ended = true
    this.#wake()
  }

  async #sendFrame(blocks: Uint8Array[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw asShoalError(signal.reason)
    let sent = 0
    try {
      for (const block of blocks) {
        sent += block.byteLength
        if (!this.#remoteReads && sent > EARLY_MAX) {
          await this.#until(signal, () => this.#remoteReads || this.#failure !== undefined)
        }
        if (!this.#sendBlocks([block])) {
          await this.#until(signal, () => !this.#stream.writableNeedsDrain || this.#failure !== undefined)
        }
        if (this.#failure !== undefined) throw this.#failure
      }
    } catch (error) {
      // Part of the frame may be out, so nothing sensible can follow it.
      this.abort(asShoalError(error))
      throw error
    }
  }

  /** False when the caller should wait for 'drain'. */
  #sendBlocks(blocks: Uint8Array[]): boolean {
    let room = true
    try {
      for (const block of blocks) room = this.#stream.send(block)
    } catch (cause) {
      this.#fail(this.#broken('it is closed for sending', cause))
    }
    return room
  }

  /**
   * pause() stops yamux window updates, and with them the sender. It must not be called from within resume(), which
   * would undo it in yamux but not in the stream.
   */
  #pauseIfFull(): void {
    if (this.#queuedBytes < RECEIVE_QUEUE_MAX || this.#paused || this.#resuming) return
    if (this.#stream.readStatus !== 'readable') return
    this.#paused = true
    this.#stream.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#resuming = true
    try {
      this.#stream.resume()
    } catch {
      // The stream is closed; its own events have told us so, and what it still held has just been delivered.
    } finally {
      this.#resuming = false
    }
    this.#pauseIfFull()
  }

  #fail(error: ShoalError): void {
    this.#failure ??= error
    this.#wake()
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }

  /** Resolves once `ready()`; rejects with the reason of `signal` if that aborts first. */
  async #until(signal: AbortSignal, ready: () => boolean): Promise<void> {
    if (signal.aborted) throw asShoalError(signal.reason)
    if (ready()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        this.#waiters.delete(check)
        signal.removeEventListener('abort', onAbort)
      }
      const check = (): void => {
        if (!ready()) return
        finish()
        resolve()
      }
      const onAbort = (): void => {
        finish()
        reject(asShoalError(signal.reason))
      }
      this.#waiters.add(check)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  #broken(reason: string, cause?: unknown): ShoalError {
    const message = `channel ${this.protocol} with ${this.peer} broke: ${reason}`
    return new ShoalError('unreachable', message, { cause })
  }
}
