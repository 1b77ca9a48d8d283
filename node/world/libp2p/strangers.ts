// Connections of strangers, which end when their peer becomes a member, so that it connects anew as
// what it is.
import { peerIdFromString } from '@libp2p/peer-id'
import { SECOND_MS } from '../../../protocol/units.ts'
import { STRANGERS_MUXER } from './strangers-muxer.ts'
import type { Connection, Libp2p } from '@libp2p/interface'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Threshold } from './threshold.ts'

/** A stranger that became a member hangs up once its ticket is answered; else this node does. */
const PROMOTED_MS: number = 5 * SECOND_MS

export function isOfStranger({ multiplexer }: Connection): boolean {
  return multiplexer === STRANGERS_MUXER
}

/** Connections that end soon. */
const promoted = new WeakSet<Connection>()

/** Makes a new member connect anew; messages under way to it may still end. */
export function promote(connection: Connection): void {
  const end = (): void => connection.abort(new Error('it is a member by now'))
  if (connection.streams.length === 0) return end()
  if (promoted.has(connection)) return
  promoted.add(connection)
  setTimeout(end, PROMOTED_MS).unref()
}

/**
 * A member that came as a stranger is connected anew: once it has its answer, which may be under
 * way.
 */
export function dropStranger(libp2p: Libp2p, threshold: Threshold, peer: PeerId): void {
  if (!threshold.isMember(peer)) return
  for (const connection of libp2p.getConnections(peerIdFromString(peer)))
    if (isOfStranger(connection)) promote(connection)
}
