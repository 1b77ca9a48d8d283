// Which members are connected, and who wants to know. A peer connects once, at its first
// connection, and disconnects once, at its last; libp2p alone may report a disconnect without a
// connect. A listener that throws harms nobody.
import type { PeerId } from '../../../protocol/ids.ts'
import type { WriteLog } from '../../observe/log-events.ts'

export type PeerListener = (peer: PeerId) => void

/** State of the peers of one Libp2pNetwork. */
export class PeerEvents {
  readonly #log: WriteLog
  readonly #connected = new Set<PeerId>()
  readonly #listeners = {
    connect: new Set<PeerListener>(),
    disconnect: new Set<PeerListener>(),
    discover: new Set<PeerListener>(),
  }

  constructor(log: WriteLog) {
    this.#log = log
  }

  get connected(): readonly PeerId[] {
    return [...this.#connected]
  }

  listen(event: 'connect' | 'disconnect' | 'discover', listener: PeerListener): void {
    this.#listeners[event].add(listener)
  }

  onConnect(peer: PeerId): void {
    if (this.#connected.has(peer)) return
    this.#connected.add(peer)
    this.#notify('connect', peer)
  }

  onDisconnect(peer: PeerId): void {
    if (this.#connected.delete(peer)) this.#notify('disconnect', peer)
  }

  onDiscover(peer: PeerId): void {
    this.#notify('discover', peer)
  }

  #notify(event: 'connect' | 'disconnect' | 'discover', peer: PeerId): void {
    for (const listener of this.#listeners[event]) {
      try {
        listener(peer)
      } catch (error) {
        this.#log('network.listener-failed', { peer, of: event, reason: String(error) })
      }
    }
  }
}
