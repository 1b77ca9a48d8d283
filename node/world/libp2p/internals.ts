// The internals of libp2p's services that Shoal needs beyond their interfaces, of the versions that
// package.json pins: who may be heard and told on a topic, and what others make us do in the DHT.
// That it is there is checked as the network is created.
import { LRUCache } from 'lru-cache'
import { assert } from '../../../protocol/errors.ts'
import { KIB, MINUTE_MS } from '../../../protocol/units.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Peer, PeerDiscovery, PeerId, PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

/** Peers and protocols that are remembered as noted. */
const NOTED_MAX = 1024

const CLOSEST_EVERY_MS: number = MINUTE_MS

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
  heartbeat: () => Promise<void>
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
    parts.heartbeat,
  ]
  const areThere = functions.every((each) => typeof each === 'function')
  assert(areThere && parts.topics instanceof Map && parts.mesh instanceof Map, 'a known gossipsub')
  return parts
}

/** Multicast DNS while it runs. */
export interface Multicast {
  on: (event: 'query', heard: (packet: { questions: readonly Question[] }) => void) => void
  query: (packet: { questions: readonly Question[] }) => void
}

interface Question {
  readonly name: string
  readonly type: string
}

export function multicastOf(discovery: PeerDiscovery): Multicast {
  const { mdns } = discovery as unknown as { readonly mdns?: Multicast }
  assert(typeof mdns?.query === 'function' && typeof mdns.on === 'function', 'a known mdns')
  return mdns
}

export function dhtParts(dht: KadDHT): DhtParts {
  const { rpc } = dht as unknown as { readonly rpc?: DhtParts }
  assert(typeof rpc?.handleMessage === 'function', 'a known kad-dht')
  return rpc
}

/**
 * Have kad-dht look for the closest peers, which libp2p is to dial again, once a minute, not every
 * five seconds: each look goes through all of them, and Shoal dials its members itself. Call it
 * before the DHT starts.
 */
export function lookForClosestSeldom(dht: KadDHT): void {
  const { routingTable } = dht as unknown as {
    readonly routingTable?: { readonly closestPeerTagger?: { refreshInterval: number } }
  }
  const tagger = routingTable?.closestPeerTagger
  assert(typeof tagger?.refreshInterval === 'number', 'a known kad-dht')
  tagger.refreshInterval = CLOSEST_EVERY_MS
}

/**
 * Have the protocol of a stream noted in the peer store once, not for each stream: both ends wait
 * for that, a read and a write of the disk, before a stream can be used.
 */
export function noteProtocolsOnce(store: PeerStore): void {
  const merge = store.merge.bind(store)
  const noted = new LRUCache<string, Peer>({ max: NOTED_MAX })
  store.merge = async (id, data, options) => {
    const [protocol, ...others] = data.protocols ?? []
    const isNote = protocol !== undefined && others.length === 0 && Object.keys(data).length === 1
    if (!isNote) return merge(id, data, options)
    const key = `${id.toString()} ${protocol}`
    const before = noted.get(key)
    if (before !== undefined) return before
    const peer = await merge(id, data, options)
    noted.set(key, peer)
    return peer
  }
}

/** The parts of YamuxMuxer and YamuxStream that are used here. */
interface MuxerParts {
  _newStream: (id: number, state: number, direction: 'inbound' | 'outbound') => StreamParts
}
interface StreamParts {
  readonly state: number
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/** The state of a YamuxStream in which its window need not be told of each time. */
const STATE_ESTABLISHED = 3
/** Read, and not told of yet: little beside the smallest window, much beside gossip. */
const UNTOLD_MAX: number = 64 * KIB

/**
 * Have the streams of a muxer tell that their window is open again once that is of use to the
 * sender. By default each message that comes makes one of 12 bytes, which wakes the sender.
 */
export function sparingWindowUpdates(muxer: unknown): void {
  const parts = muxer as MuxerParts
  assert(typeof parts._newStream === 'function', 'a known yamux')
  const newStream = parts._newStream.bind(muxer)
  parts._newStream = (id, state, direction) => {
    const stream = newStream(id, state, direction)
    const send = stream.sendWindowUpdate.bind(stream)
    stream.sendWindowUpdate = () => {
      const untold = stream.recvWindow - stream.recvWindowCapacity
      const isEstablished = stream.state === STATE_ESTABLISHED
      if (!isEstablished || untold === 0 || untold >= UNTOLD_MAX) send()
    }
    return stream
  }
}
