// The owner's calls about other nodes: who they are, and that they are members no more.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { PeersApi } from '../control/peers.ts'
import type { PeerStatus } from '../control/status.ts'
import { describeMember, describePeer, viewPeers } from './describe.ts'
import { findMember, findPeer } from './find-peer.ts'
import type { NodeParts } from './parts.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { drainPolicy } from '../volume/volume-stripe-map.ts'
import { graceMsOf } from '../log/settings.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { Drain } from '../repair/drain.ts'

const DIAL_MS = 10_000
/** How often it is looked how far a peer is with giving away. */
const LOOK_MS: number = SECOND_MS / 4
/** The time for shards that no peer accepts to find a taker, while others come to know of it. */
const STUCK_MS: number = 3 * SECOND_MS

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
      mark(named, peer, false)
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

    pingPeer: async (peer, { signal } = {}) =>
      roundTrips.ping(find(peer), { signal: clock.timeout(DIAL_MS, signal) }),
  }
}

/**
 * Resolves when the peer holds nothing that another could hold instead, and all can be read without
 * it. It is marked so that it gets nothing more; not any more if this fails.
 * throws ShoalError 'not-placed' if stripes would be lost, or the peer can't give its shards away
 * now.
 */
/**
 * Before a member is removed it gives away what it holds. Who can't be heard gives nothing: it is
 * removed all the same if it is gone, and every stripe can be read without it; the others then
 * make its shards anew.
 */
async function drain(
  parts: NodeParts,
  named: NamedVolume,
  peer: PeerId,
  signal: AbortSignal,
): Promise<void> {
  const { hosted, upkeep, detector, world } = parts
  const { volume } = named
  const localPinning = upkeep.of(hosted.of(named))
  const name = volume.membership.nameOf(peer)
  const before = localPinning.drainOf(peer)
  if (before.left === 0) return
  const state = (): string => detector.liveness(peer, graceMsOf(volume))
  if (state() === 'gone' && before.lost === 0) return
  if (state() !== 'online') throw isAway(name, before)
  mark(named, peer, true)
  await volume.commit()
  try {
    for (let stuckMs = 0; stuckMs < STUCK_MS;) {
      const { left, stuck, lost } = localPinning.drainOf(peer)
      if (left === 0) return
      if (state() !== 'online') throw isAway(name, { left, stuck, lost })
      stuckMs = stuck === left ? stuckMs + LOOK_MS : 0
      await world.clock.sleep(LOOK_MS, { signal })
    }
    const { lost } = localPinning.drainOf(peer)
    if (lost > 0) throw wouldLose(name, lost)
  } catch (error) {
    mark(named, peer, false)
    await volume.commit()
    throw error
  }
}

/** Say whether a member gives its shards away. Durable with the volume's next commit. */
function mark({ volume }: NamedVolume, peer: PeerId, isDraining: boolean): void {
  const key = drainPolicy(peer)
  if (isDraining === (volume.membership.policy(key) === '1')) return
  volume.submit({ kind: 'policy', key, value: isDraining ? '1' : '0' })
}

function isAway(name: string, { left, lost }: Drain): ShoalError {
  if (lost > 0) return wouldLose(name, lost)
  return new ShoalError(
    'not-placed',
    `${name} holds ${left} shards and is offline, so it cannot move them; start it, or remove it with --now: ` +
      'what it holds is then made anew from the other shards',
  )
}

function wouldLose(name: string, lost: number): ShoalError {
  return new ShoalError(
    'not-placed',
    `${lost} stripes cannot be read without ${name}, and no other node can take its shards; ` +
      'start or add other nodes first ' +
      '(see shoal status), or remove it with --now and lose what is in them',
  )
}
