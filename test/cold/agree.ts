// The owners of all nodes of a cluster agree to a cold tier that one of them told the volume of.
import { eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'

export async function agreeTo(tier: string, nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes)
    await eventually(`${node.name} has heard of ${tier}`, async () => {
      const { code } = await node.run('cold', 'trust', tier, '--yes')
      return code === 0
    })
}
