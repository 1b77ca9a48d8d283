// A stream of frames between two nodes over a pipe each way. A sender waits while the window is
// full of frames that the receiver has not taken. A receiver sees every frame whole and in order,
// then the end, or that the stream broke; what arrived before a break can still be read. Nothing
// settles in a process that was killed.
import { crc32 } from 'node:zlib'
import { concatBytes } from '../protocol/bytes.ts'
import { ShoalError } from '../protocol/errors.ts'
import { FRAME_MAX } from '../protocol/limits.ts'
import { Pipe } from './link.ts'
import { fillByFrames } from '../node/world/fill-by-frames.ts'
import { WaitingLine } from './waiting-line.ts'
import type { LinkEnd } from './link.ts'
import type { SimulatedNetwork } from './network.ts'
import type { Channel, ReceiveIntoOptions } from '../node/world/world.ts'
import type { PeerId } from '../protocol/ids.ts'

const REFUSED = 0
const SERVED = 1

interface ChannelOptions {
  readonly protocol: string
  readonly frameMax?: number | undefined
  readonly isBulk?: boolean | undefined
}

export class SimulatedChannel implements Channel {
  readonly protocol: string
  /** It is on the bulk connection of its peers, which may break by itself. */
  readonly isBulk: boolean
  /** True at the side that opened it. */
  readonly outbound: boolean
  readonly #network: SimulatedNetwork
  readonly #end: LinkEnd
  readonly #pipe: Pipe
  #remote: SimulatedChannel | undefined
  /** The longest frame to accept. */
  readonly #frameMax: number
  /** Frames that wait for room; undefined is the end of our side. */
  readonly #sending = new WaitingLine<Uint8Array | undefined, void>()
  readonly #receiving = new WaitingLine<void, Uint8Array | undefined>()
  readonly #inbox: Uint8Array[] = []
  /** Bytes of frames on their way to this end, or in the inbox. */
  #unreadBytes = 0
  #closing = false
  #endSent = false
  #endReceived = false
  #broken: Error | undefined

  constructor(
    network: SimulatedNetwork,
    end: LinkEnd,
    { protocol, frameMax = FRAME_MAX, isBulk = false }: ChannelOptions,
    remote?: SimulatedChannel,
  ) {
    this.#network = network
    this.#end = end
    this.protocol = protocol
    this.isBulk = isBulk
    this.outbound = remote === undefined
    this.#pipe = new Pipe(network, end.owner.self, end.peer)
    this.#remote = remote
    this.#frameMax = frameMax
    if (remote !== undefined) remote.#remote = this
    end.channels.add(this)
  }

  get peer(): PeerId {
    return this.#end.peer
  }

