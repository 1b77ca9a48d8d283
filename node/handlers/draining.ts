// A member gives its shards away before it goes: removed by another (peers.ts), or by its own will
// (leaving.ts).
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { graceMsOf } from '../log/settings.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { Drain } from '../repair/drain.ts'
import { drainPolicy } from '../volume/volume-stripe-map.ts'
import type { NodeParts } from './parts.ts'

/** How often it is looked how far a peer is with giving away. */
const LOOK_MS: number = SECOND_MS / 4
/** The time for shards that no peer accepts to find a taker, while others come to know of it. */
const STUCK_MS: number = 3 * SECOND_MS

/**
 * Before a member goes it gives away what it holds. Resolves when it holds nothing that another
 * could hold instead, and all can be read without it. It is marked so that it gets nothing more;
 * not any more if this fails. Who can't be heard gives nothing: it may go all the same if it is
 * gone, and every stripe can be read without it; the others then make its shards anew.
 * throws ShoalError 'not-placed' if stripes would be lost, or the peer can't give its shards away
 * now.
 */
export async function drain(
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
  const isSelf = peer === world.network.self
  const state = (): string => (isSelf ? 'online' : detector.liveness(peer, graceMsOf(volume)))
  if (state() === 'gone' && before.lost === 0) return
  if (state() !== 'online') throw isAway(name, before)
  await markDraining(parts, named, peer, true)
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
    await markDraining(parts, named, peer, false)
    throw error
  }
}

/**
 * Say whether a member gives its shards away: of another a policy, as an admin; of this node itself
 * that it offers no room, as each may.
 */
export async function markDraining(
  { volumes, world }: Pick<NodeParts, 'volumes' | 'world'>,
  { volume }: NamedVolume,
  peer: PeerId,
  isDraining: boolean,
): Promise<void> {
  const key = drainPolicy(peer)
  if (peer === world.network.self) return volumes.introductions.setLeaving(volume, isDraining)
  if (isDraining === (volume.membership.policy(key) === '1')) return
  volume.submit({ kind: 'policy', key, value: isDraining ? '1' : '0' })
  await volume.commit()
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
