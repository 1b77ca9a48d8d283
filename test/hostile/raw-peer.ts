// A peer of another make: libp2p as it comes, with its services, under any identity. What it says
// is what libp2p says, and below the streams of a connection any bytes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { blake3 } from '../../protocol/hash.ts'
import { eventually } from '../cluster/cluster.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Identify } from '@libp2p/identify'
import type { KadDHT } from '@libp2p/kad-dht'
import type {
  Connection,
  Libp2p,
  MessageStream,
  Stream,
  StreamMuxerFactory,
} from '@libp2p/interface'
import type { Ping } from '@libp2p/ping'
import type { Libp2pOptions } from 'libp2p'
import type { TestNode } from '../cluster/cluster.ts'

const PATIENCE_MS = 30_000
/** A stream that was refused is reset by then. */
const RESET_MS = 400

export const DHT_PROTOCOL = '/shoal/kad/1'
export const LIBP2P_PROTOCOLS: readonly string[] = [
  '/ipfs/id/1.0.0',
  '/ipfs/ping/1.0.0',
  '/meshsub/1.2.0',
  '/meshsub/1.1.0',
  DHT_PROTOCOL,
]

interface Services extends Record<string, unknown> {
  identify: Identify
  ping: Ping
  gossip: GossipSub
  dht: KadDHT
}

export interface RawPeerOptions {
  /** The seed of its key; a new one if left out. */
  readonly seed?: Uint8Array
  /** It is found by nobody and finds nobody, and asks nothing by itself. */
  readonly isQuiet?: boolean
  /** It announces itself on the local network, as nodes do. */
  readonly mdns?: boolean
}

export class RawPeer implements AsyncDisposable {
  readonly libp2p: Libp2p
  /** Below its streams, of each connection in the order in which they came. */
  readonly bare: readonly MessageStream[]

  private constructor(libp2p: Libp2p, bare: readonly MessageStream[]) {
    this.libp2p = libp2p
    this.bare = bare
  }

  static async start({
    seed = randomBytes(32),
    isQuiet = false,
    mdns: announces = false,
  }: RawPeerOptions = {}): Promise<RawPeer> {
    const bare: MessageStream[] = []
    const inner = yamux()()
    const muxer: StreamMuxerFactory = {
      protocol: inner.protocol,
      createStreamMuxer(connection) {
        bare.push(connection)
        return inner.createStreamMuxer(connection)
      },
    }
    const options: Libp2pOptions = {
      privateKey: await generateKeyPairFromSeed('Ed25519', seed),
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [tls(), noise()],
      streamMuxers: [() => muxer],
      peerDiscovery: announces ? [mdns({ serviceTag: '_shoal._udp.local' })] : [],
      connectionMonitor: { enabled: false },
      connectionManager: { inboundConnectionThreshold: 1000, reconnectRetries: 0 },
    }
    const libp2p = isQuiet
      ? await createLibp2p(options)
      : await createLibp2p<Services>({ ...options, services: services() })
    return new RawPeer(libp2p, bare)
  }

  get id(): PeerId {
    return this.libp2p.peerId.toString() as PeerId
  }

  get gossip(): GossipSub {
    return (this.libp2p as Libp2p<Services>).services.gossip
  }

  get dht(): KadDHT {
    return (this.libp2p as Libp2p<Services>).services.dht
  }

  /** Connect anew to a running node. throws if it does not let this peer in. */
  async dial(victim: TestNode): Promise<Connection> {
    const { addresses } = (await victim.status()).node
    let connection: Connection | undefined
    // After many failed handshakes a node lets in one of an address in a second.
    await eventually(`${victim.name} lets it in`, async () => {
      connection = await this.dialAt(addresses).catch(() => undefined)
      return connection !== undefined
    })
    assert.ok(connection !== undefined)
    return connection
  }

  dialAt(addresses: readonly string[]): Promise<Connection> {
    return this.libp2p.dial(
      addresses.map((address) => multiaddr(address)),
      { signal: AbortSignal.timeout(PATIENCE_MS), force: true },
    )
  }

  /** Is it let in, for as long as one would need to say something? */
  async isLetIn(addresses: readonly string[]): Promise<boolean> {
    try {
      const connection = await this.dialAt(addresses)
      await pause(RESET_MS)
      const isOpen = connection.status === 'open'
      connection.abort(new Error('seen'))
      return isOpen
    } catch {
      return false
    }
  }

  async open(connection: Connection, protocol: string): Promise<Stream> {
    return connection.newStream(protocol, { signal: AbortSignal.timeout(PATIENCE_MS) })
  }

  /** Is there anything behind a protocol for this peer? */
  async isServed(connection: Connection, protocol: string): Promise<boolean> {
    try {
      const stream = await this.open(connection, protocol)
      await pause(RESET_MS)
      const isOpen = stream.status === 'open'
      stream.abort(new Error('seen'))
      return isOpen
    } catch {
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.libp2p.stop()
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function services() {
  return {
    identify: identify(),
    ping: ping(),
    gossip: gossipsub({
      globalSignaturePolicy: 'StrictNoSign',
      msgIdFn: ({ data }) => blake3(data),
      allowPublishToZeroTopicPeers: true,
      scoreParams: { IPColocationFactorWeight: 0 },
    }),
    dht: kadDHT({
      protocol: DHT_PROTOCOL,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      allowQueryWithZeroPeers: true,
    }),
  }
}
