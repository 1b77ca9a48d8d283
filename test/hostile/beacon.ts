// The beacons of a hostile member: without its word, what others write is never known to all.
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import { logDigest } from '../../protocol/wire/gossip.ts'
import type { Beacon, GossipMessage } from '../../protocol/wire/gossip.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { HostileMember } from './hostile-member.ts'
import { pause } from './raw-peer.ts'

const BEACON_MS = 1000

/** Says that it holds all that it holds, or what the fields say. */
export function beaconOf(
  { identity, volume, clock }: HostileMember,
  fields: Partial<Beacon> = {},
): GossipMessage {
  const { vector, hlc } = volume.durableClaim()
  const beacon = {
    peer: identity.peer,
    sentMs: clock.wall(),
    vector,
    digest: logDigest(vector, volume.replica.ancestry.hashAt),
    hlc,
    cut: HLC_ZERO,
    root: undefined,
    freeBytes: 1,
    addresses: [],
    ...fields,
  }
  return { kind: 'beacon', beacon }
}

/** Meanwhile it takes all that a node has, and confirms it, as an honest member does. */
export async function confirming<Value>(
  member: HostileMember,
  node: TestNode,
  work: Promise<Value>,
): Promise<Value> {
  let isOver = false
  const done = work.finally(() => (isOver = true))
  while (!isOver) {
    await member.fetch(node)
    await member.gossip(beaconOf(member))
    await Promise.race([done.catch(() => undefined), pause(BEACON_MS)])
  }
  return done
}
