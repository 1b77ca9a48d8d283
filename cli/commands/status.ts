// `shoal status`: the node, its peers, volumes and mounts at a glance.
import { formatBytes, formatDuration, printable, table } from '../output.ts'
import { peerTable } from './peer.ts'
import { volumeTable } from './volume.ts'
import type { Command } from 'commander'
import type { NodeStatus } from '../../node/control/api.ts'
import type { Context } from '../context.ts'

export function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('show the running node, its peers, volumes and mounts')
    .addHelpText('after', '\nExample:\n  shoal status --json | jq .volumes[].tolerates')
    .action(async () => {
      const status = await context.client.status()
      context.print(status, () => describe(status))
    })
}

function describe({ node, peers, volumes, mounts }: NodeStatus): string {
  const rows = [
    [
      'Node',
      `${printable(node.name)}, up for ${formatDuration(Date.now() - node.startedMs)}, process ${node.pid}`,
    ],
    ['Id', node.id],
    ['Home', node.home],
    ['Store', `${formatBytes(node.usedBytes)} used, ${formatBytes(node.freeBytes)} free`],
    ...node.addresses.map((address) => ['Address', address]),
    ...mounts.map(({ folder, volume, readOnly }) => [
      'Mount',
      `${folder} (${volume}${readOnly ? ', read-only' : ''})`,
    ]),
  ]
  return [table(rows), 'Volumes', volumeTable(volumes), 'Peers', peerTable(peers)].join('\n\n')
}
