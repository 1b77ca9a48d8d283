// A channel of frames over one libp2p stream, with backpressure both ways. Always true: a reader
// that does not read costs at most RECEIVE_QUEUE_MAX, a frame of its protocol, and what the yamux
// window lets through, and all channels together what InFlight lets them; a sender costs at most
// one block; a frame arrives whole or not at all; what arrived whole before a break is still
// delivered; every await ends when the stream does. The end is clean only if the remote said so
// (yamux FIN). docs/formats/network.md lists the traps of libp2p 3 streams that this file is built
// around.
import { setMaxListeners } from 'node:events'
import { asShoalError, hasCode, ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB, SECOND_MS } from '../../../protocol/units.ts'
import { fillByFrames } from '../fill-by-frames.ts'
import { encodeFrame, FrameDecoder, LENGTH_BYTES } from './frames.ts'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { InFlight } from '../in-flight.ts'
import type { Channel, ReceiveIntoOptions } from '../world.ts'

/** Whole frames waiting for receive(), counted in bytes, at which the sender is stopped. */
const RECEIVE_QUEUE_MAX: number = 2 * MIB
/** The cost of a queued frame beside its bytes. */
const FRAME_OVERHEAD = 64
/** Bytes that may be sent before the other side has shown that it reads. */
const EARLY_MAX: number = 256 * KIB
/** How long close() waits for a slow remote to take the last bytes. */
const CLOSE_TIMEOUT_MS: number = 60 * SECOND_MS

interface ChannelOptions {
  readonly peer: PeerId
  readonly protocol: string
  readonly frameMax: number
  readonly inFlight: InFlight
}

/** The channel over `stream`, listening from its construction on. */
export class Libp2pChannel implements Channel {
  readonly peer: PeerId
  readonly protocol: string
  readonly #stream: Stream
  readonly #decoder: FrameDecoder
  readonly #inFlight: InFlight
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  /** Received, and not delivered by receive(). */
  #inFlightBytes = 0
  #stopWaiting: (() => void) | undefined
  #paused = false
  #resuming = false
  /** The remote has sent its first, empty frame. */
  #remoteReads = false
  /** The remote has said that it sends no more. */
  #remoteFinished = false
  /** All that the remote sent is in the queue. */
  #ended = false
  #readFailure: ShoalError | undefined
  #writeFailure: ShoalError | undefined
  #sentBytes = 0
  /** One token for each send() under way; the first is the one that writes. */
  readonly #sends: object[] = []
  #closing = false
  /** Called at every change that a waiting call may depend on. */
  readonly #waiting = new Set<() => void>()

  /** frameMax: of the frames that come. */
  constructor(stream: Stream, { peer, protocol, frameMax, inFlight }: ChannelOptions) {
    this.peer = peer
    this.protocol = protocol
    this.#stream = stream
    this.#inFlight = inFlight
    this.#decoder = new FrameDecoder((frame) => this.#onFrame(frame), frameMax)
    this.#listen()
    if (stream.status === 'open') {
      this.#remoteFinished = stream.remoteWriteStatus === 'closed'
      if (stream.readableEnded) this.#onEnd()
      this.#write(encodeFrame([])[0] ?? new Uint8Array())
    } else {
      this.#fail(this.#broken('it was closed at once'))
    }
  }

