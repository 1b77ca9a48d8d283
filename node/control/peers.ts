// The calls of a node's owner about other nodes.
import { call } from './route.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'
import type { PeerStatus } from './status.ts'

export interface PeersApi {
  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]>
  /** Dial a multiaddr, remember it, and say who answered. throws 'unreachable', 'usage'. */
  addPeer(address: string, options?: CallOptions): Promise<PeerStatus>
  /**
   * Take a peer's membership of a volume away (a new key epoch for those who remain), and its vote;
   * after it has given its shards away, which may take long, or at once. To break off leaves it a
   * member.
   * throws 'no-such-peer', 'EPERM', 'not-placed' if stripes would be lost; 'NO_QUORUM' if it is
   * removed, but the voters cannot decide that it is none of them.
   */
  removePeer(
    peer: string,
    options?: VolumeCallOptions & { readonly now?: boolean | undefined },
  ): Promise<void>
  /** throws 'no-such-peer'. */
  peerInfo(peer: string, options?: CallOptions): Promise<PeerStatus>
  /** Round trip in ms, dialling if need be. throws 'no-such-peer', 'unreachable'. */
  pingPeer(peer: string, options?: CallOptions): Promise<number>
}

export const peersRoutes: RoutesOf<PeersApi> = {
  listPeers: call([], () => ({})),
  addPeer: call(['address'], ({ label }) => ({ address: label })),
  removePeer: call(['peer'], ({ label, volume, flag }) => ({ peer: label, volume, now: flag })),
  peerInfo: call(['peer'], ({ label }) => ({ peer: label })),
  pingPeer: call(['peer'], ({ label }) => ({ peer: label })),
}
