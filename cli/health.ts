// How safe the data of a volume is and what is being done about it, in words.
import { count, formatBytes, formatTime, printable, shellWord } from './output.ts'
import type { LogStatus, VolumeStatus } from '../node/control/status.ts'
import type { FileFault } from '../node/control/garbage.ts'

/** "any 2 peers may be lost". */
export function toleranceText({ tolerates: peers, stripes, cold }: VolumeStatus): string {
  // What is not there yet may get fewer shards than the class says.
  const isEmpty = Object.values(stripes).every((number) => number === 0)
  if (isEmpty && cold.copied + cold.only > 0) return 'all data is in a cold tier'
  if (isEmpty) return 'no data placed yet'
  if (peers === 0) return 'no peer may be lost'
  return peers === 1 ? 'any 1 peer may be lost' : `any ${peers} peers may be lost`
}

/** "12 stripes full, 3 degraded, 1 at risk". */
export function stripesText({ stripes, cold, unplacedBytes }: VolumeStatus): string {
  const { full, degraded, atRisk, lost } = stripes
  const counts = Object.entries({ full, degraded, 'at risk': atRisk, 'out of reach': lost })
  const some = counts.filter(([, number]) => number > 0)
  const inTier = cold.copied + cold.only
  const only = cold.only === 0 ? '' : ` (${cold.only} nowhere else)`
  const coldText = inTier === 0 ? '' : `${count(inTier, 'stripe')} in a cold tier${only}`
  return [
    ...(some.length === 0 && coldText === '' ? ['no stripes'] : some.map(stateText)),
    ...(coldText === '' ? [] : [coldText]),
    ...(unplacedBytes === 0 ? [] : [`${formatBytes(unplacedBytes)} on this node only`]),
  ].join(', ')
}

function stateText([state, number]: readonly [string, number], index: number): string {
  return index === 0 ? `${count(number, 'stripe')} ${state}` : `${number} ${state}`
}

/** What is wrong with where the stripes of a volume lie, and what is being done, a row each; none if all is well. */
export function careRows(volume: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  const { degradedPlacement, reclaimableBytes, tiersToTrust } = volume
  const placement = `degraded for ${count(degradedPlacement, 'stripe')}: more shards in one zone than may be lost`
  const upkeep = [...waitingTexts(volume), ...workTexts(volume)].join(', ')
  const { gone } = volume.waiting
  const isWhole = incompleteOf(volume) === 0
  const absent = `${gone.map(printable).join(', ')}: if for good, take them out with "shoal peer rm", and the others do without`
  const { falseFiles, garbageFault } = volume
  const freed = `${formatBytes(reclaimableBytes)} on all peers, once each of them knows of it`
  return [
    ...(degradedPlacement === 0 ? [] : [['Placement', placement] as const]),
    ...(upkeep === '' ? [] : [['Upkeep', upkeep] as const]),
    ...(gone.length === 0 || isWhole ? [] : [['Gone', absent] as const]),
    ...tiersToTrust.map((name) => ['Cold tier', untrustedText(name)] as const),
    ...(reclaimableBytes === 0 ? [] : [['To be freed', freed] as const]),
    ...(garbageFault === undefined ? [] : [['No space back', printable(garbageFault)] as const]),
    ...falseFiles.map((file) => ['False file', falseFileText(file)] as const),
  ]
}

/** "/plan by ben: not what it says, so nobody can read it; remove it (...)". */
export function falseFileText({ path, author, message }: FileFault): string {
  const what = `${printable(path)} by ${printable(author)}`
  return `${what}: not what it says, so nobody can read it; remove it (${printable(message)})`
}

