// How safe the data of a volume is and what is being done about it, in words.
import { shellWord } from '../protocol/shell-word.ts'
import { formatBytes } from '../protocol/size.ts'
import { count, formatTime, printable } from './output.ts'
import type { LogStatus, VolumeStatus } from '../node/control/status.ts'
import type { LossInfo } from '../node/control/losses.ts'
import type { FileFault } from '../node/control/garbage.ts'

/** More nodes are counted, not named. */
const NAMED_MAX = 5
const ON_ONE_NODE = 'on this node alone'

/** "any 2 peers may be lost". */
export function toleranceText(volume: VolumeStatus): string {
  const { tolerates: peers, stripes, cold } = volume
  // Data that is not placed yet may get fewer shards than the class says.
  const isEmpty = Object.values(stripes).every((number) => number === 0)
  if (isEmpty && cold.copied + cold.only > 0) return 'all data is in a cold tier'
  if (isEmpty) return unplacedText(volume)
  if (peers === 0) return volume.logCopies.nodes <= 1 ? ON_ONE_NODE : 'no peer may be lost'
  return peers === 1 ? 'any 1 peer may be lost' : `any ${peers} peers may be lost`
}

/** Tells where the content of a volume is that has no stripes. */
function unplacedText({ unplacedBytes, isEmpty, logCopies }: VolumeStatus): string {
  if (unplacedBytes > 0) return 'no data placed yet'
  const { nodes, behind } = logCopies
  if (isEmpty) return nodes <= 1 ? `empty, ${ON_ONE_NODE}` : 'empty'
  if (nodes <= 1) return `small files only, ${ON_ONE_NODE}`
  return `small files only, on ${nodes - behind.length} of ${nodes} nodes`
}

/** "252 MB of data, 378 MB of shards on all peers (1.50 times)"; undefined for none. */
export function spaceText({ space }: Pick<VolumeStatus, 'space'>): string | undefined {
  const { dataBytes, shardBytes } = space
  if (dataBytes === 0) return undefined
  const times = (shardBytes / dataBytes).toFixed(2)
  return (
    `${formatBytes(dataBytes)} of data, ` +
    `${formatBytes(shardBytes)} of shards on all peers (${times} times)`
  )
}

/** "12 stripes full, 3 degraded, 1 at risk". */
export function stripesText({ stripes, cold }: VolumeStatus): string {
  const { full, degraded, atRisk, lost } = stripes
  const counts = Object.entries({ full, degraded, 'at risk': atRisk, 'out of reach': lost })
  const some = counts.filter(([, number]) => number > 0)
  const inTier = cold.copied + cold.only
  const only = cold.only === 0 ? '' : ` (${cold.only} nowhere else)`
  const coldText = inTier === 0 ? '' : `${count(inTier, 'stripe')} in a cold tier${only}`
  return [
    ...(some.length === 0 && coldText === '' ? ['no stripes'] : some.map(stateText)),
    ...(coldText === '' ? [] : [coldText]),
  ].join(', ')
}

function stateText([state, number]: readonly [string, number], index: number): string {
  return index === 0 ? `${count(number, 'stripe')} ${state}` : `${number} ${state}`
}

/** How much is in a volume, and what of it another node lacks still. */
export function contentRows(
  volume: VolumeStatus,
): readonly (readonly [what: string, text: string])[] {
  const { role, isEmpty, unplacedBytes, files, bytes } = volume
  const unplaced = `${formatBytes(unplacedBytes)} written here, on this node only until it is placed`
  // The names are sealed for keepers.
  const isKnown = role !== 'keeper' && !isEmpty
  return [
    ...(isKnown ? [['Holds', holdsText(files, bytes, volume)] as const] : []),
    ...(unplacedBytes === 0 ? [] : [['Not safe yet', unplaced] as const]),
  ]
}

function holdsText(files: number, bytes: number, { stripes, logCopies }: VolumeStatus): string {
  const { nodes, behind } = logCopies
  const what = files === 0 ? 'no files' : `${count(files, 'file')}, ${formatBytes(bytes)}`
  // Without stripes, that is said where their tolerance would be.
  const hasStripes = Object.values(stripes).some((number) => number > 0)
  if (nodes <= 1 || !hasStripes) return what
  return `${what}; names and small files on ${nodes - behind.length} of ${nodes} nodes`
}

