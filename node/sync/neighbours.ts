// The members of a volume that a node is connected to. Every beacon goes to all of them directly,
// so one whose sender is connected to the very same peers as this node need not be passed on: whom
// this node would send it to has it. In a swarm where all are connected, that leaves of n^2
// messages a beacon the n that are needed.
import { equalBytes } from '../../protocol/bytes.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { neighbourDigest } from '../../protocol/wire/gossip.ts'
import type { Network } from '../world/world.ts'
import type { Volume } from '../log/volume.ts'

export interface NeighboursComponents {
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly volume: Pick<Volume, 'membership'>
}

export class Neighbours {
  readonly #c: NeighboursComponents
  #last: { readonly text: string; readonly digest: Uint8Array } | undefined

  constructor(components: NeighboursComponents) {
    this.#c = components
  }

  /** Names this node and the members that it is connected to. cost: O(n log n). */
  digest(): Uint8Array {
    const { network, volume } = this.#c
    const isMember = (peer: PeerId): boolean => volume.membership.member(peer) !== undefined
    const peers = [network.self, ...network.peers().filter(isMember)].toSorted()
    const text = peers.join(' ')
    if (this.#last?.text !== text) this.#last = { text, digest: neighbourDigest(peers) }
    return this.#last.digest
  }

  /** Is a sender connected to whom this node is connected to? */
  areThoseOf({ neighbours }: { neighbours?: Uint8Array | undefined }): boolean {
    return neighbours !== undefined && equalBytes(neighbours, this.digest())
  }
}
