// Conditions about machines: this node's disk and clock, its peers and their homes, its backups
// and tickets.
import { shellWord } from '../../protocol/shell-word.ts'
import { formatBytes } from '../../protocol/size.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { Notice, PeerStatus } from '../control/status.ts'
import type { Facts, Found } from './facts.ts'
import { many, timeText, withoutEnd } from './wording.ts'

const LOW_SHARE = 0.1
const FULL_SHARE = 0.05
/** Damage that was found is told of for so long. */
const DAMAGE_TOLD_MS: number = 7 * DAY_MS
const TICKET_ENDS_MS: number = HOUR_MS

export function diskLow(facts: Facts): Found[] {
  return freeShare(facts) >= FULL_SHARE ? diskBelow(facts, LOW_SHARE) : []
}

export function diskFull(facts: Facts): Found[] {
  return diskBelow(facts, FULL_SHARE)
}

function diskBelow(facts: Facts, share: number): Found[] {
  const { freeBytes, capacityBytes } = facts.status.node
  if (freeShare(facts) >= share) return []
  return [
    {
      subject: '',
      message: `${formatBytes(freeBytes)} of the ${formatBytes(capacityBytes)} that this machine may store are free`,
      next: 'free some space ("shoal gc", "shoal rm"), raise the capacity, or add a machine',
    },
  ]
}

/** 1 where nothing is known. */
function freeShare({ status: { node } }: Facts): number {
  return node.capacityBytes === 0 ? 1 : node.freeBytes / node.capacityBytes
}

export function corruptionFound({ status: { node }, nowMs }: Facts): Found[] {
  const { damage } = node
  if (damage === undefined || damage.lastMs < nowMs - DAMAGE_TOLD_MS) return []
  return [
    {
      subject: '',
      message:
        `${many(damage.found, 'shard or chunk')} on the disk of this machine ` +
        `${damage.found === 1 ? 'was' : 'were'} damaged, last on ${timeText(damage.lastMs)}; ` +
        'what others have is made anew',
      next: 'check the disk (its SMART values, the kernel log), run "shoal scrub", and replace it if there is more',
    },
  ]
}

export function peerLate(facts: Facts): Found[] {
  return ofPeers(facts, ({ name, state, lastSeenMs }) =>
    state === 'late'
      ? {
          message: `${name} is silent${sinceText(lastSeenMs)}; it is waited for`,
          next: `nothing, if it is turned off; else see "shoal peer ping ${shellWord(name)}"`,
        }
      : undefined,
  )
}

export function peerGone(facts: Facts): Found[] {
  return ofPeers(facts, ({ name, state, lastSeenMs, shardBytes }) =>
    state === 'gone'
      ? {
          message:
            `${name} is gone${sinceText(lastSeenMs)}: its ${formatBytes(shardBytes)} of shards ` +
            'are made anew on other machines',
          next: `start it, or remove it for good with "shoal peer rm ${shellWord(name)}"`,
        }
      : undefined,
  )
}

export function peerLimited(facts: Facts): Found[] {
  return ofPeers(facts, ({ name, limited }) =>
    limited === undefined
      ? undefined
      : {
          message: `${name} is not served for a while: ${limited.words}`,
          next:
            `look at what ${name} does; if it is not yours any more, ` +
            `remove it with "shoal peer rm ${shellWord(name)}"`,
        },
  )
}

function sinceText(lastSeenMs: number | undefined): string {
  return lastSeenMs === undefined ? ' and was never heard' : ` since ${timeText(lastSeenMs)}`
}

/** Members of a volume; what was only dialled is none of the owner's concern. */
function ofPeers(
  { status }: Facts,
  find: (peer: PeerStatus) => Omit<Found, 'subject'> | undefined,
): Found[] {
  return status.peers
    .filter(({ volumes }) => volumes.length > 0)
    .flatMap((peer) => {
      const found = find(peer)
      return found === undefined ? [] : [{ subject: peer.name, ...found }]
    })
}

