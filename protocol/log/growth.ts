// How fast a member may make the log of a volume grow: a token bucket of each author, by what its role has to say. It tells
// when an entry is taken, never whether: each node keeps its own, and what is over it waits there (docs/formats/log.md#growth).
//
// The bucket is a time T, up to which the author has used its rate (GCRA, ITU-T I.371). An entry uses from T on, or from when
// it was made, whichever is later: what was written over a long time and comes at once, to a newcomer, is all taken at once.
// What is made at once waits. A clock set back helps its author by CREDIT_MS at most, and once.
import type { Role } from '../membership/roles.ts'
import { DAY_MS, KIB, MIB, SECOND_MS } from '../units.ts'
import type { WallTime } from '../units.ts'

/** An entry takes its bytes, unpacked, and so many for its records. */
export const ENTRY_OVERHEAD: number = 1 * KIB
/** What an author has not used counts for this long. */
const CREDIT_MS: number = 1 * DAY_MS

export interface GrowthRate {
  readonly burstBytes: number
  readonly bytesPerMs: number
}

const perSecond = (bytes: number): number => bytes / SECOND_MS

/** Above what honest bulk work makes: a thousand small files a second, with their content in the log. */
const WRITER: GrowthRate = { burstBytes: 512 * MIB, bytesPerMs: perSecond(4 * MIB) }
/** Which shards it holds, made anew at full speed. */
const KEEPER: GrowthRate = { burstBytes: 32 * MIB, bytesPerMs: perSecond(8 * KIB) }
/** Its name, now and then what it has read; what it writes under no role that is known. */
const READER: GrowthRate = { burstBytes: 4 * MIB, bytesPerMs: perSecond(512) }

export function growthRateOf(role: Role | undefined): GrowthRate {
  switch (role) {
    case 'admin':
    case 'recovery':
    case 'writer':
      return WRITER
    case 'keeper':
      return KEEPER
    default:
      return READER
  }
}

/** T after an entry more. usedMs: T before. madeMs: the entry's clock. */
export function use(
  usedMs: number,
  bytes: number,
  { rate, madeMs, nowMs }: { rate: GrowthRate; madeMs: number; nowMs: WallTime },
): number {
  const from = Math.max(usedMs, Math.min(madeMs, nowMs), nowMs - CREDIT_MS)
  return from + bytes / rate.bytesPerMs
}

/** How long until one whose T is this may go on; 0: now. */
export function waitMs(usedMs: number, rate: GrowthRate, nowMs: WallTime): number {
  return Math.max(0, Math.ceil(usedMs - rate.burstBytes / rate.bytesPerMs - nowMs))
}
