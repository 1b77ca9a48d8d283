// Decides who may come in, and as what, once for each connection, before a stream is opened on it.
// Members get all of libp2p; strangers a connection on which nothing but the protocols for
// strangers can be chosen (strangers-muxer.ts), few at a time, and few tries a minute of one
// address; all others none. Nobody is dialled who is no member. A handshake is needed to know who
// somebody is: those that find no member are paid for by their address.
import { multiaddr } from '@multiformats/multiaddr'
import { toHex } from '../../../protocol/bytes.ts'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { parsePeerId } from '../../../protocol/ids.ts'
import { STRANGERS_MAX, STRANGERS_PER_ADDRESS_MAX } from '../../../protocol/limits.ts'
import type { Instant } from '../../../protocol/units.ts'
import { TokenBucket } from '../token-bucket.ts'
import { isOfMachine } from './addresses.ts'
import { strangersMuxer } from './strangers-muxer.ts'
import type {
  ConnectionEncrypter,
  ConnectionGater,
  MessageStream,
  MultiaddrConnection,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Standing } from '../world.ts'
import type { WriteLog } from '../../observe/log-events.ts'

/**
 * Handshakes with one address that failed, or found no member. Many machines may stand behind one.
 */
const HANDSHAKES = { perSecond: 1, burst: 60 }
/** In handshake at a time, of one address: of PENDING_CONNECTIONS_MAX in all. */
const PENDING_PER_ADDRESS_MAX = 16
const ADDRESSES_MAX = 4096

export interface ThresholdComponents {
  readonly self: PeerId
  readonly log: WriteLog
  /** Protocols that strangers may choose. */
  readonly forStrangers: () => readonly string[]
}

export class Threshold {
  readonly #c: ThresholdComponents
  #standing: (peer: PeerId) => Standing = () => 'member'
  /** By address, who was charged last last. */
  readonly #handshakes = new Map<string, TokenBucket>()
  /** Connections in handshake with their addresses, and those of strangers. */
  readonly #pending = new Map<MessageStream, string>()
  readonly #strangers = new Map<MessageStream, string>()

  constructor(components: ThresholdComponents) {
    this.#c = components
  }

  setStanding(standing: (peer: PeerId) => Standing): void {
    this.#standing = standing
  }

  /** How the peer of this id text stands. Who cannot be told is nobody. */
  standing(text: string): Standing {
    try {
      return this.#standing(parsePeerId(text))
    } catch (error) {
      this.#c.log('network.peer-refused', { peer: text, reason: asShoalError(error).message })
      return 'nobody'
    }
  }

  /** A member, or this node. */
  isMember(text: string): boolean {
    return text === this.#c.self || this.standing(text) === 'member'
  }

  get gater(): ConnectionGater {
    const isNoMember = (peer: { toString: () => string }): boolean =>
      !this.isMember(peer.toString())
    return {
      denyDialPeer: isNoMember,
      denyDialMultiaddr: (address) => !isOfMachine(address),
      denyOutboundEncryptedConnection: isNoMember,
      denyInboundConnection: (connection) => !this.#mayKnock(connection),
    }
  }

  /** The same encrypter, which knows at its end who is there, and lets in whom it may. */
  guard<Components>(
    make: (components: Components) => ConnectionEncrypter,
  ): (components: Components) => ConnectionEncrypter {
    return (components) => {
      const inner = make(components)
      return {
        protocol: inner.protocol,
        secureOutbound: (connection, options) => inner.secureOutbound(connection, options),
        secureInbound: (connection, options) => this.#secure(inner, connection, options),
      }
    }
  }

  async #secure(
    inner: ConnectionEncrypter,
    connection: MessageStream,
    options: SecureConnectionOptions | undefined,
  ): Promise<SecuredConnection> {
    const address = this.#pending.get(connection) ?? ''
    const secured = await inner.secureInbound(connection, options).catch((error: unknown) => {
      this.#charge(address)
      throw error
    })
    this.#pending.delete(connection)
    const peer = secured.remotePeer.toString()
    const standing = this.standing(peer)
    if (standing === 'member') return secured
    this.#charge(address)
    try {
      return this.#admit(secured, standing, address)
    } catch (error) {
      const failure = asShoalError(error)
      this.#c.log('network.connection-refused', { peer, address, reason: failure.message })
      secured.connection.abort(failure)
      throw failure
    }
  }

  #admit(secured: SecuredConnection, standing: Standing, address: string): SecuredConnection {
    const refused = (why: string): ShoalError => new ShoalError('unreachable', why)
    if (standing === 'nobody') throw refused('it is no member')
    const { connection, streamMuxer } = secured
    // A muxer agreed on after the handshake is libp2p's choice, which would take any muxer for any
    // peer.
    if (streamMuxer === undefined) throw refused('it chose no muxer in the handshake')
    const ofAddress = [...this.#strangers.values()].filter((other) => other === address)
    if (this.#strangers.size >= STRANGERS_MAX || ofAddress.length >= STRANGERS_PER_ADDRESS_MAX)
      throw refused('there are too many strangers')
    this.#strangers.set(connection, address)
    connection.addEventListener('close', () => this.#strangers.delete(connection))
    return { ...secured, streamMuxer: strangersMuxer(this.#c.forStrangers) }
  }

  /** A connection at this address came to nothing: it has one try less. */
  chargeFor(address: string): void {
    this.#charge(addressOf(addressOfText(address)))
  }

  /** May somebody at this address begin a handshake? */
  #mayKnock(connection: MultiaddrConnection): boolean {
    const address = addressOf(connection.remoteAddr)
    const others = [...this.#pending.values()].filter((other) => other === address)
    const tries = this.#handshakes.get(address)
    if (others.length >= PENDING_PER_ADDRESS_MAX || tries?.has(1, now()) === false) return false
    this.#pending.set(connection, address)
    connection.addEventListener('close', () => this.#pending.delete(connection))
    return true
  }

  #charge(address: string): void {
    const bucket = this.#handshakes.get(address) ?? new TokenBucket(HANDSHAKES, now())
    bucket.spend(1, now())
    this.#handshakes.delete(address)
    this.#handshakes.set(address, bucket)
    const [oldest] = this.#handshakes.keys()
    if (this.#handshakes.size > ADDRESSES_MAX && oldest !== undefined)
      this.#handshakes.delete(oldest)
  }
}

/**
 * The unit that stands for the machines that somebody may have at once: an address of IPv4, a
 * network (/64) of IPv6.
 */
export function addressOf({ bytes }: Multiaddr): string {
  // A code in one byte (ip4: 4, ip6: 41), then the address.
  const isIp6 = bytes[0] === 41
  const isMapped = isIp6 && toHex(bytes.subarray(1, 13)) === '00000000000000000000ffff'
  if (isMapped) return toHex(bytes.subarray(13, 17))
  return toHex(isIp6 ? bytes.subarray(1, 9) : bytes.subarray(1, 5))
}

function addressOfText(address: string): Multiaddr {
  return multiaddr(`/${address.includes(':') ? 'ip6' : 'ip4'}/${address}`)
}

function now(): Instant {
  return performance.now() as Instant
}
