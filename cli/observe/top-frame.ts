// A screen of `shoal top`: what a node and its peers do now, in lines that fit a terminal. Pure.
import colors from 'picocolors'
import { formatBytes } from '../../protocol/size.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import { count, formatDuration, formatTime, printable, table } from '../output.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Seen, TrafficReport } from '../../node/control/observe/watch.ts'
import type { NodeStatus, PeerStatus, VolumeStatus } from '../../node/control/status.ts'
import type { Alert } from '../../node/control/observe/alerts.ts'

/** The minutes of traffic that are drawn at most, what stands beside them, and their heights. */
const MINUTES_MAX = 60
const BESIDE_COLUMNS = 36
const BARS = '▁▂▃▄▅▆▇█'
const ALERTS_SHOWN = 5
const KINDS = [
  ['in', 'inBytes'],
  ['out', 'outBytes'],
  ['repair', 'repairedBytes'],
  ['cold', 'coldBytes'],
] as const
const STATE_COLORS: Readonly<Record<PeerStatus['state'], (text: string) => string>> = {
  online: colors.green,
  late: colors.yellow,
  gone: colors.red,
}

export interface Screen {
  readonly columns: number
  /** Lines; Infinity: as many as there are. */
  readonly rows: number
}

export function topFrame(seen: Seen, nowMs: number, { columns, rows }: Screen): string[] {
  const { status, alerts, alertCount, traffic } = seen
  const lines = [
    ...headLines(status, traffic, nowMs),
    ...alertLines(alerts, alertCount),
    '',
    ...trafficLines(traffic, nowMs, columns),
    '',
    ...volumeLines(status.volumes),
    '',
    ...peerLines(status, traffic, nowMs),
    ...workLines(status),
  ].flatMap((line) => line.split('\n'))
  const room = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), '...']
  return room.map((line) => cut(line, columns))
}

function headLines({ node }: NodeStatus, { peers }: TrafficReport, nowMs: number): string[] {
  const inPerSecond = peers.reduce((sum, one) => sum + one.inPerSecond, 0)
  const outPerSecond = peers.reduce((sum, one) => sum + one.outPerSecond, 0)
  const memory =
    node.memory === undefined ? [] : [`memory ${formatBytes(node.memory.residentBytes)}`]
  return [
    [
      colors.bold(printable(node.name)),
      formatTime(nowMs),
      `up ${formatDuration(nowMs - node.startedMs)}`,
      `in ${rate(inPerSecond)}`,
      `out ${rate(outPerSecond)}`,
      `store ${formatBytes(node.usedBytes)} of ${formatBytes(node.capacityBytes)}`,
      ...memory,
    ].join('  '),
  ]
}

function alertLines(alerts: readonly Alert[], total: number): string[] {
  if (total === 0) return [colors.green('No alerts.')]
  const shown = alerts.slice(0, ALERTS_SHOWN).map(({ severity, message }) => {
    const color = severity === 'critical' ? colors.red : colors.yellow
    return `${color(severity)}  ${printable(message)}`
  })
  const left = total - shown.length
  return left > 0 ? [...shown, `and ${count(left, 'more alert')}: "shoal alerts"`] : shown
}

/** The last hour or less, a bar for each minute. */
function trafficLines({ minutes }: TrafficReport, nowMs: number, columns: number): string[] {
  const length = Math.max(1, Math.min(MINUTES_MAX, columns - BESIDE_COLUMNS))
  const current = Math.floor(nowMs / MINUTE_MS)
  const rows = KINDS.map(([name, key]) => {
    const bytes = Array.from({ length }, () => 0)
    for (const minute of minutes) {
      const at = length - 1 - (current - Math.floor(minute.atMs / MINUTE_MS))
      if (at >= 0 && at < length) bytes[at] = minute[key]
    }
    const most = Math.max(...bytes)
    return [name, bytes.map((one) => bar(one, most)).join(''), `at most ${formatBytes(most)}/min`]
  })
  return [`The last ${count(length, 'minute')}:`, ...table(rows).split('\n')]
}

