// Conditions about the data of volumes: whether it can be read, how much may be lost, what was
// lost or set aside.
import { shellWord } from '../../protocol/shell-word.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { VolumeStatus } from '../control/status.ts'
import type { Facts, Found } from './facts.ts'
import { listed, many, timeText, withoutEnd } from './wording.ts'

export function stripesLost(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, stripes, waiting, cold }) => {
    if (stripes.lost === 0) return []
    const away = listed(waiting.gone)
    const who = away === '' ? '' : ` (gone: ${away})`
    const tier = cold.only > 0 ? '' : ', and in no cold tier'
    return [
      {
        message: `${many(stripes.lost, 'stripe')} of ${name} cannot be read now${tier}${who}`,
        next: 'start the machines that hold them; "shoal peer ls" says which are away',
      },
    ]
  })
}

export function stripesAtRisk(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, stripes: { atRisk } }) =>
    atRisk === 0
      ? []
      : [
          {
            message: `${many(atRisk, 'stripe')} of ${name} can be read, but not if one more machine is lost`,
            next: 'start machines that are away, or add one; "shoal status" says what repair waits for',
          },
        ],
  )
}

export function stripesDegraded(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, stripes: { degraded }, class: wanted, tolerates }) =>
    degraded === 0
      ? []
      : [
          {
            message:
              `${many(degraded, 'stripe')} of ${name} ${degraded === 1 ? 'lacks' : 'lack'} shards ` +
              `(class ${wanted}); any ${many(tolerates, 'machine')} may still be lost`,
            next: 'start machines that are away, or add one; "shoal status" says what repair waits for',
          },
        ],
  )
}

export function notPlaced(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, unplacedBytes, logCopies: { nodes } }) =>
    unplacedBytes === 0 || nodes < 2
      ? []
      : [
          {
            message: `${formatBytes(unplacedBytes)} written to ${name} here are on this machine only`,
            next: 'leave it on until another machine is reached; "shoal peer ls" says which are away',
          },
        ],
  )
}

export function sameZone(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, degradedPlacement: stripes }) =>
    stripes === 0
      ? []
      : [
          {
            message: `one zone has more shards of ${many(stripes, 'stripe')} of ${name} than may be lost`,
            next: 'add a machine in another zone, or set "zone" in config.yaml as it is',
          },
        ],
  )
}

export function repairThrottled(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, upkeep }) =>
    upkeep.brake
      ? [
          {
            message: `many machines of ${name} went away at once: only stripes at risk are repaired`,
            next: 'check the network of this machine; remove machines that are lost with "shoal peer rm"',
          },
        ]
      : [],
  )
}

export function massLoss(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ massLosses }) =>
    massLosses.map(({ volume, member, atMs }) => ({
      subject: `${volume}, ${member}`,
      message:
        `${member} replaced or removed much of ${volume} after ${timeText(atMs)}: ` +
        'what stood then is kept',
      next:
        `bring it back with "shoal loss restore ${shellWord(volume)}", ` +
        `or say it was meant: "shoal loss dismiss ${shellWord(volume)}"`,
    })),
  )
}

export function falseFiles(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, falseFiles: files }) => {
    const [first] = files
    if (first === undefined) return []
    const more = files.length > 1 ? ` and ${many(files.length - 1, 'more file')}` : ''
    return [
      {
        message: `${first.path}${more} of ${name}, by ${first.author}, cannot be read by anyone`,
        next: 'remove it, or restore another version of it; "shoal status" names all',
      },
    ]
  })
}

export function conflicts(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, conflicts: number }) =>
    number === 0
      ? []
      : [
          {
            message: `${many(number, 'conflict')} in ${name}: files that were changed on two machines at once`,
            next: 'see "shoal conflicts ls", and keep one with "shoal conflicts resolve"',
          },
        ],
  )
}

export function oldVersionsDropped(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, relief }) =>
    relief === undefined
      ? []
      : [
          {
            message: `versions of ${name} that ended before ${timeText(relief.endedUpToMs)} were given up`,
            next: 'free some space or add a machine; "shoal volume set relief=off" keeps them and fills the disk',
          },
        ],
  )
}

export function versionsShortened(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, shortening }) =>
    shortening === undefined
      ? []
      : [
          {
            message: `${name} keeps fewer versions (${shortening.versions}) from ${timeText(shortening.fromMs)} on`,
            next: 'nothing, if that was meant; else an admin sets "versions" as it was before then',
          },
        ],
  )
}

export function garbageStuck(facts: Facts): Found[] {
  return ofVolumes(facts, ({ name, garbageFault }) =>
    garbageFault === undefined
      ? []
      : [
          {
            message: `no space of ${name} comes back: ${withoutEnd(garbageFault)}`,
            next: 'run "shoal gc" and follow what it says',
          },
        ],
  )
}

export function coldFailing(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ name, tierFailures = [] }) =>
    tierFailures.map(({ tier, message }) => ({
      subject: `${name}, ${tier}`,
      message: `nothing can be put into the cold tier ${tier} of ${name}: ${withoutEnd(message)}`,
      next: `see "shoal cold ls"; "shoal cold verify ${shellWord(tier)}" reads what it holds`,
    })),
  )
}

export function coldUntrusted(facts: Facts): Found[] {
  return facts.status.volumes.flatMap(({ name, tiersToTrust }) =>
    tiersToTrust.map((tier) => ({
      subject: `${name}, ${tier}`,
      message: `the cold tier ${tier} of ${name} is not used by this machine yet`,
      next: `see where it is and agree with "shoal cold trust ${shellWord(tier)}"`,
    })),
  )
}

/** Looks in each volume; what is found is about that volume. */
function ofVolumes(
  { status }: Facts,
  find: (volume: VolumeStatus) => readonly Omit<Found, 'subject'>[],
): Found[] {
  return status.volumes.flatMap((volume) =>
    find(volume).map((found) => ({ subject: volume.name, ...found })),
  )
}
