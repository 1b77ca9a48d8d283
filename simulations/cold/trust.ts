// The decisions of machine owners on a cold tier that their volume announces.
import { SECOND_MS } from '../../protocol/units.ts'
import type { ClusterNode } from '../cluster.ts'
import type { Tier } from '../../node/control/cold.ts'
import type { Clock } from '../../node/world/world.ts'

/** The owner of each node agrees to a tier, as soon as the node has heard of it. */
export async function agreeTo(
  tier: Tier,
  nodes: readonly ClusterNode[],
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  for (const node of nodes) {
    for (;;) {
      const tiers = await node.ask((api) => api.listTiers())
      const known = tiers.find(({ name }) => name === tier.name)
      if (known?.isAgreed === true) break
      if (known === undefined) await clock.sleep(SECOND_MS)
      else await node.ask((api) => api.trustTier(tier))
    }
  }
}
