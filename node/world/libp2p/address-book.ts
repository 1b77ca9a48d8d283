// The addresses of peers that libp2p keeps for this node.
import { peerIdFromString } from '@libp2p/peer-id'
import { wronglyDropped } from './addresses.ts'
import { parseAddress, withoutPeer } from './dial.ts'
import type { PeerStore, PeerUpdate } from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'

export class AddressBook {
  readonly #self: PeerId
  readonly #store: PeerStore

  constructor(self: PeerId, store: PeerStore) {
    this.#self = self
    this.#store = store
  }

  async of(peer: PeerId): Promise<readonly string[]> {
    try {
      const { addresses } = await this.#store.get(peerIdFromString(peer))
      const texts = addresses.map(({ multiaddr }) =>
        multiaddr.encapsulate(`/p2p/${peer}`).toString(),
      )
      return [...new Set(texts)] // libp2p may store one twice: with and without its /p2p end
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return []
      throw error
    }
  }

  async learn(peer: PeerId, addresses: readonly string[]): Promise<void> {
    if (peer === this.#self) return
    const multiaddrs = addresses.map((address) => withoutPeer(parseAddress(address), peer))
    await this.#store.merge(peerIdFromString(peer), { multiaddrs })
  }

  /** Brings back what identify has dropped. */
  async keep(update: PeerUpdate): Promise<void> {
    const multiaddrs = wronglyDropped(update)
    if (multiaddrs.length > 0) await this.#store.merge(update.peer.id, { multiaddrs })
  }
}