/**
 * Faults in the placement of a volume's stripes, and the work on them, a row each; none if all is
 * well.
 */
export function careRows(volume: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  const { degradedPlacement, reclaimableBytes, tiersToTrust } = volume
  const placement = `degraded for ${count(degradedPlacement, 'stripe')}: more shards in one zone than may be lost`
  const upkeep = [...waitingTexts(volume), ...workTexts(volume)].join(', ')
  const { gone } = volume.waiting
  const isWhole = incompleteOf(volume) === 0
  const absent = `${gone.map(printable).join(', ')}: if gone for good, remove them with "shoal peer rm --now"`
  const { falseFiles, garbageFault, logCopies, massLosses } = volume
  const { behind } = logCopies
  const freed = `${formatBytes(reclaimableBytes)} on all peers, once all of them have confirmed it`
  return [
    ...massLosses.map((loss) => ['MASS LOSS', lossText(loss)] as const),
    ...shorteningRows(volume),
    ...reliefRows(volume),
    ...(behind.length === 0 ? [] : [['Not yet everywhere', behindText(behind)] as const]),
    ...(degradedPlacement === 0 ? [] : [['Placement', placement] as const]),
    ...(upkeep === '' ? [] : [['Upkeep', upkeep] as const]),
    ...(gone.length === 0 || isWhole ? [] : [['Gone', absent] as const]),
    ...tiersToTrust.map((name) => ['Cold tier', untrustedText(name)] as const),
    ...(reclaimableBytes === 0 ? [] : [['To be freed', freed] as const]),
    ...(garbageFault === undefined ? [] : [['No space back', printable(garbageFault)] as const]),
    ...falseFiles.map((file) => ['False file', falseFileText(file)] as const),
  ]
}

/** Says until when it is kept what a setting does not keep any more. */
export function shorteningRows({
  shortening,
}: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  if (shortening === undefined) return []
  const { versions, until, fromMs } = shortening
  const before = until.map((rule) => `versions=${rule}`).join(' and ')
  return [['KEEPS LESS', `versions=${versions} from ${formatTime(fromMs)}; until then ${before}`]]
}

function reliefRows({ relief }: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  if (relief === undefined) return []
  const [set, before] = [relief.setMs, relief.endedUpToMs].map(formatTime)
  const text =
    `${set}: what was replaced or removed before ${before} is given up, since a disk is almost ` +
    'full; free some space, or add a machine'
  return [['DISK FULL', text]]
}

function behindText(names: readonly string[]): string {
  const who = names.slice(0, NAMED_MAX).map(printable).join(', ')
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : ''
  return `${who}${more} ${names.length === 1 ? 'has' : 'have'} not confirmed the latest changes`
}

/** "ben replaced or removed much of it after 2026-11-24 17:00:00; ...". */
function lossText({ volume, member, atMs }: LossInfo): string {
  const name = shellWord(volume)
  return (
    `${printable(member)} replaced or removed much of it after ${formatTime(atMs)}: what stood ` +
    `then is kept. Bring it back with "shoal loss restore ${name}", or say that it was meant ` +
    `with "shoal loss dismiss ${name}"`
  )
}

/** "/plan by ben: its content is not what it claims to be and cannot be read; remove it (...)". */
export function falseFileText({ path, author, message }: FileFault): string {
  const what = `${printable(path)} by ${printable(author)}`
  return `${what}: its content is not what it claims to be and cannot be read; remove it (${printable(message)})`
}