  /** Open it at the other side. throws 'unreachable' if that does not serve the protocol. */
  async greet(signal: AbortSignal): Promise<void> {
    const { remote } = this.#end
    this.#pipe.put(`open ${this.protocol}`, 0, () =>
      remote.owner.serve(remote, this.protocol, this),
    )
    const answer = await this.receive({ signal })
    if (answer?.[0] === SERVED) return
    throw new ShoalError('unreachable', `${this.peer} does not serve ${this.protocol}`)
  }

  /** Answer the greeting: our first frame. */
  answer(served: boolean): void {
    const answered = this.#enqueue(Uint8Array.of(served ? SERVED : REFUSED))
    answered.catch(() => undefined) // broken meanwhile: whoever serves it will see
  }

  async send(parts: readonly Uint8Array[], options: { signal: AbortSignal }): Promise<void> {
    const frame = new Uint8Array(concatBytes(parts))
    if (frame.length > FRAME_MAX) {
      throw new ShoalError(
        'malformed',
        `a frame of ${frame.length} bytes; at most ${FRAME_MAX} are allowed`,
      )
    }
    const { self } = this.#end.owner
    if (this.isBulk && this.#network.breaksBulk(self, this.peer)) this.#end.breakBulk()
    for (const sent of this.#network.tampered(self, this.protocol, frame))
      await this.#enqueue(sent, options.signal)
  }

  async receive(options: { signal: AbortSignal }): Promise<Uint8Array | undefined> {
    const frame = this.#receiving.join(undefined, options.signal)
    this.#hand()
    return await frame
  }

  receiveInto(into: Uint8Array, options: ReceiveIntoOptions): Promise<void> {
    return fillByFrames(this, into, options)
  }

  async close(): Promise<void> {
    if (!this.#closing && this.#broken === undefined) await this.#enqueue(undefined)
  }

  abort(error: Error): void {
    this.#breakOff(
      new ShoalError('unreachable', 'the stream was broken off here', { cause: error }),
    )
  }

  /** Discards all that was received, and tells both ends. */
  #breakOff(error: Error): void {
    if (this.#broken !== undefined || this.#finished) return
    this.#inbox.length = 0
    this.break(error)
    const remote = this.#remote
    const why = new ShoalError('unreachable', `${this.#end.owner.self} broke the stream`)
    this.#pipe.put('reset', 0, () => remote?.break(why))
  }

  /** The stream is gone, here; the other end learns of it by itself. */
  break(error: Error): void {
    if (!this.#alive || this.#broken !== undefined || this.#finished) return
    this.#broken = error
    this.#end.channels.delete(this)
    while (this.#sending.first !== undefined) this.#sending.shift()?.reject(error)
    this.#hand()
  }

  get #alive(): boolean {
    return this.#end.owner.process.alive
  }

  get #finished(): boolean {
    return this.#endSent && this.#endReceived && this.#inbox.length === 0
  }

  async #enqueue(frame: Uint8Array | undefined, signal?: AbortSignal): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#closing) throw new ShoalError('unreachable', 'our side of the stream is closed')
    this.#closing = frame === undefined
    const admitted = this.#sending.join(frame, signal)
    this.#admit()
    await admitted
  }

  /** Put on the pipe what there is room for. */
  #admit(): void {
    const remote = this.#remote
    if (remote === undefined || !this.#alive) return
    for (;;) {
      const next = this.#sending.first
      if (next === undefined) return
      const frame = next.item
      const size = frame?.length ?? 0
      const room = this.#network.options.windowBytes - remote.#unreadBytes
      if (size > room && remote.#unreadBytes > 0) return
      this.#sending.shift()
      remote.#unreadBytes += size
      this.#endSent = frame === undefined
      this.#pipe.put(this.#describe(frame), size, () => remote.#arrive(frame))
      next.resolve()
      this.#forgetIfFinished()
    }
  }

  #describe(frame: Uint8Array | undefined): string {
    if (frame === undefined) return `end ${this.protocol}`
    return `frame ${this.protocol} ${frame.length} ${crc32(frame).toString(16)}`
  }

  #arrive(frame: Uint8Array | undefined): void {
    if (!this.#alive || this.#broken !== undefined) return
    if (frame !== undefined && frame.length > this.#frameMax)
      return this.#breakOff(new ShoalError('malformed', `a frame of ${frame.length} bytes`))
    if (frame === undefined) this.#endReceived = true
    else this.#inbox.push(frame)
    this.#hand()
  }

  /** Give those who wait what there is. */
  #hand(): void {
    for (;;) {
      const next = this.#receiving.first
      if (next === undefined) break
      const frame = this.#inbox.shift()
      if (frame === undefined && !this.#endReceived && this.#broken === undefined) break
      this.#receiving.shift()
      if (frame === undefined && !this.#endReceived) next.reject(this.#broken)
      else next.resolve(frame)
      this.#unreadBytes -= frame?.length ?? 0
      const remote = this.#remote
      if (remote !== undefined) remote.#admit()
    }
    this.#forgetIfFinished()
  }

  #forgetIfFinished(): void {
    if (this.#finished) this.#end.channels.delete(this)
  }
}
