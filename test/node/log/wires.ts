// Just enough of a network for two parts of nodes to talk in one process: channels that lose
// nothing, and a record of what was published.
import { fillByFrames } from '../../../node/world/fill-by-frames.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Channel, Network, ReceiveIntoOptions } from '../../../node/world/world.ts'

/** The two ends of a channel. */
export function channelPair(a: PeerId, b: PeerId, protocol: string): [Channel, Channel] {
  const toA = new Line()
  const toB = new Line()
  return [new End(b, protocol, toB, toA), new End(a, protocol, toA, toB)]
}

class Line {
  readonly #frames: (Uint8Array | undefined)[] = []
  #error: Error | undefined
  #wake = Promise.withResolvers<void>()

  put(frame: Uint8Array | undefined): void {
    this.#frames.push(frame)
    this.#turn()
  }

  fail(error: Error): void {
    this.#error ??= error
    this.#turn()
  }

  async take(): Promise<Uint8Array | undefined> {
    while (this.#frames.length === 0) {
      if (this.#error !== undefined) throw this.#error
      await this.#wake.promise
    }
    return this.#frames.shift()
  }

  #turn(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }
}

class End implements Channel {
  readonly peer: PeerId
  readonly protocol: string
  readonly #out: Line
  readonly #in: Line

  constructor(peer: PeerId, protocol: string, out: Line, into: Line) {
    this.peer = peer
    this.protocol = protocol
    this.#out = out
    this.#in = into
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    this.#out.put(Buffer.concat(parts))
  }

  receive(): Promise<Uint8Array | undefined> {
    return this.#in.take()
  }

  receiveInto(into: Uint8Array, options: ReceiveIntoOptions): Promise<void> {
    return fillByFrames(this, into, options)
  }

  async close(): Promise<void> {
    this.#out.put(undefined)
  }

  abort(error: Error): void {
    for (const line of [this.#out, this.#in])
      line.fail(new ShoalError('unreachable', error.message))
  }
}

/** A network that does what it is told to; anything else fails the test. */
export function networkOf(self: PeerId, methods: Partial<Network>): Network {
  const unused = (): never => {
    throw new Error('not what this test is about')
  }
  return {
    self,
    start: unused,
    stop: unused,
    addresses: () => [],
    peers: () => [],
    addressesOf: unused,
    learn: async () => undefined,
    dial: unused,
    disconnect: unused,
    gate: unused,
    onConnect: unused,
    onDisconnect: unused,
    onDiscover: unused,
    onTraffic: unused,
    handle: async () => undefined,
    open: unused,
    ping: unused,
    publish: async () => undefined,
    subscribe: () => () => undefined,
    provide: unused,
    unprovide: unused,
    find: unused,
    ...methods,
  }
}
