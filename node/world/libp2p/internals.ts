// The internals of libp2p's services that Shoal needs beyond their interfaces, of the versions that
// package.json pins: who may be heard and told on a topic, and what others make us do in the DHT.
// That it is there is checked as the network is created.
import { assert } from '../../../protocol/errors.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

/** Bytes as they come from a stream. */
type Bytes = { readonly byteLength: number }

interface Graft {
  readonly topicID?: string
}

export interface GossipParts {
  /** By topic the peers that said they want it, and those that messages are passed on to. */
  readonly topics: Map<string, Set<string>>
  readonly mesh: Map<string, Set<string>>
  handleReceivedSubscription: (from: PeerId, topic: string, subscribe: boolean) => boolean
  handleGraft: (from: string, grafts: readonly Graft[]) => Promise<unknown>
  handleReceivedMessage: (from: PeerId, message: { readonly topic: string }) => Promise<void>
  pipePeerReadStream: (from: PeerId, source: AsyncIterable<Bytes>) => Promise<void>
}

/** A message of Kademlia. */
export interface DhtMessage {
  readonly type: string
  providers: readonly { multiaddrs: readonly Uint8Array[] }[]
}

export interface DhtParts {
  handleMessage: (from: PeerId, message: DhtMessage) => Promise<unknown>
}

export function gossipParts(gossip: GossipSub): GossipParts {
  const parts = gossip as unknown as GossipParts
  const functions = [
    parts.handleReceivedSubscription,
    parts.handleGraft,
    parts.handleReceivedMessage,
    parts.pipePeerReadStream,
  ]
  const areThere = functions.every((each) => typeof each === 'function')
  assert(areThere && parts.topics instanceof Map && parts.mesh instanceof Map, 'a known gossipsub')
  return parts
}

export function dhtParts(dht: KadDHT): DhtParts {
  const { rpc } = dht as unknown as { readonly rpc?: DhtParts }
  assert(typeof rpc?.handleMessage === 'function', 'a known kad-dht')
  return rpc
}
