// The part of libp2p that bulk connections need: who is connected and how, a stream to ask over.
import { getNetConfig } from '@libp2p/utils'
import { peerIdFromString } from '@libp2p/peer-id'
import { ShoalError } from '../../../protocol/errors.ts'
import {
  BULK_MESSAGE_MAX,
  BULK_PROTOCOL,
  decodeBulkReply,
  encodeBulkRequest,
} from '../../../protocol/wire/bulk.ts'
import { BulkConnections } from '../bulk/bulk-connections.ts'
import { SystemClock } from '../clock.ts'
import { SystemRandom } from '../random.ts'
import { libp2pContext } from './tls.ts'
import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'
import type { SecureContext } from 'node:tls'
import type { PeerId } from '../../../protocol/ids.ts'
import type { BulkReply, BulkRequest } from '../../../protocol/wire/bulk.ts'
import type { BulkHost, Way } from '../bulk/bulk-connections.ts'
import type { InFlight } from '../in-flight.ts'
import type { Network } from '../world.ts'
import type { Threshold } from './threshold.ts'
import type { WriteLog } from '../../observe/log-events.ts'

/** The bulk connections of a node on libp2p. */
export function bulkOver(
  parts: Parts,
  options: { readonly inFlight: InFlight; readonly log: WriteLog },
): BulkConnections {
  const random = new SystemRandom()
  return new BulkConnections({
    ...options,
    host: new Libp2pBulkHost(parts),
    clock: new SystemClock(),
    randomBytes: (length) => random.bytes(length),
  })
}

interface Parts {
  readonly libp2p: Libp2p
  readonly key: PrivateKey
  readonly threshold: Threshold
  readonly network: Pick<Network, 'self' | 'open' | 'peers'>
  readonly onTraffic: (peer: PeerId, bytes: number) => void
}

class Libp2pBulkHost implements BulkHost {
  readonly onTraffic: (peer: PeerId, bytes: number) => void
  readonly #parts: Parts
  #context: Promise<SecureContext> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    this.onTraffic = parts.onTraffic
  }

  get self(): PeerId {
    return this.#parts.network.self
  }

  readonly isWelcome = (peer: PeerId): boolean => {
    const { threshold, network } = this.#parts
    return threshold.isMember(peer) && network.peers().includes(peer)
  }

  readonly wayTo = (peer: PeerId): Way | undefined => {
    const direct = this.#parts.libp2p
      .getConnections(peerIdFromString(peer))
      .filter((connection) => connection.status === 'open' && connection.limits === undefined)
    const ours = direct.filter(({ direction }) => direction === 'outbound').flatMap(placeOf)
    return ours[0] ?? (direct.length > 0 ? 'theirs' : undefined)
  }

  readonly ask = async (
    peer: PeerId,
    request: BulkRequest,
    signal: AbortSignal,
  ): Promise<BulkReply> => {
    const options = { signal, frameMax: BULK_MESSAGE_MAX }
    const channel = await this.#parts.network.open(peer, BULK_PROTOCOL, options)
    try {
      await channel.send([encodeBulkRequest(request)], { signal })
      const frame = await channel.receive({ signal })
      if (frame === undefined) throw new ShoalError('unreachable', `${peer} did not answer`)
      const reply = decodeBulkReply(frame)
      await channel.close()
      return reply
    } catch (error) {
      channel.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** One certificate serves all connections of this process. */
  readonly context = (): Promise<SecureContext> =>
    (this.#context ??= libp2pContext(this.#parts.key))

  readonly onIntruder = (address: string): void => this.#parts.threshold.chargeFor(address)
}

/** The place at which the peer was dialled; none over a relay or another transport. */
function placeOf({ remoteAddr }: Connection): readonly { host: string; port: number }[] {
  const names = remoteAddr.getComponents().map(({ name }) => name)
  if (names[1] !== 'tcp' || names.includes('p2p-circuit')) return []
  const { host, port } = getNetConfig(remoteAddr)
  return port === undefined ? [] : [{ host, port }]
}