/** What a person should know of the log, and what to do, a row each; none if all is well. */
export function logRows({
  name,
  log,
}: VolumeStatus): readonly (readonly [what: string, text: string])[] {
  const { stoppedAt: at, isHalted, isFull, heldBack, heldBackBy } = log
  const rows: (readonly [string, string])[] = []
  if (at !== undefined) {
    const when = `at an entry of ${printable(at.author)} since ${formatTime(at.sinceMs)}`
    const what = `it could not be applied here (${printable(at.reason)}), and what depends on it waits`
    const next = `update Shoal, or give it more memory; it is tried again each day, or by "shoal volume retry ${shellWord(name)}"`
    rows.push(['STOPPED', `${when}: ${what}; nothing is lost: ${next}`])
  }
  if (isHalted)
    rows.push(['READ-ONLY', 'a change was half made when something failed: restart the node'])
  if (isFull)
    rows.push([
      'FULL',
      'log and index fill what this node may store: nothing new is written here, and what members write waits, but for admins; remove something (shoal rm, shoal gc), or raise its capacity',
    ])
  for (const { member, untilMs, isFull: isForRoom } of heldBack) {
    const why = isForRoom
      ? 'until this node has room'
      : `it makes the log grow faster than its role has to; more of it is taken from ${formatTime(untilMs)} on`
    rows.push(['Held back', `what ${printable(member)} writes: ${why}`])
  }
  if (heldBackBy.length > 0) {
    const names = heldBackBy.map(printable).join(', ')
    rows.push([
      'Held back',
      `by ${names}: this node makes the log grow faster than its role has to`,
    ])
  }
  return [...rows, ...checkpointRows(log)]
}

/** What holds up checkpoints, or came too late for one. */
function checkpointRows({
  late,
  stalled,
  stranded,
}: LogStatus): readonly (readonly [what: string, text: string])[] {
  const missing = stranded?.missing.map(printable).join(', ') ?? ''
  const words = stranded && `shoal volume accept-checkpoint ${shellWord(stranded.peer)}`
  const behind = `the others have dropped what this node lacks, and too few vouch for what they go on from (missing: ${missing}); wait for them, or say "${words}"`
  const writers = late.map(
    ({ name, entries }) => `${count(entries, 'entry')} of ${printable(name)}`,
  )
  const unsaid = `${writers.join(', ')} came too late to count, and will be said again`
  const stuck = `${stalled.map(printable).join(', ')}: heard of, but confirmed nothing new for hours; nobody waits for them`
  return [
    ...(stranded === undefined ? [] : [['Read-only', behind] as const]),
    ...(late.length === 0 ? [] : [['Late', unsaid] as const]),
    ...(stalled.length === 0 ? [] : [['Stuck', stuck] as const]),
  ]
}

function untrustedText(name: string): string {
  return `${name}: not used by this node until you agree to where it is ("shoal cold trust ${name}")`
}

/** Why nothing is done about some stripes. */
function waitingTexts(volume: VolumeStatus): string[] {
  const { waiting, upkeep } = volume
  const { forPeers, forRoom } = waiting
  // Another code needs no more peers than there are.
  const roomless = Math.max(0, forRoom - upkeep.outdated)
  const others = incompleteOf(volume) - forPeers - forRoom - upkeep.repairing - upkeep.queued
  return textsOf([
    [forPeers > 0, `${count(forPeers, 'stripe')} waiting for peers to come back`],
    [roomless > 0, `${count(roomless, 'stripe')} waiting for one more peer to put shards on`],
    [others > 0 && !upkeep.brake, `${count(others, 'stripe')} left to other nodes to repair`],
  ])
}

function incompleteOf({ stripes }: VolumeStatus): number {
  return stripes.degraded + stripes.atRisk + stripes.lost
}

/** What this node does. */
function workTexts({ upkeep }: VolumeStatus): string[] {
  const { repairing, queued, moving, outdated, brake, repairedBytes, movedBytes } = upkeep
  return textsOf([
    [repairing > 0, `repairing ${count(repairing, 'stripe')}`],
    [queued > 0, `${count(queued, 'stripe')} to be repaired`],
    [brake, 'held back, as much went away at once: only stripes at risk are repaired'],
    [moving > 0, `${count(moving, 'stripe')} to be moved or coded anew`],
    [outdated > 0 && moving === 0, `${count(outdated, 'stripe')} to be coded anew soon`],
    [repairedBytes > 0, `${formatBytes(repairedBytes)} rebuilt so far`],
    [movedBytes > 0, `${formatBytes(movedBytes)} moved so far`],
  ])
}

function textsOf(all: readonly (readonly [holds: boolean, text: string])[]): string[] {
  return all.flatMap(([holds, text]) => (holds ? [text] : []))
}
