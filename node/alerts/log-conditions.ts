// Conditions about the logs of volumes: entries that are not taken, members that lag behind.
import { shellWord } from '../../protocol/shell-word.ts'
import type { LogStatus, VolumeStatus } from '../control/status.ts'
import type { Facts, Found } from './facts.ts'
import { listed, timeText } from './wording.ts'

export function peerBehind(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ name, logCopies }) =>
    logCopies.behind.map((peer) => ({
      subject: `${name}, ${peer}`,
      message: `${peer} has not confirmed the latest changes of ${name}`,
      next: `start ${peer} and let it reach another machine, or remove it with "shoal peer rm ${shellWord(peer)}"`,
    })),
  )
}

export function peerStalled(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ name, log }) =>
    log.stalled.map((peer) => ({
      subject: `${name}, ${peer}`,
      message: `${peer} is online, and has confirmed nothing new of ${name} for hours`,
      next: `look at "shoal status" on ${peer}: its disk may be full, or it may be of an older version`,
    })),
  )
}

export function stopped(facts: Facts): Found[] {
  return ofLogs(facts, ({ stoppedAt: at }, { name }) =>
    at === undefined
      ? []
      : [
          {
            message:
              `an entry of ${at.author} could not be applied to ${name} here since ` +
              `${timeText(at.sinceMs)} (${at.reason}): what depends on it waits`,
            next: `update Shoal or give it more memory, then "shoal volume retry ${shellWord(name)}"`,
          },
        ],
  )
}

export function halted(facts: Facts): Found[] {
  return ofLogs(facts, ({ isHalted }, { name }) =>
    isHalted
      ? [
          {
            message: `a change of ${name} failed half-way: it is read-only here`,
            next: 'restart the node ("shoal down", "shoal up")',
          },
        ]
      : [],
  )
}

export function full(facts: Facts): Found[] {
  return ofLogs(facts, ({ isFull }, { name }) =>
    isFull
      ? [
          {
            message: `log and index fill what this machine may store: nothing new is written to ${name} here`,
            next: 'remove data ("shoal rm", "shoal gc"), or raise the capacity',
          },
        ]
      : [],
  )
}

export function heldBack(facts: Facts): Found[] {
  return ofLogs(facts, ({ heldBack: waiting, heldBackBy }, { name }) => {
    const own =
      heldBackBy.length === 0
        ? []
        : [`what is written here waits at ${listed(heldBackBy)}: it is more than its role may`]
    const others = waiting.length === 0 ? [] : [`entries wait of ${listed(membersOf(waiting))}`]
    const [message] = [...own, ...others]
    if (message === undefined) return []
    const next = 'it goes on by itself; if it was not meant, look at what that machine writes'
    return [{ message: `${name}: ${message}`, next }]
  })
}

export function stranded(facts: Facts): Found[] {
  return ofLogs(facts, ({ stranded: at }, { name }) =>
    at === undefined
      ? []
      : [
          {
            message:
              `${name} is read-only here: others dropped entries that this machine lacks, and ` +
              `the word of ${listed(at.missing)} on their checkpoint is missing`,
            next: `start those machines, or accept it: "shoal volume accept-checkpoint ${shellWord(at.peer)}"`,
          },
        ],
  )
}

export function stateDiffers(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ name, differsMs }) =>
    differsMs === undefined
      ? []
      : [
          {
            subject: name,
            message: `this machine and another disagree about ${name} as it was on ${timeText(differsMs)}`,
            next: 'one of them is damaged: run "shoal scrub" on each, and keep a backup of both homes',
          },
        ],
  )
}

function membersOf(waiting: LogStatus['heldBack']): string[] {
  return waiting.map(({ member }) => member)
}

function ofLogs(
  { status }: Facts,
  find: (log: LogStatus, volume: VolumeStatus) => readonly Omit<Found, 'subject'>[],
): Found[] {
  return status.volumes.flatMap((volume) =>
    find(volume.log, volume).map((found) => ({ subject: volume.name, ...found })),
  )
}
