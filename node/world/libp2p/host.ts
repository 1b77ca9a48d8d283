// How libp2p is set up for Shoal: every option that departs from its default, and why.
import { EventEmitter } from 'node:events'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { createLibp2p } from 'libp2p'
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { SECOND_MS, KIB } from '../../../protocol/units.ts'
import { SystemClock } from '../clock.ts'
import { nearestFirst, worthAnnouncing } from './addresses.ts'
import { LocalDiscovery } from './local-discovery.ts'
import { SilenceWatch } from './silence.ts'
import { membersMuxer } from './strangers-muxer.ts'
import { socketTls } from './tls.ts'
import type { GossipSub } from '@libp2p/gossipsub'
import type { Identify } from '@libp2p/identify'
import type { Libp2p, PeerInfo, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Ping } from '@libp2p/ping'
import type { Multiaddr } from '@multiformats/multiaddr'
import { lookForClosestSeldom, noteProtocolsOnce } from './internals.ts'
import type { LocalDiscoveryComponents } from './local-discovery.ts'
import type { Identity } from '../../../protocol/signed.ts'
import type { SharedPort } from '../bulk/shared-port.ts'
import type { Threshold } from './threshold.ts'
import { peerIdFromCID } from '@libp2p/peer-id'
import { LevelDatastore } from 'datastore-level'
import { CID } from 'multiformats/cid'
import { base32 } from 'multiformats/bases/base32'

/** Protocol id of the distributed hash table. */
const DHT_PROTOCOL = '/shoal/kad/1'

/**
 * A DHT bucket, and so the copies of a provider record: with 8 a provide costs a third of the
 * default 20.
 */
const DHT_BUCKET = 8
const DHT_PARALLEL = 3
const CONNECTIONS_MAX = 300
/** Many nodes may stand behind one address, and all reconnect at once after an outage. */
const CONNECTIONS_PER_SECOND_PER_HOST = 100
const PENDING_CONNECTIONS_MAX = 64
/**
 * Between two looks of gossip at its meshes and what was missed. Each wakes a node, and what it is
 * for is rare: who comes is looked after at once (gossip.ts), and beacons come every ten seconds.
 */
const GOSSIP_LOOK_MS: number = 5 * SECOND_MS

/**
 * One address of a peer may take so long, a few round trips around the world, before the next one
 * is tried.
 */
const ADDRESS_TIMEOUT_MS: number = 4 * SECOND_MS

/** Addresses with their certificate, protocols and tags take about 1 KiB. */
const PEER_BYTES_MAX: number = 16 * KIB

/** The parts of the network; see Libp2pNetwork.create. */
export interface HostOptions {
  readonly identity: Identity
  readonly folder: string
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly mdns: boolean
  readonly threshold: Threshold
  /** The score of a peer for gossip, by its id text; below zero, it is in no mesh. */
  readonly scoreOf: (peer: string) => number
  readonly port: SharedPort
}

export interface Host {
  readonly libp2p: Libp2p<HostServices>
  readonly key: PrivateKey
  readonly store: MembersStore
  /** Says each time that a peer answers on the local network. */
  readonly discovered: EventEmitter<{ peer: [PeerInfo] }>
}

interface HostServices extends Record<string, unknown> {
  identify: Identify
  ping: Ping
  gossip: GossipSub
  dht: KadDHT
  listeners: Listeners
}

type Key = Parameters<LevelDatastore['put']>[0]