/** Faults of the log and the remedies, a row each; none if all is well. */
export function logRows({
  name,
  log,
}: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  const { stoppedAt: at, isHalted, isFull, heldBack, heldBackBy } = log
  const rows: (readonly [string, string])[] = []
  if (at !== undefined) {
    const when = `at an entry of ${printable(at.author)} since ${formatTime(at.sinceMs)}`
    const what = `it could not be applied here (${printable(at.reason)}), and entries that depend on it wait`
    const next =
      'Update Shoal or give it more memory; it is retried daily, ' +
      `or now with "shoal volume retry ${shellWord(name)}"`
    rows.push(['STOPPED', `${when}: ${what}. Nothing is lost. ${next}`])
  }
  if (isHalted) rows.push(['READ-ONLY', 'a change failed half-way: restart the node'])
  if (isFull)
    rows.push([
      'FULL',
      'log and index fill the storage limit of this node: nothing new is written here, ' +
        'and entries of members other than admins wait; ' +
        'remove data (shoal rm, shoal gc) or raise --capacity',
    ])
  for (const { member, untilMs, isFull: isForRoom } of heldBack) {
    const why = isForRoom
      ? 'until this node has room'
      : `it exceeds the log growth limit of its role; accepted again from ${formatTime(untilMs)}`
    rows.push(['Held back', `entries of ${printable(member)}: ${why}`])
  }
  if (heldBackBy.length > 0) {
    const names = heldBackBy.map(printable).join(', ')
    rows.push(['Held back', `by ${names}: this node exceeds the log growth limit of its role`])
  }
  return [...rows, ...checkpointRows(log)]
}

/** Rows about members that delay checkpoints, or came too late for one. */
function checkpointRows({
  late,
  stalled,
  stranded,
}: LogStatus): readonly (readonly [what: string, text: string])[] {
  const missing = stranded?.missing.map(printable).join(', ') ?? ''
  const words = stranded && `shoal volume accept-checkpoint ${shellWord(stranded.peer)}`
  const behind =
    'the others dropped log entries that this node lacks, ' +
    `and too few members attest their checkpoint (missing: ${missing}); ` +
    `wait for them, or run "${words}"`
  const writers = late.map(
    ({ name, entries }) => `${count(entries, 'entry')} of ${printable(name)}`,
  )
  const unsaid = `${writers.join(', ')} arrived too late to count; their authors will reissue them`
  const stuck = `${stalled.map(printable).join(', ')}: online, but confirmed nothing new for hours; not waited for`
  return [
    ...(stranded === undefined ? [] : [['Read-only', behind] as const]),
    ...(late.length === 0 ? [] : [['Late', unsaid] as const]),
    ...(stalled.length === 0 ? [] : [['Stuck', stuck] as const]),
  ]
}

function untrustedText(name: string): string {
  return `${name}: not used by this node until you agree to its location ("shoal cold trust ${name}")`
}

/** Why nothing is done about some stripes. */
function waitingTexts(volume: VolumeStatus): string[] {
  const { waiting, upkeep } = volume
  const { forPeers, forRoom } = waiting
  // Another code needs no more peers than there are.
  const withoutRoom = Math.max(0, forRoom - upkeep.outdated)
  const others = incompleteOf(volume) - forPeers - forRoom - upkeep.repairing - upkeep.queued
  return textsOf([
    [forPeers > 0, `${count(forPeers, 'stripe')} waiting for peers to come back`],
    [withoutRoom > 0, `${count(withoutRoom, 'stripe')} waiting for another peer to hold shards`],
    [others > 0 && !upkeep.brake, `${count(others, 'stripe')} left for other nodes to repair`],
  ])
}

function incompleteOf({ stripes }: VolumeStatus): number {
  return stripes.degraded + stripes.atRisk + stripes.lost
}

/** The repair work of this node. */
function workTexts({ upkeep }: VolumeStatus): string[] {
  const { repairing, queued, moving, outdated, brake, repairedBytes, movedBytes } = upkeep
  return textsOf([
    [repairing > 0, `repairing ${count(repairing, 'stripe')}`],
    [queued > 0, `${count(queued, 'stripe')} to be repaired`],
    [
      brake,
      'throttled, because many peers went offline at once: only stripes at risk are repaired',
    ],
    [moving > 0, `${count(moving, 'stripe')} to be moved or recoded`],
    [outdated > 0 && moving === 0, `${count(outdated, 'stripe')} to be recoded soon`],
    [repairedBytes > 0, `${formatBytes(repairedBytes)} rebuilt so far`],
    [movedBytes > 0, `${formatBytes(movedBytes)} moved so far`],
  ])
}

function textsOf(all: readonly (readonly [holds: boolean, text: string])[]): string[] {
  return all.flatMap(([holds, text]) => (holds ? [text] : []))
}