function bar(bytes: number, most: number): string {
  if (bytes === 0) return ' '
  return BARS[Math.min(BARS.length - 1, Math.floor((bytes / most) * BARS.length))] ?? ' '
}

function volumeLines(volumes: readonly VolumeStatus[]): string[] {
  const head = 'VOLUME CLASS MAY-LOSE WHOLE LACKING NO-SPARE LOST HERE-ONLY REPAIR'.split(' ')
  const rows = volumes.map(
    ({ name, class: code, tolerates, stripes, unplacedBytes, upkeep, cold }) => [
      printable(name),
      code,
      String(tolerates),
      String(stripes.full + cold.copied + cold.only),
      alarming(stripes.degraded, colors.yellow),
      alarming(stripes.atRisk, colors.yellow),
      alarming(stripes.lost, colors.red),
      formatBytes(unplacedBytes),
      upkeep.brake ? colors.red('held back') : `${upkeep.repairing} + ${upkeep.queued}`,
    ],
  )
  return table([head, ...rows]).split('\n')
}

function alarming(stripes: number, color: (text: string) => string): string {
  return stripes > 0 ? color(String(stripes)) : '0'
}

function peerLines(
  { peers, volumes }: NodeStatus,
  { peers: rates }: TrafficReport,
  nowMs: number,
): string[] {
  const head = 'PEER STATE HEARD BEHIND TRIP IN OUT USED SHARDS'.split(' ')
  const rateOf = new Map(rates.map((one) => [one.id, one]))
  const behind = new Map<PeerId, number>()
  for (const { peer, entries } of volumes.flatMap(({ lags = [] }) => lags))
    behind.set(peer, (behind.get(peer) ?? 0) + entries)
  const moved = ({ id }: PeerStatus): number =>
    (rateOf.get(id)?.inPerSecond ?? 0) + (rateOf.get(id)?.outPerSecond ?? 0)
  const rows = peers
    .toSorted((a, b) => moved(b) - moved(a))
    .map((peer) => {
      const { id, name, state, lastSeenMs, roundTripMs, capacityBytes, freeBytes, shards } = peer
      const used =
        capacityBytes === undefined || freeBytes === undefined || capacityBytes === 0
          ? ''
          : `${Math.round((100 * (capacityBytes - freeBytes)) / capacityBytes)} %`
      return [
        printable(name),
        STATE_COLORS[state](state),
        lastSeenMs === undefined ? 'never' : formatDuration(Math.max(0, nowMs - lastSeenMs)),
        String(behind.get(id) ?? 0),
        roundTripMs === undefined ? '' : `${roundTripMs.toFixed(1)} ms`,
        rate(rateOf.get(id)?.inPerSecond ?? 0),
        rate(rateOf.get(id)?.outPerSecond ?? 0),
        used,
        String(shards),
      ]
    })
  return table([head, ...rows]).split('\n')
}

/** The jobs that are under way. */
function workLines({ node, backups = [] }: NodeStatus): string[] {
  const { scrub, garbage } = node
  const jobs = [
    ...(scrub === undefined
      ? []
      : [
          `scrub ${percent(scrub.doneBytes, scrub.totalBytes)} of ${formatBytes(scrub.totalBytes)}`,
        ]),
    ...(garbage === undefined ? [] : ['garbage collection']),
    ...backups.flatMap(({ name, isRunning }) => (isRunning ? [`backup ${printable(name)}`] : [])),
  ]
  return jobs.length === 0 ? [] : ['', `Under way: ${jobs.join(', ')}`]
}

function percent(done: number, total: number): string {
  return `${Math.floor((100 * done) / Math.max(1, total))} %`
}

function rate(perSecond: number): string {
  return `${formatBytes(perSecond)}/s`
}

/** Colours take no room, and end with the line. */
function cut(line: string, columns: number): string {
  let room = columns
  // eslint-disable-next-line no-control-regex -- colours begin with one
  const parts = line.split(/(\u001b\[\d+m)/)
  return parts
    .map((part, at) => {
      if (at % 2 === 1) return part
      const shown = part.slice(0, Math.max(0, room))
      room -= shown.length
      return shown
    })
    .join('')
}
