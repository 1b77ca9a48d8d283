// `shoal status`: the node, its peers, volumes and mounts at a glance.
import { formatBytes } from '../../protocol/size.ts'
import { count, formatDuration, formatTime, printable, table, wrapLines } from '../output.ts'
import { checkStatus } from './alerts.ts'
import { garbageText } from '../commands/gc.ts'
import { peerTable } from '../commands/peer.ts'
import { volumeTable } from '../commands/volume.ts'
import type { Command } from 'commander'
import type { MemoryStatus, NodeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

type Notice = NodeStatus['notices'][number]
type Cache = NodeStatus['node']['cache']
type Holds = NodeStatus['node']['holds']

/** Files of which locks are shown. */
const LOCKS_SHOWN = 20

export function addStatus(program: Command, context: Context): void {
  program
    .command('status')
    .description('show the node, its peers, volumes and mounts')
    .option('--check', 'print one line and exit with 0 (fine), 1 (warning) or 2 (critical)')
    .addHelpText(
      'after',
      `
--check is for monitoring: it tells of the worst alert that is raised (see
"shoal alerts"), and exits as monitoring plugins do; 3 is a node that does not
run.

Example:
  shoal status --json | jq .volumes[].tolerates
  shoal status --check || echo "look at it"`,
    )
    .action(async ({ check = false }: { readonly check?: boolean }) => {
      if (check) return checkStatus(context)
      const status = await context.client.status()
      context.print(status, () => describe(status, context))
    })
}

function describe(status: NodeStatus, context: Context): string {
  const { node, peers, volumes, mounts, locks, notices } = status
  const rows = [
    [
      'Node',
      `${printable(node.name)}, up for ${formatDuration(Date.now() - node.startedMs)}, process ${node.pid}`,
    ],
    ['Id', node.id],
    ['Home', node.home],
    ['Store', storeText(node)],
    ...holdsRows(node.holds),
    ...togetherRows(status),
    ['Cache', cacheText(node.cache)],
    ...(node.garbage === undefined ? [] : [['Garbage', garbageText(node.garbage)]]),
    ...(node.memory === undefined ? [] : [['Memory', memoryText(node.memory)]]),
    ...(node.scrub === undefined ? [] : [['Scrub', scrubText(node.scrub)]]),
    ...node.addresses.map((address) => ['Address', address]),
    ...mounts.map(({ folder, volume, readOnly, allowOther }) => [
      'Mount',
      `${folder} (${[volume, ...(readOnly ? ['read-only'] : []), ...(allowOther ? ['other users'] : [])].join(', ')})`,
    ]),
    ...lockRows(locks),
    ...backupRows(status.backups),
  ]
  const { columns } = context
  const parts = [table(rows, columns), 'Volumes', volumeTable(volumes, context)]
  parts.push('Peers', peerTable(peers, context))
  const told = notices.map(noticeText)
  return [...parts, ...told.map((text) => wrapLines(text, columns ?? Infinity))].join('\n\n')
}

/** Those that need somebody. */
function backupRows(backups: NodeStatus['backups'] = []): string[][] {
  return backups.flatMap(({ name, failure, endedMs }) =>
    failure === undefined
      ? []
      : [['Backup', `${printable(name)} FAILED ${formatTime(endedMs ?? 0)}: ${failure.message}`]],
  )
}

/** Those held for longest. */
function lockRows(locks: NodeStatus['locks']): string[][] {
  const shown = locks.toSorted((a, b) => a.sinceMs - b.sinceMs).slice(0, LOCKS_SHOWN)
  const left = locks.length - shown.length
  const rows = shown.map(({ volumeName, path, member, count, isExclusive, sinceMs }) => [
    'Lock',
    `${printable(`${volumeName}:${path}`)}, ${count} ` +
      `${isExclusive ? 'exclusive' : 'shared'}, held by ${printable(member)} for ` +
      `${formatDuration(Date.now() - sinceMs)}`,
  ])
  return left > 0 ? [...rows, ['Lock', `and on ${left} more files (see --json)`]] : rows
}

function storeText(node: NodeStatus['node']): string {
  const parts = [
    [node.usedBytes, 'used'],
    [node.indexBytes, 'of log and index'],
    [node.trashBytes, 'of it in the trash'],
    [node.reclaimableBytes, 'of it reclaimable'],
    [node.freeBytes, `free of ${formatBytes(node.capacityBytes)}`],
  ] as const
  return parts
    .filter(([bytes, what]) => bytes > 0 || !what.startsWith('of'))
    .map(([bytes, what]) => `${formatBytes(bytes)} ${what}`)
    .join(', ')
}

/** The parts of what the store uses. */
function holdsRows({ shardBytes, wholeBytes, copyBytes, unplacedBytes }: Holds): string[][] {
  const parts = [
    [Math.max(0, shardBytes - wholeBytes), 'of coded shards'],
    [wholeBytes, 'of whole copies of stripes'],
    [copyBytes, 'of copies kept here (see keep-local)'],
    [unplacedBytes, 'on this node only, in no stripe yet'],
  ] as const
  const some = parts.filter(([bytes]) => bytes > 0)
  if (some.length === 0) return []
  return [['Holds', some.map(([bytes, what]) => `${formatBytes(bytes)} ${what}`).join(', ')]]
}

/**
 * The real factor: what all homes take for the files of all volumes, with their logs, in which
 * names and small files are.
 */
function togetherRows({ node, peers, volumes }: NodeStatus): string[][] {
  const fileBytes = volumes.reduce((sum, { bytes }) => sum + bytes, 0)
  if (fileBytes === 0) return []
  const heard = peers.flatMap(({ usedBytes }) => usedBytes ?? [])
  const takenBytes = heard.reduce((sum, bytes) => sum + bytes, node.holds.ownBytes)
  const isAll = heard.length === peers.length
  const times = (takenBytes / fileBytes).toFixed(2)
  return [
    [
      'Together',
      `${formatBytes(fileBytes)} in files take ${isAll ? '' : 'at least '}` +
        `${formatBytes(takenBytes)} on ${count(heard.length + 1, 'node')}: ${times} times`,
    ],
  ]
}

function cacheText({ usedBytes, limitBytes, foundBytes, fetchedBytes }: Cache): string {
  const limit = `${formatBytes(usedBytes)} of ${formatBytes(limitBytes)}`
  if (foundBytes + fetchedBytes === 0) return limit
  return `${limit}; ${formatBytes(foundBytes)} found in it, ${formatBytes(fetchedBytes)} fetched`
}

function memoryText({ residentBytes, caches }: MemoryStatus): string {
  const kept = caches.map(
    ({ name, bytes, limitBytes }) => `${name} ${formatBytes(bytes)} of ${formatBytes(limitBytes)}`,
  )
  return `${formatBytes(residentBytes)}; ${kept.join(', ')}`
}

function scrubText({ doneBytes, totalBytes }: NonNullable<NodeStatus['node']['scrub']>): string {
  const percent = Math.floor((100 * doneBytes) / Math.max(1, totalBytes))
  return `${percent} % of ${formatBytes(totalBytes)} checked`
}

function noticeText(notice: Notice): string {
  const { kind, timeMs, volumeName, member, isSelf, aheadMs = 0, count = 0, inMs = 0 } = notice
  const time = formatTime(timeMs)
  if (kind === 'restored') {
    return (
      `Note: this home was copied or restored on ${time}: ` +
      `it writes to "${printable(volumeName)}" under a new identity.`
    )
  }
  if (kind === 'removed') {
    return (
      `Note: according to ${printable(member)}, this node is no longer a member of ` +
      `"${printable(volumeName)}". Changes made here stay local; to rejoin, use a new ticket.`
    )
  }
  if (kind === 'clock') {
    const by = formatDuration(Math.abs(aheadMs))
    if (isSelf) {
      return (
        `Note: the clock of this node is ${by} ${aheadMs > 0 ? 'ahead of' : 'behind'} those of ` +
        `most members of "${printable(volumeName)}", and writes to the log by theirs. The times ` +
        'of files are by its own: synchronize it with NTP.'
      )
    }
    return (
      `Note: the clock of ${printable(member)} differs from this node's by ${by}: it is ` +
      `${aheadMs > 0 ? 'ahead' : 'behind'}, or this one is wrong. Writes of the node ahead win ` +
      'over later writes of others: synchronize both clocks with NTP.'
    )
  }
  if (kind === 'future') {
    return (
      `Note: ${count} ${count === 1 ? 'change' : 'changes'} of ${printable(member)} to ` +
      `"${printable(volumeName)}" wait, as the clock there was ahead: the first shows here in ` +
      `${formatDuration(inMs)}.`
    )
  }
  if (kind === 'voter-lied') {
    return (
      `Note: the voter ${printable(member)} of "${printable(volumeName)}" gave contradictory ` +
      'answers: it lies, or its home was restored from an old copy. Its votes do not count. ' +
      'Remove it from the voters, and add it again once it is repaired: ' +
      `shoal volume set ${printable(volumeName)} voters=...`
    )
  }
  if (kind === 'vote-lost') {
    return (
      'Note: this node may have forgotten its promises as a voter of ' +
      `"${printable(volumeName)}", and does not vote. ` +
      'Remove it from the voters, then add it again: ' +
      `shoal volume set ${printable(volumeName)} voters=...`
    )
  }
  const whose = isSelf ? 'this home' : `${printable(member)}'s home`
  return (
    `Note: two copies of ${whose} have written to "${printable(volumeName)}", last on ${time}. ` +
    'All their writes are kept. Stop one of them, and give each machine its own home.'
  )
}
