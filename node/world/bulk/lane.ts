// A channel over a lane of a bulk connection. Always true: a frame arrives whole or not at all;
// what arrived whole before a break is still delivered; every await ends when the connection does;
// the end is clean only if the other side said so.
import { asShoalError, hasCode, ShoalError } from '../../../protocol/errors.ts'
import { RECORD } from '../../../protocol/wire/bulk.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { onAbort } from '../abort-listeners.ts'
import { LaneReader } from './lane-reader.ts'
import { LaneSender } from './lane-sender.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { InFlight } from '../in-flight.ts'
import type { Channel, ReceiveIntoOptions } from '../world.ts'
import type { Consumer } from './lane-reader.ts'

/** How long close() waits for a slow remote to take the last bytes. */
const CLOSE_TIMEOUT_MS: number = 60 * SECOND_MS

/** The connection that a lane is on. */
export interface LaneHost {
  readonly peer: PeerId
  readonly inFlight: InFlight
  /** Sends a record without data. */
  readonly tell: (kind: number, lane: number, n: number) => void
  /** The lane may have something to send. */
  readonly ready: (lane: BulkLane) => void
  /** The lane is over. */
  readonly forget: (lane: BulkLane) => void
}

export interface LaneOptions {
  readonly id: number
  readonly protocol: string
  readonly frameMax: number
  /** This side has opened it. */
  readonly isOurs: boolean
}

export class BulkLane implements Channel {
  readonly id: number
  readonly protocol: string
  readonly isOurs: boolean
  readonly reader: LaneReader
  readonly sender: LaneSender
  readonly #host: LaneHost
  readonly #served = Promise.withResolvers<void>()
  #closing = false
  #endSent = false
  #endReceived = false
  #failure: ShoalError | undefined

  constructor(host: LaneHost, { id, protocol, frameMax, isOurs }: LaneOptions) {
    this.id = id
    this.protocol = protocol
    this.isOurs = isOurs
    this.#host = host
    const { peer, inFlight } = host
    this.reader = new LaneReader({
      peer,
      frameMax,
      inFlight,
      grant: (bytes) => host.tell(RECORD.CREDIT, id, bytes),
      fail: (error) => this.abort(error),
    })
    this.sender = new LaneSender(id)
    this.#served.promise.catch(() => undefined) // for who waits, if anybody does
  }

  get peer(): PeerId {
    return this.#host.peer
  }

  /** Resolves when the other side serves it; rejects when it does not. */
  async served(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>()
    const forget = onAbort(signal, () => reject(asShoalError(signal.reason)))
    try {
      await Promise.race([this.#served.promise, promise])
    } finally {
      forget()
    }
  }

  async send(parts: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<void> {
    if (this.#closing) throw this.#broken('this side is closed')
    await this.sender.send(parts, options.signal, {
      changed: () => this.#host.ready(this),
      broken: (error) => this.abort(error),
    })
  }

  receive({ signal }: { signal: AbortSignal }): Promise<Uint8Array | undefined> {
    return this.#consume<Uint8Array | undefined>(signal, (resolve, reject) => {
      return { kind: 'frame', resolve, reject }
    })
  }

  async receiveInto(
    into: Uint8Array,
    { signal, onFrame = () => {} }: ReceiveIntoOptions,
  ): Promise<void> {
    if (into.length === 0) return
    try {
      await this.#consume<void>(signal, (resolve, reject) => {
        return { kind: 'fill', into, at: 0, onFrame, resolve, reject }
      })
    } catch (error) {
      this.abort(asShoalError(error)) // the rest would be taken for what comes next
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closing || this.#failure !== undefined) return
    this.#closing = true
    const slow = setTimeout(() => {
      this.abort(this.#broken('the last bytes could not be sent'))
    }, CLOSE_TIMEOUT_MS)
    slow.unref()
    await this.sender.drained()
    clearTimeout(slow)
    this.#throwIfBroken()
    this.#host.tell(RECORD.END, this.id, 0)
    this.#endSent = true
    this.#forgetIfOver()
  }

  abort(error: Error): void {
    if (this.#failure !== undefined || this.#isOver) return
    const told = hasCode(error, 'malformed') || hasCode(error, 'unreachable')
    this.#host.tell(RECORD.RESET, this.id, 0)
    this.break(told ? error : this.#broken(error.message, error), { discard: true })
  }

  /** The connection is gone, or the other side broke the lane off. */
  break(error: ShoalError, { discard }: { discard: boolean } = { discard: false }): void {
    if (this.#isOver) return this.reader.break(error, { discard })
    this.#failure ??= error
    this.#served.reject(error)
    this.sender.break(error)
    this.reader.break(error, { discard })
    this.#host.forget(this)
  }

  /** The other side says for the first time, or again, that more may be sent. */
  allow(bytes: number): void {
    this.#served.resolve()
    this.sender.allow(bytes)
    this.#host.ready(this)
  }

  /** The other side sends no more. */
  end(): void {
    this.#endReceived = true
    this.reader.end()
    this.#forgetIfOver()
  }

  /** An error of this lane. */
  broken(reason: string): ShoalError {
    return this.#broken(reason)
  }

  #throwIfBroken(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  get #isOver(): boolean {
    return this.#endSent && this.#endReceived
  }

  #forgetIfOver(): void {
    if (!this.#isOver) return
    this.reader.close()
    this.#host.forget(this)
  }

  async #consume<Result>(
    signal: AbortSignal,
    make: (resolve: (result: Result) => void, reject: (error: ShoalError) => void) => Consumer,
  ): Promise<Result> {
    if (signal.aborted) throw asShoalError(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    const consumer = make(resolve, reject)
    const forget = onAbort(signal, () => {
      this.reader.remove(consumer)
      reject(asShoalError(signal.reason))
    })
    this.reader.add(consumer)
    try {
      return await promise
    } finally {
      forget()
    }
  }

  #broken(reason: string, cause?: unknown): ShoalError {
    const message = `channel ${this.protocol} with ${this.peer} broke: ${reason}`
    return new ShoalError('unreachable', message, { cause })
  }
}