  async send(parts: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<void> {
    const blocks = encodeFrame(parts)
    const token = {}
    this.#sends.push(token)
    try {
      await this.#until(options.signal, () => this.#sends[0] === token)
      await this.#sendBlocks(blocks, options.signal)
    } finally {
      this.#sends.splice(this.#sends.indexOf(token), 1)
      this.#wake()
    }
  }

  async receive(options: { signal: AbortSignal }): Promise<Uint8Array | undefined> {
    for (;;) {
      await this.#until(options.signal, () => {
        return this.#queue.length > 0 || this.#ended || this.#readFailure !== undefined
      })
      const frame = this.#queue.shift()
      if (frame !== undefined) {
        this.#queuedBytes -= frame.byteLength + FRAME_OVERHEAD
        this.#release(LENGTH_BYTES + frame.byteLength)
        if (this.#queuedBytes < RECEIVE_QUEUE_MAX / 2) this.#resume()
        return frame
      }
      if (this.#ended) return undefined
      if (this.#readFailure !== undefined) throw this.#readFailure
    }
  }

  receiveInto(into: Uint8Array, options: ReceiveIntoOptions): Promise<void> {
    return fillByFrames(this, into, options)
  }

  async close(): Promise<void> {
    if (this.#closing || this.#writeFailure !== undefined) return
    this.#closing = true
    const signal = AbortSignal.timeout(CLOSE_TIMEOUT_MS)
    try {
      await this.#until(signal, () => this.#sends.length === 0)
      await this.#stream.close({ signal })
    } catch (cause) {
      const error = this.#broken('the last bytes could not be sent', cause)
      this.abort(error)
      throw error
    }
  }

  abort(error: Error): void {
    const told = hasCode(error, 'malformed') || hasCode(error, 'unreachable')
    this.#queue.length = 0
    this.#release(this.#inFlightBytes)
    this.#fail(told ? error : this.#broken(error.message, error))
    this.#stream.abort(error)
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('message', (event) => this.#onMessage(event))
    stream.addEventListener('drain', () => this.#wake())
    stream.addEventListener('idle', () => this.#wake())
    stream.addEventListener('remoteCloseWrite', () => (this.#remoteFinished = true))
    stream.addEventListener('end', () => this.#onEnd())
    stream.addEventListener('close', ({ error }) => {
      const failure = this.#broken(error?.message ?? 'the connection is gone', error)
      this.#release(this.#inFlightBytes)
      // After a clean finish what is still in the stream's buffer can be read.
      if (error === undefined && this.#remoteFinished) this.#failWriting(failure)
      else this.#fail(failure)
    })
  }

  #onMessage({ data }: StreamMessageEvent): void {
    try {
      for (const bytes of data instanceof Uint8Array ? [data] : data) {
        this.#inFlightBytes += bytes.byteLength
        this.#inFlight.take(this.peer, bytes.byteLength)
        this.#decoder.push(bytes)
      }
    } catch (error) {
      return this.abort(asShoalError(error))
    }
    this.#wake()
    this.#pauseIfFull()
  }

  #onFrame(frame: Uint8Array): void {
    if (this.#remoteReads) {
      this.#queue.push(frame)
      this.#queuedBytes += frame.byteLength + FRAME_OVERHEAD
    } else {
      if (frame.byteLength > 0) throw new ShoalError('malformed', 'the first frame is not empty')
      this.#remoteReads = true
      this.#release(LENGTH_BYTES)
    }
  }

  #onEnd(): void {
    if (!this.#remoteFinished) return // a break: 'close' follows and says why
    if (this.#decoder.insideFrame) return this.abort(this.#broken('it ended inside a frame'))
    this.#ended = true
    this.#wake()
  }

  async #sendBlocks(blocks: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    let begun = false
    try {
      for (const block of blocks) {
        await this.#until(signal, () => this.#mayWrite(block) || this.#writeFailure !== undefined)
        this.#write(block)
        if (this.#writeFailure !== undefined) throw this.#writeFailure
        begun = true
      }
    } catch (error) {
      // Nothing sensible can follow part of a frame.
      if (begun) this.abort(asShoalError(error))
      throw error
    }
  }

  /**
   * 'drain' alone is not enough: it comes with each window update, however small, while a block is
   * still waiting.
   */
  #mayWrite(block: Uint8Array): boolean {
    if (!this.#remoteReads && this.#sentBytes + block.byteLength > EARLY_MAX) return false
    return !this.#stream.writableNeedsDrain && this.#stream.writeBufferLength === 0
  }

  #write(block: Uint8Array): void {
    if (this.#writeFailure !== undefined) return
    this.#sentBytes += block.byteLength
    try {
      this.#stream.send(block)
    } catch (cause) {
      this.#failWriting(this.#broken('it is closed', cause))
    }
  }

  /**
   * Stops yamux window updates and with them the sender. Within resume() it would be undone in
   * yamux only.
   */
  #pauseIfFull(): void {
    if (this.#paused || this.#resuming) return
    const isCrowded = this.#inFlight.isFull(this.peer)
    if (this.#queuedBytes < RECEIVE_QUEUE_MAX && !isCrowded) return
    if (this.#stream.readStatus !== 'readable') return
    this.#paused = true
    this.#stream.pause()
    if (!isCrowded || this.#stopWaiting !== undefined) return
    this.#stopWaiting = this.#inFlight.wait(this.peer, () => this.#resume())
    if (this.#stopWaiting === undefined) this.abort(new Error('too much of its peer waits here'))
  }

  /** Releases bytes in flight that were delivered or given up. */
  #release(bytes: number): void {
    const given = Math.min(bytes, this.#inFlightBytes)
    this.#inFlightBytes -= given
    this.#inFlight.giveBack(this.peer, given)
  }

  #resume(): void {
    if (!this.#paused || this.#queuedBytes >= RECEIVE_QUEUE_MAX) return
    if (this.#inFlight.isFull(this.peer)) return
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    this.#paused = false
    this.#resuming = true
    try {
      this.#stream.resume()
    } catch {
      // Closed meanwhile: its events have told us, and what it still held has just been delivered.
    } finally {
      this.#resuming = false
    }
    this.#pauseIfFull()
  }

  #fail(error: ShoalError): void {
    this.#stopWaiting?.()
    this.#readFailure ??= error
    this.#failWriting(error)
  }

  #failWriting(error: ShoalError): void {
    this.#writeFailure ??= error
    this.#wake()
  }

  #wake(): void {
    for (const check of this.#waiting) check()
  }

  /** Resolves once `ready()`; rejects with the reason of `signal` if that aborts first. */
  async #until(signal: AbortSignal, ready: () => boolean): Promise<void> {
    if (signal.aborted) throw asShoalError(signal.reason)
    if (ready()) return
    setMaxListeners(0, signal) // one signal may serve any number of channels
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = (): void => (ready() ? resolve() : undefined)
    const onAbort = (): void => reject(asShoalError(signal.reason))
    this.#waiting.add(check)
    signal.addEventListener('abort', onAbort)
    try {
      await promise
    } finally {
      this.#waiting.delete(check)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #broken(reason: string, cause?: unknown): ShoalError {
    const message = `channel ${this.protocol} with ${this.peer} broke: ${reason}`
    return new ShoalError('unreachable', message, { cause })
  }
}
