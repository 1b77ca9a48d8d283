// The conditions that alerts tell of, as one list: `status --check`, the targets of config.yaml,
// the documents and the rules for Prometheus are all made from it. Each looks at the status of the
// node alone, so that what a person sees there and what they are told are the same.
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { Severity } from '../control/observe/alerts.ts'
import * as data from './data-conditions.ts'
import type { Facts, Found } from './facts.ts'
import * as log from './log-conditions.ts'
import * as machines from './machine-conditions.ts'

export interface Condition {
  /** As people write it in config.yaml; stable. */
  readonly name: string
  readonly severity: Severity
  /** True for so long before it is told. */
  readonly afterMs: number
  /** For the documents: when it is true. */
  readonly summary: string
  readonly find: (facts: Facts) => readonly Found[]
}

export const CONDITIONS: readonly Condition[] = [
  {
    name: 'stripes-lost',
    severity: 'critical',
    afterMs: 2 * MINUTE_MS,
    summary: 'data cannot be read: too few of its shards are on peers that can be reached',
    find: data.stripesLost,
  },
  {
    name: 'stripes-at-risk',
    severity: 'critical',
    afterMs: 10 * MINUTE_MS,
    summary: 'data has no spare shard: one more loss makes it unreadable',
    find: data.stripesAtRisk,
  },
  {
    name: 'stripes-degraded',
    severity: 'warning',
    afterMs: HOUR_MS,
    summary: 'data has fewer shards than its class asks for, and at least one to spare',
    find: data.stripesDegraded,
  },
  {
    name: 'not-placed',
    severity: 'warning',
    afterMs: HOUR_MS,
    summary: 'data that was written here is on this node only, though there are others',
    find: data.notPlaced,
  },
  {
    name: 'same-zone',
    severity: 'notice',
    afterMs: HOUR_MS,
    summary: 'a zone has more shards of some data than may be lost',
    find: data.sameZone,
  },
  {
    name: 'repair-throttled',
    severity: 'warning',
    afterMs: 10 * MINUTE_MS,
    summary: 'many peers went away at once: repair waits lest it is a partition',
    find: data.repairThrottled,
  },
  {
    name: 'mass-loss',
    severity: 'critical',
    afterMs: 0,
    summary: 'a member replaced or removed much of a volume within minutes',
    find: data.massLoss,
  },
  {
    name: 'corruption-found',
    severity: 'warning',
    afterMs: 0,
    summary: 'data on the disk of this node was found damaged within the last 7 days',
    find: machines.corruptionFound,
  },
  {
    name: 'false-files',
    severity: 'warning',
    afterMs: 0,
    summary: 'the content of a file is not what its writer said, and nobody can read it',
    find: data.falseFiles,
  },
  {
    name: 'conflicts',
    severity: 'warning',
    afterMs: 0,
    summary: 'a file was changed on two machines at once: both are kept, one must be chosen',
    find: data.conflicts,
  },
  {
    name: 'disk-low',
    severity: 'warning',
    afterMs: 10 * MINUTE_MS,
    summary: 'less than 10 % of what this node may store is free',
    find: machines.diskLow,
  },
  {
    name: 'disk-full',
    severity: 'critical',
    afterMs: 0,
    summary: 'less than 5 % of what this node may store is free',
    find: machines.diskFull,
  },
  {
    name: 'old-versions-dropped',
    severity: 'warning',
    afterMs: 0,
    summary: 'old versions were given up within the last week, as a disk was almost full',
    find: data.oldVersionsDropped,
  },
  {
    name: 'versions-shortened',
    severity: 'warning',
    afterMs: 0,
    summary: 'an admin has a volume keep fewer versions: it counts after 24 hours',
    find: data.versionsShortened,
  },
  {
    name: 'garbage-stuck',
    severity: 'warning',
    afterMs: DAY_MS,
    summary: 'garbage collection cannot end, so that no space comes back',
    find: data.garbageStuck,
  },
  {
    name: 'peer-late',
    severity: 'notice',
    afterMs: HOUR_MS,
    summary: 'a peer is silent for longer than usual, and waited for',
    find: machines.peerLate,
  },
  {
    name: 'peer-gone',
    severity: 'warning',
    afterMs: 0,
    summary: 'a peer is silent for longer than the grace of a volume: its shards are made anew',
    find: machines.peerGone,
  },
  {
    name: 'peer-limited',
    severity: 'warning',
    afterMs: 10 * MINUTE_MS,
    summary: 'a peer asks for more than it may, and is not served for a while',
    find: machines.peerLimited,
  },
  {
    name: 'peer-behind',
    severity: 'warning',
    afterMs: DAY_MS,
    summary: 'a peer has not confirmed the latest changes of a volume for a day',
    find: log.peerBehind,
  },
  {
    name: 'peer-stalled',
    severity: 'warning',
    afterMs: HOUR_MS,
    summary: 'a peer is online and confirms nothing new: checkpoints do not wait for it',
    find: log.peerStalled,
  },
  {
    name: 'log-stopped',
    severity: 'critical',
    afterMs: 0,
    summary: 'an entry of the log could not be applied here: what depends on it waits',
    find: log.stopped,
  },
  {
    name: 'log-halted',
    severity: 'critical',
    afterMs: 0,
    summary: 'a change failed half-way: the volume takes no changes until the node starts anew',
    find: log.halted,
  },
  {
    name: 'log-full',
    severity: 'critical',
    afterMs: 0,
    summary: 'log and index fill what this node may store: nothing new is written here',
    find: log.full,
  },
  {
    name: 'log-held-back',
    severity: 'warning',
    afterMs: 10 * MINUTE_MS,
    summary: 'entries wait, since their author writes more than its role may',
    find: log.heldBack,
  },
  {
    name: 'node-stranded',
    severity: 'critical',
    afterMs: 10 * MINUTE_MS,
    summary: 'others dropped entries that this node lacks: its volume is read-only',
    find: log.stranded,
  },
  {
    name: 'state-differs',
    severity: 'critical',
    afterMs: 0,
    summary: 'this node and another disagree about a checkpoint: one of the two is damaged',
    find: log.stateDiffers,
  },
  {
    name: 'clock-off',
    severity: 'warning',
    afterMs: 10 * MINUTE_MS,
    summary: 'the clock of this node, or of a member, is wrong',
    find: machines.clockOff,
  },
  {
    name: 'home-copied',
    severity: 'critical',
    afterMs: 0,
    summary: 'two copies of one home write to a volume',
    find: machines.homeCopied,
  },
  {
    name: 'node-removed',
    severity: 'critical',
    afterMs: 0,
    summary: 'this node is no member of a volume any more',
    find: machines.nodeRemoved,
  },
  {
    name: 'voter-lied',
    severity: 'critical',
    afterMs: 0,
    summary: 'a voter gave two answers that exclude each other, and does not count',
    find: machines.voterLied,
  },
  {
    name: 'vote-lost',
    severity: 'warning',
    afterMs: 0,
    summary: 'this node may have forgotten what it promised as a voter, and does not vote',
    find: machines.voteLost,
  },
  {
    name: 'cold-failing',
    severity: 'warning',
    afterMs: 30 * MINUTE_MS,
    summary: 'nothing can be put into a cold tier',
    find: data.coldFailing,
  },
  {
    name: 'cold-untrusted',
    severity: 'notice',
    afterMs: 0,
    summary: 'a cold tier is not used by this node until its owner agrees to where it is',
    find: data.coldUntrusted,
  },
  {
    name: 'backup-failed',
    severity: 'warning',
    afterMs: 0,
    summary: 'the last run of a backup failed',
    find: machines.backupFailed,
  },
  {
    name: 'backup-late',
    severity: 'warning',
    afterMs: 0,
    summary: 'a backup that is due was not made for as long again',
    find: machines.backupLate,
  },
  {
    name: 'config-broken',
    severity: 'warning',
    afterMs: 0,
    summary: 'config.yaml of this home cannot be read: alerts go where it said before',
    find: machines.configBroken,
  },
  {
    name: 'ticket-ending',
    severity: 'notice',
    afterMs: 0,
    summary: 'a ticket that is not used up ends within an hour',
    find: machines.ticketEnding,
  },
]
