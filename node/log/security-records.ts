// Records those events of a volume's log in the security log of a node that concern security:
// roles, removals, policies and tiers, as they become known here; and those that its checkpoints
// show.
import { accountText } from '../../protocol/accounts/describe.ts'
import { tierOfPolicy } from '../../protocol/cold/definition.ts'
import { policyText } from '../../protocol/tree/retention.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { SecurityHead } from '../../protocol/wire/security.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Volume } from './volume.ts'

/** The connection of a swarm to the security logs of this node and of others. */
export interface SwarmSecurity {
  readonly record: RecordSecurity
  /** For beacons. */
  readonly head: () => SecurityHead | undefined
  /** A member's newest beacon. */
  readonly heard: (beacon: Beacon) => void
}

const VALUE_MAX = 200

/** From now on; returns what ends it. */
export function recordVolume(volume: Volume, record: RecordSecurity): () => void {
  const { events, id } = volume
  const unlisten = events.security.add((event) => record({ volume: id, ...event }))
  const unlistenGoverned = events.governed.add((op, by) => {
    const author = authorOf(volume, by)
    const name = author === undefined ? 'unknown' : volume.membership.nameOf(author)
    const said = describe(volume, op, { author, name })
    if (said !== undefined) record({ volume: id, peer: author, ...said })
  })
  return () => {
    unlisten()
    unlistenGoverned()
  }
}

/** The member behind an actor; this node's own is known before its first entry is. */
export function authorOf(
  { actor, actors, identity }: Pick<Volume, 'actor' | 'actors' | 'identity'>,
  by: ActorId,
): PeerId | undefined {
  return by === actor ? identity.peer : actors.get(by)?.peer
}

/** peer of what is told: the author, unless it concerns somebody else. */
function describe(
  volume: Volume,
  op: Op,
  { author, name: by }: { readonly author: PeerId | undefined; readonly name: string },
): Omit<Parameters<RecordSecurity>[0], 'volume'> | undefined {
  const { membership } = volume
  switch (op.kind) {
    case 'member':
      return {
        kind: 'role-given',
        peer: op.peer,
        message: `${membership.nameOf(op.peer)} is ${op.role} now, by ${by}`,
      }
    case 'remove-member':
      return {
        kind: 'member-removed',
        peer: op.peer,
        message:
          op.peer === author ? `${by} left` : `${membership.nameOf(op.peer)} was removed by ${by}`,
      }
    case 'policy': {
      const account = accountText(op, (peer) => membership.nameOf(peer))
      if (account !== undefined) return { kind: 'account-set', message: `${by} ${account}` }
      const tier = tierOfPolicy(op.key)
      const value = op.value.slice(0, VALUE_MAX)
      const more = policyText(op.key, membership.state.retention, volume.time.now())
      const message = `${op.key}=${value}, by ${by}${more}`
      if (tier === undefined) return { kind: 'policy-set', message }
      const what = value === '' ? 'was removed' : `is ${value}`
      return { kind: 'tier-set', message: `cold tier ${tier} ${what}, by ${by}` }
    }
    default:
      return undefined
  }
}
