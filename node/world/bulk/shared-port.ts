// One listening port for libp2p and for bulk connections: the first bytes of a connection tell. It
// goes on to libp2p unread. Always true: few connections are in between, few of one address and for
// a short time; what begins like a bulk connection and does not go on so is closed.
import { tcp } from '@libp2p/tcp'
import { assert } from '../../../protocol/errors.ts'
import { PREAMBLE_BYTES, knockOf, mayBeBulk } from '../../../protocol/wire/bulk.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import type { Listener, Transport } from '@libp2p/interface'
import type { Server, Socket } from 'node:net'

/** The first bytes of a connection come within this. */
const FIRST_BYTES_MS: number = 5 * SECOND_MS
/** Connections of which nothing has come, in all and of one address. */
const SILENT_MAX = 256
const SILENT_PER_ADDRESS_MAX = 32

/** The transport of libp2p over TCP, as its configuration takes it. */
type Tcp = ReturnType<typeof tcp>

export class SharedPort {
  readonly #silent = new Map<Socket, string>()
  /** Undefined while it is stopped. */
  #onBulk: ((socket: Socket, knock: string) => void) | undefined

  /** The transport, to be passed to libp2p. */
  transport(): Tcp {
    return (components) => {
      const transport: Transport = tcp()(components)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options) => this.#share(createListener(options))
      return transport
    }
  }

  /** Closes what has not said what it is; whatever comes is closed too. */
  stop(): void {
    this.#onBulk = undefined
    for (const socket of this.#silent.keys()) socket.destroy()
  }

  /** onBulk: takes a connection that begins with the preamble of a bulk connection. */
  start(onBulk: (socket: Socket, knock: string) => void): void {
    this.#onBulk = onBulk
  }

  #share(listener: Listener): Listener {
    const { server } = listener as unknown as { readonly server?: Server }
    const [toLibp2p, ...others] = server?.listeners('connection') ?? []
    assert(server !== undefined && toLibp2p !== undefined && others.length === 0, 'a known tcp')
    server.removeAllListeners('connection')
    server.on('connection', (socket) => this.#look(socket, () => toLibp2p.call(server, socket)))
    return listener
  }

  #look(socket: Socket, toLibp2p: () => void): void {
    const address = socket.remoteAddress ?? ''
    socket.on('error', () => socket.destroy())
    const ofAddress = [...this.#silent.values()].filter((other) => other === address)
    const isMuch = this.#silent.size >= SILENT_MAX || ofAddress.length >= SILENT_PER_ADDRESS_MAX
    if (this.#onBulk === undefined || isMuch) return void socket.destroy()
    this.#silent.set(socket, address)
    const slow = setTimeout(() => socket.destroy(), FIRST_BYTES_MS)
    const told = (): void => {
      clearTimeout(slow)
      this.#silent.delete(socket)
      socket.removeListener('data', onData)
      socket.removeListener('close', told)
      socket.pause()
    }
    let first = Buffer.alloc(0)
    const onData = (bytes: Buffer): void => {
      first = Buffer.concat([first, bytes])
      const isBulk = mayBeBulk(first)
      if (isBulk && first.length < PREAMBLE_BYTES) return
      told()
      const rest = isBulk ? first.subarray(PREAMBLE_BYTES) : first
      if (rest.length > 0) socket.unshift(rest)
      if (isBulk) return this.#onBulk?.(socket, knockOf(first.subarray(0, PREAMBLE_BYTES)))
      try {
        toLibp2p()
        socket.resume()
      } catch {
        socket.destroy() // libp2p does not listen any more
      }
    }
    socket.on('data', onData)
    socket.on('close', told)
  }
}
