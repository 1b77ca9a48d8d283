// The owner's calls about other nodes: who they are, and that they are members no more.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { PeersApi } from '../control/peers.ts'
import type { PeerStatus } from '../control/status.ts'
import { describeMember, describePeer, viewPeers } from './describe.ts'
import { describeLossOf } from './loss-of-peer.ts'
import { findMember, findPeer } from './find-peer.ts'
import type { NodeParts } from './parts.ts'
import { drain, markDraining } from './draining.ts'

const DIAL_MS = 10_000

export function peersApi(parts: NodeParts): PeersApi {
  const { world, volumes, swarm, hosted, roundTrips, until } = parts
  const { clock, network } = world
  const find = (text: string): PeerId => findPeer(text, swarm.members(), volumes)
  const describe = (peer: PeerId): Promise<PeerStatus> => describePeer(parts, peer)
  return {
    async listPeers() {
      await roundTrips.refresh()
      const view = viewPeers(parts)
      return Promise.all(swarm.members().map((peer) => describePeer(parts, peer, view)))
    },

    async addPeer(address, { signal } = {}) {
      if (!address.startsWith('/')) {
        throw new ShoalError(
          'usage',
          `"${address}" is not an address; write /ip4/192.168.1.7/tcp/4100/p2p/12D3Koo...`,
        )
      }
      const peer = await network.dial([address], { signal: clock.timeout(DIAL_MS, signal) })
      await network.learn(peer, [address.includes('/p2p/') ? address : `${address}/p2p/${peer}`])
      return describe(peer)
    },

    async memberInfo(text, { volume } = {}) {
      const named = volumes.find(volume)
      return describeMember(parts, named, findMember(text, named))
    },

    async renamePeer(text, name, { volume } = {}) {
      const named = volumes.find(volume)
      const member = findMember(text, named)
      const isSelf = member.peer === world.network.self
      if (!isSelf) volumes.checkAdmin(named.volume)
      await volumes.introductions.rename(named.volume, member, name)
      return describeMember(parts, named, findMember(member.peer, named))
    },

    async removePeer(text, { volume, now = false, signal } = {}) {
      const named = volumes.find(volume)
      const { peer } = findMember(text, named)
      volumes.checkRemovable(named.volume, peer)
      if (!now) await drain(parts, named, peer, until(signal))
      const { strong } = hosted.of(named)
      // If nobody was named the creator decides, which matters to few: one that is gone need not be
      // asked.
      const isAsked = strong.areVotersNamed || network.peers().includes(peer)
      const decided = isAsked ? strong.withoutVoter(peer, until(signal)) : undefined
      const [vote] = await Promise.allSettled([decided])
      await markDraining(parts, named, peer, false)
      await volumes.remove(named.volume, peer)
      if (vote.status === 'fulfilled') return
      const { code, message } = asShoalError(vote.reason)
      throw new ShoalError(
        code,
        `${text} is no longer a member, but still counts as a voter (${message}); ` +
          `once a majority can be reached, name the others: shoal volume set ${named.name} voters=...`,
      )
    },

    async peerInfo(peer) {
      await roundTrips.refresh()
      return describe(find(peer))
    },

    peerLoss: async (peer) =>
      describeLossOf(parts, peer === network.self ? network.self : find(peer)),

    pingPeer: async (peer, { signal } = {}) =>
      roundTrips.ping(find(peer), { signal: clock.timeout(DIAL_MS, signal) }),
  }
}