export function clockOff(facts: Facts): Found[] {
  return ofNotices(facts, 'clock', ({ member, isSelf, aheadMs = 0 }) => {
    const how = aheadMs > 0 ? 'ahead of' : 'behind'
    const minutes = Math.max(1, Math.round(Math.abs(aheadMs) / MINUTE_MS))
    const whose = isSelf ? 'this machine' : member
    const others = isSelf ? 'those of most members' : "this machine's"
    return {
      message: `the clock of ${whose} is about ${many(minutes, 'minute')} ${how} ${others}`,
      next: `synchronize it with NTP on ${isSelf ? 'it' : member}`,
    }
  })
}

export function homeCopied(facts: Facts): Found[] {
  return ofNotices(facts, 'copies', ({ member, isSelf, volumeName, timeMs }) => ({
    message:
      `two copies of the home of ${isSelf ? 'this machine' : member} have written to ` +
      `${volumeName}, last on ${timeText(timeMs)}`,
    next: 'stop one of them, and give each machine a home of its own',
  }))
}

export function nodeRemoved(facts: Facts): Found[] {
  return ofNotices(facts, 'removed', ({ member, volumeName }) => ({
    message: `${member} says that this machine is no member of ${volumeName} any more`,
    next: 'changes made here stay here; to come back, join with a new ticket',
  }))
}

export function voterLied(facts: Facts): Found[] {
  return ofNotices(facts, 'voter-lied', ({ member, volumeName }) => ({
    message: `the voter ${member} of ${volumeName} gave answers that exclude each other`,
    next:
      `take it from the voters: "shoal volume set ${shellWord(volumeName)} voters=..."; ` +
      'repair it, and add it again',
  }))
}

export function voteLost(facts: Facts): Found[] {
  return ofNotices(facts, 'vote-lost', ({ volumeName }) => ({
    message: `this machine may have forgotten what it promised as a voter of ${volumeName}`,
    next: `take it from the voters and add it again: "shoal volume set ${shellWord(volumeName)} voters=..."`,
  }))
}

function ofNotices(
  { status }: Facts,
  kind: Notice['kind'],
  describe: (notice: Notice) => Omit<Found, 'subject'>,
): Found[] {
  return status.notices
    .filter((notice) => notice.kind === kind)
    .map((notice) => ({
      subject: `${notice.volumeName}, ${notice.isSelf ? 'this node' : notice.member}`,
      ...describe(notice),
    }))
}

export function backupFailed({ status }: Facts): Found[] {
  return (status.backups ?? []).flatMap(({ name, failure }) =>
    failure === undefined
      ? []
      : [
          {
            subject: name,
            message: `the backup ${name} failed: ${withoutEnd(failure.message)}`,
            next: `mend that, then "shoal backup run ${shellWord(name)}"`,
          },
        ],
  )
}

export function backupLate({ status, nowMs }: Facts): Found[] {
  return (status.backups ?? []).flatMap(({ name, dueMs, everyMs, failure }) =>
    dueMs === undefined || everyMs === undefined || failure !== undefined || nowMs < dueMs + everyMs
      ? []
      : [
          {
            subject: name,
            message: `the backup ${name} is due since ${timeText(dueMs)}`,
            next: `see how it goes with "shoal backup run ${shellWord(name)}"`,
          },
        ],
  )
}

export function configBroken({ configFault }: Facts): Found[] {
  if (configFault === undefined) return []
  const next = 'correct it: the node does not start again as it is'
  return [{ subject: '', message: withoutEnd(configFault), next }]
}

export function ticketEnding({ tickets, nowMs }: Facts): Found[] {
  return tickets
    .filter(({ state, expiresMs }) => state === 'open' && expiresMs - nowMs < TICKET_ENDS_MS)
    .map(({ id, volume, role, usesLeft, expiresMs }) => ({
      subject: id,
      message:
        `the ticket ${id} to ${volume} (${role}), with ${many(usesLeft, 'use')} left, ` +
        `ends on ${timeText(expiresMs)}`,
      next: 'nothing, if nobody waits for it; else make another with "shoal invite"',
    }))
}
