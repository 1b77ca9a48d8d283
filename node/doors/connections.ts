// The connections of a door: bounded in number, in all and of one other machine. When there is no
// room, the one that has asked nothing for longest gives way to the new one: whoever opens many and
// stays silent shuts out itself.
import type { Socket } from 'node:net'

const MAX = 256
/** From one address of another machine. */
const OF_ONE_MAX = 64

interface Connection {
  readonly socket: Socket
  /** Requests that are not answered yet. */
  asked: number
}

export interface ConnectionsOptions {
  readonly max?: number
  /** Infinity where all come from this machine. */
  readonly ofOneMax?: number
}

export class Connections {
  readonly #max: number
  readonly #ofOneMax: number
  readonly #open = new Map<string, Connection>()
  /** Those without a request, by when they had the last. */
  readonly #silent = new Map<string, Connection>()
  readonly #ofOne = new Map<string, number>()

  constructor({ max = MAX, ofOneMax = OF_ONE_MAX }: ConnectionsOptions = {}) {
    this.#max = max
    this.#ofOneMax = ofOneMax
  }

  /** One that somebody opened; breaks it off, or another, where there are too many. */
  take(socket: Socket): void {
    const { remoteAddress: address = '' } = socket
    const ofOne = this.#ofOne.get(address) ?? 0
    if (ofOne >= this.#ofOneMax || (this.#open.size >= this.#max && !this.#makeRoom())) {
      socket.destroy()
      return
    }
    const [key, connection] = [keyOf(socket), { socket, asked: 0 }]
    this.#ofOne.set(address, ofOne + 1)
    this.#open.set(key, connection)
    this.#silent.set(key, connection)
    socket.once('close', () => {
      this.#leave(key)
      const left = (this.#ofOne.get(address) ?? 1) - 1
      if (left > 0) this.#ofOne.set(address, left)
      else this.#ofOne.delete(address)
    })
  }

  /** A request has come, whole but for its body. socket: the one that it came by, of TLS or not. */
  asked(socket: Socket): void {
    const connection = this.#open.get(keyOf(socket))
    if (connection === undefined) return
    connection.asked++
    this.#silent.delete(keyOf(socket))
  }

  /** A request was answered. */
  answered(socket: Socket): void {
    const connection = this.#open.get(keyOf(socket))
    if (connection === undefined) return
    connection.asked--
    if (connection.asked === 0) this.#silent.set(keyOf(socket), connection)
  }

  /** returns whether there was one that is silent. */
  #makeRoom(): boolean {
    for (const [key, { socket }] of this.#silent) {
      this.#leave(key)
      socket.destroy()
      return true
    }
    return false
  }

  #leave(key: string): void {
    this.#open.delete(key)
    this.#silent.delete(key)
  }
}

/** The same for a connection and for TLS on it. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