/**
 * Libp2p, not started, and its open store. throws ShoalError 'already-running' or 'corrupt' if that
 * does not open.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const { identity, threshold } = options
  const store = await openStore(join(options.folder, 'libp2p'))
  const clock = new SystemClock()
  const silence = new SilenceWatch(clock)
  const discovered = new EventEmitter<{ peer: [PeerInfo] }>()
  const onFound = (peer: PeerInfo): void => void discovered.emit('peer', peer)
  // The public half too, which libp2p would compute in JavaScript.
  const key = privateKeyFromRaw(concatBytes([identity.seed, identity.publicKey]))
  const libp2p = await createLibp2p<HostServices>({
    start: false,
    privateKey: key,
    datastore: store,
    nodeInfo: { name: 'shoal', version: '1', userAgent: 'shoal/1' },
    addresses: {
      listen: [...options.listen],
      appendAnnounce: [...options.announce],
      announceFilter: worthAnnouncing,
    },
    transports: [options.port.transport()],
    connectionEncrypters: [threshold.guard(socketTls()), threshold.guard(noise())],
    streamMuxers: [() => membersMuxer(silence)],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      inboundConnectionThreshold: CONNECTIONS_PER_SECOND_PER_HOST,
      maxIncomingPendingConnections: PENDING_CONNECTIONS_MAX,
      addressSorter: nearestFirst,
      addressDialTimeout: ADDRESS_TIMEOUT_MS,
      reconnectRetries: 0, // who to be connected to is decided above
    },
    connectionMonitor: { enabled: false }, // it asks whether a peer talks or not: SilenceWatch
    connectionGater: threshold.gater,
    // By default the address of a peer is forgotten after an hour. Only members have a place there
    // (MembersStore).
    peerStore: { maxAddressAge: Infinity, maxPeerAge: Infinity },
    services: {
      ...services(options),
      ...(options.mdns && {
        local: (components: LocalDiscoveryComponents) =>
          new LocalDiscovery(components, { clock, onFound }),
      }),
    },
  })
  noteProtocolsOnce(libp2p.peerStore)
  lookForClosestSeldom(libp2p.services.dht)
  return { libp2p, key, store, discovered }
}

async function openStore(folder: string): Promise<MembersStore> {
  const store = new MembersStore(folder)
  try {
    await store.db.open() // store.open() alone would say only that it failed
  } catch (cause) {
    const why = cause instanceof Error ? cause.cause : undefined
    const locked = why instanceof Error && 'code' in why && why.code === 'LEVEL_LOCKED'
    if (locked) throw new ShoalError('already-running', `${folder} is in use`, { cause })
    const message =
      `cannot open ${folder}: ${String(why)}. It only caches addresses of peers: ` +
      'remove it and start again.'
    throw new ShoalError('corrupt', message, { cause })
  }
  await store.open()
  return store
}

function services({ threshold, scoreOf }: HostOptions) {
  const streams = {
    maxInboundStreams: STREAMS_PER_PEER_MAX,
    maxOutboundStreams: STREAMS_PER_PEER_MAX,
  }
  return {
    // Not of strangers: Libp2pNetwork says when.
    identify: identify({ runOnConnectionOpen: false }),
    // One stream a ping: at the default limit of two, concurrent pings would make the connection
    // monitor hang up.
    ping: ping(streams),
    gossip: gossipsub({
      // Messages are sealed and signed by who publishes them, one layer up.
      globalSignaturePolicy: 'StrictNoSign',
      msgIdFn: ({ data }) => blake3(data),
      ignoreDuplicatePublishError: true,
      heartbeatInterval: GOSSIP_LOOK_MS,
      // What is smaller comes sooner than the word that it is not wanted.
      idontwantMinDataSize: 4 * KIB,
      allowPublishToZeroTopicPeers: true,
      // Else more than ten peers behind one address silence each other.
      scoreParams: {
        IPColocationFactorWeight: 0,
        appSpecificScore: scoreOf,
        appSpecificWeight: 1,
        decayInterval: GOSSIP_LOOK_MS,
        behaviourPenaltyDecay: 0.2 ** (GOSSIP_LOOK_MS / SECOND_MS), // as fast as by default
      },
    }),
    dht: kadDHT({
      protocol: DHT_PROTOCOL,
      clientMode: false, // by default only nodes with a public address serve
      // By default private addresses are dropped. Members alone come into the routing table, and
      // are told of.
      peerInfoMapper: (info) =>
        threshold.isMember(info.id.toString()) ? info : { ...info, multiaddrs: [] },
      kBucketSize: DHT_BUCKET,
      alpha: DHT_PARALLEL,
      allowQueryWithZeroPeers: true, // by default queries hang until there is a peer
      // By default what we provide is provided again when it is a day old, ten at a time. Who
      // provides does that, spread over the day; what a long absence has left to kad-dht goes one
      // by one.
      reprovide: { threshold: 0, concurrency: 1 },
    }),
    listeners: (components: ListenerComponents) => new Listeners(components),
  }
}

/** The part of libp2p's components that Listeners needs. */
interface ListenerComponents {
  readonly addressManager: {
    confirmObservedAddr(address: Multiaddr, options: { type: 'transport' }): void
  }
  readonly transportManager: { getAddrs(): Multiaddr[] }
}

/**
 * Vouches for the addresses we listen on: libp2p keeps public ones to itself until a foreign peer
 * has dialled them.
 */
class Listeners {
  readonly #components: ListenerComponents

  constructor(components: ListenerComponents) {
    this.#components = components
  }

  confirm(): void {
    const { addressManager, transportManager } = this.#components
    for (const address of transportManager.getAddrs()) {
      addressManager.confirmObservedAddr(address, { type: 'transport' })
    }
  }
}

/**
 * The peer records that libp2p keeps on disk: members alone, and for each not more than a few
 * addresses take. Whatever else tells of a peer (mDNS, answers in the DHT, who connects) leaves
 * nothing behind.
 */
class MembersStore extends LevelDatastore {
  #isKept: (peer: string) => boolean = () => true

  /** isKept: is a peer, by its id text, one to remember? */
  keepOnly(isKept: (peer: string) => boolean): void {
    this.#isKept = isKept
  }

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    const peer = peerOf(key)
    const isKept = peer === undefined || (this.#isKept(peer) && value.length <= PEER_BYTES_MAX)
    return isKept ? super.put(key, value) : key
  }

  /** Drop the records of peers that are none to remember any more. */
  async sweep(): Promise<void> {
    for await (const key of this.queryKeys({ prefix: '/peers/' })) {
      const peer = peerOf(key)
      if (peer !== undefined && !this.#isKept(peer)) await this.delete(key)
    }
  }
}

/** The peer that a record is about; undefined for records of other kinds. */
function peerOf(key: Key): string | undefined {
  const [, kind, cid] = key.toString().split('/')
  return kind === 'peers' && cid !== undefined
    ? peerIdFromCID(CID.parse(cid, base32)).toString()
    : undefined
}
