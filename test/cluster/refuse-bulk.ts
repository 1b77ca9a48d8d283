// Run first in a node: no bulk connection of it comes to anything, as where a port leads elsewhere.
import { Socket } from 'node:net'
import { PREAMBLE_BYTES, mayBeBulk } from '../../protocol/wire/bulk.ts'

type Write = (this: Socket, ...words: readonly unknown[]) => boolean

const sockets = Socket.prototype as unknown as { write: Write }
sockets.write = new Proxy(sockets.write, {
  apply(write, socket: Socket, words: readonly unknown[]): boolean {
    const [bytes] = words
    const isPreamble = bytes instanceof Uint8Array && bytes.length === PREAMBLE_BYTES
    if (!isPreamble || !mayBeBulk(bytes)) return Reflect.apply(write, socket, words)
    socket.destroy()
    return false
  },
})
