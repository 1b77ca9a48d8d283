// The calls of a node's owner about other nodes.
import { call } from './route.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Role } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'
import type { PeerStatus, StripeCounts } from './status.ts'

export interface PeersApi {
  listPeers(options?: CallOptions): Promise<readonly PeerStatus[]>
  /** Dial a multiaddr, remember it, and say who answered. throws 'unreachable', 'usage'. */
  addPeer(address: string, options?: CallOptions): Promise<PeerStatus>
  /**
   * A member of a volume, a recovery key as well, by the name that it has there. throws
   * 'no-such-peer' naming those that could be meant, 'no-such-volume'.
   */
  memberInfo(peer: string, options?: VolumeCallOptions): Promise<MemberStatus>
  /**
   * Give a member of a volume another name there: this node itself, or any as an admin. It stands
   * until that member's settings name it anew. throws 'no-such-peer', 'EPERM', 'usage' for what is
   * no name, 'EEXIST' for one that may mean another member.
   */
  renamePeer(peer: string, name: string, options?: VolumeCallOptions): Promise<MemberStatus>
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
  /**
   * Tell how the volumes of this node would be without a peer, or without this node itself, as if
   * it were lost now and nothing were repaired yet. cost: O(groups of all volumes). throws
   * 'no-such-peer'.
   */
  peerLoss(peer: string, options?: CallOptions): Promise<readonly LossOfPeer[]>
  /** Round trip in ms, dialling if need be. throws 'no-such-peer', 'unreachable'. */
  pingPeer(peer: string, options?: CallOptions): Promise<number>
}

export const peersRoutes: RoutesOf<PeersApi> = {
  listPeers: call([], () => ({})),
  addPeer: call(['address'], ({ label }) => ({ address: label })),
  memberInfo: call(['peer'], ({ label, volume }) => ({ peer: label, volume })),
  renamePeer: call(['peer', 'name'], ({ label, volume }) => ({
    peer: label,
    name: label,
    volume,
  })),
  removePeer: call(['peer'], ({ label, volume, flag }) => ({ peer: label, volume, now: flag })),
  peerLoss: call(['peer'], ({ label }) => ({ peer: label })),
  peerInfo: call(['peer'], ({ label }) => ({ peer: label })),
  pingPeer: call(['peer'], ({ label }) => ({ peer: label })),
}

/** A volume as it would be without one peer. */
export interface LossOfPeer {
  readonly volume: string
  readonly stripes: StripeCounts
  /** Stripes that would be read from a cold tier alone. */
  readonly coldOnly: number
  /** How many more peers (failure domains) might be lost then. */
  readonly tolerates: number
  /** Bytes of shards that others would make anew. */
  readonly repairBytes: number
  /** Written on that peer and nowhere else yet; undefined: not known here. */
  readonly unplacedBytes: number | undefined
  /** Nobody else has its log, so that names and small files would be gone. */
  readonly isOnlyCopy: boolean
}

/** A member of one volume, as whoever removes it is told of it. */
export interface MemberStatus {
  readonly id: PeerId
  readonly name: string
  readonly role: Role
  readonly volume: string
  /** When it was last heard; undefined: never. */
  readonly lastSeenMs?: WallTime | undefined
  /** The shards that it holds of the volume, according to its log. */
  readonly shards: number
  readonly shardBytes: number
}
