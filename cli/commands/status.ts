// `shoal status`: the node, its peers, volumes and mounts at a glance.
import { formatBytes, formatDuration, formatTime, printable, table } from '../output.ts'
import { peerTable } from './peer.ts'
import { volumeTable } from './volume.ts'
import type { Command } from 'commander'
import type { NodeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

type Notice = NodeStatus['notices'][number]
type Cache = NodeStatus['node']['cache']

export function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('show the running node, its peers, volumes and mounts')
    .addHelpText('after', '\nExample:\n  shoal status --json | jq .volumes[].tolerates')
    .action(async () => {
      const status = await context.client.status()
      context.print(status, () => describe(status, context))
    })
}

function describe({ node, peers, volumes, mounts, notices }: NodeStatus, context: Context): string {
  const rows = [
    [
      'Node',
      `${printable(node.name)}, up for ${formatDuration(Date.now() - node.startedMs)}, process ${node.pid}`,
    ],
    ['Id', node.id],
    ['Home', node.home],
    ['Store', storeText(node)],
    ['Cache', cacheText(node.cache)],
    ...(node.scrub === undefined ? [] : [['Scrub', scrubText(node.scrub)]]),
    ...node.addresses.map((address) => ['Address', address]),
    ...mounts.map(({ folder, volume, readOnly, allowOther }) => [
      'Mount',
      `${folder} (${[volume, ...(readOnly ? ['read-only'] : []), ...(allowOther ? ['other users'] : [])].join(', ')})`,
    ]),
  ]
  const parts = [table(rows), 'Volumes', volumeTable(volumes, context), 'Peers', peerTable(peers)]
  return [...parts, ...notices.map(noticeText)].join('\n\n')
}

function storeText(node: NodeStatus['node']): string {
  const parts = [
    [node.usedBytes, 'used'],
    [node.trashBytes, 'of it in the trash'],
    [node.reclaimableBytes, 'of it reclaimable'],
    [node.freeBytes, `free of ${formatBytes(node.capacityBytes)}`],
  ] as const
  return parts
    .filter(([bytes, what]) => bytes > 0 || !what.startsWith('of'))
    .map(([bytes, what]) => `${formatBytes(bytes)} ${what}`)
    .join(', ')
}

function cacheText({ usedBytes, limitBytes, foundBytes, fetchedBytes }: Cache): string {
  const limit = `${formatBytes(usedBytes)} of ${formatBytes(limitBytes)}`
  if (foundBytes + fetchedBytes === 0) return limit
  return `${limit}; ${formatBytes(foundBytes)} found in it, ${formatBytes(fetchedBytes)} fetched`
}

function scrubText({ doneBytes, totalBytes }: NonNullable<NodeStatus['node']['scrub']>): string {
  const percent = Math.floor((100 * doneBytes) / Math.max(1, totalBytes))
  return `${percent} % of ${formatBytes(totalBytes)} checked`
}

function noticeText(notice: Notice): string {
  const { kind, timeMs, volumeName, member, isSelf, aheadMs = 0 } = notice
  const time = formatTime(timeMs)
  if (kind === 'restored') {
    return `Note: this home was copied or restored on ${time}: it writes to "${printable(volumeName)}" under a new identity.`
  }
  if (kind === 'removed') {
    return `Note: ${printable(member)} says that this node is no member of "${printable(volumeName)}" any more. What is written here stays here; to come back, join with a new ticket.`
  }
  if (kind === 'clock') {
    return `Note: the clock of ${printable(member)} is ${formatDuration(aheadMs)} ahead of this node's, or this one is behind. Who is ahead wins over what others write later: set both by NTP.`
  }
  const whose = isSelf ? 'this home' : `${printable(member)}'s home`
  return `Note: two copies of ${whose} have written to "${printable(volumeName)}", last on ${time}. What both wrote is kept. Let one of them end, and give each machine a home of its own.`
}
