// How fast a member may make the log of a volume grow: a token bucket of each author, by what its
// role has to say. It tells when an entry is taken, never whether: each node keeps its own, and
// what is over it waits there (docs/formats/log.md#growth).
//
// The bucket is a time T, up to which the author has used its rate (GCRA, ITU-T I.371). An entry
// uses from T on, or from when it was made, whichever is later: what was written over a long time
// and comes at once, to a newcomer, is all taken at once. What is made at once waits. A clock set
// back helps its author by CREDIT_MS at most, and once.
import type { Role } from '../roles.ts'
import { DAY_MS, KIB, MIB, SECOND_MS } from '../units.ts'
import type { WallTime } from '../units.ts'
import type { Op } from '../op/op.ts'

/** An entry takes its bytes, unpacked, and so many for its records. */
export const ENTRY_OVERHEAD: number = 1 * KIB
/** Unused allowance of an author counts for this long. */
const CREDIT_MS: number = 1 * DAY_MS

/** In bytes, or moves that are done again. */
export interface GrowthRate {
  readonly burst: number
  readonly perMs: number
}

const perSecond = (bytes: number): number => bytes / SECOND_MS

/**
 * Above what honest bulk work makes: a thousand small files a second, with their content in the
 * log.
 */
const WRITER: GrowthRate = { burst: 512 * MIB, perMs: perSecond(4 * MIB) }
/** Which shards it holds, made anew at full speed. */
const KEEPER: GrowthRate = { burst: 32 * MIB, perMs: perSecond(8 * KIB) }
/** Its name, now and then what it has read; what it writes under no role that is known. */
const READER: GrowthRate = { burst: 4 * MIB, perMs: perSecond(512) }

/**
 * Moves of folders that are undone and done again, and folders on the way up from them, since older
 * moves came: some seconds of a processor at once, then a tenth of one.
 */
export const REDONE: GrowthRate = { burst: 1_000_000, perMs: perSecond(50_000) }

export function growthRateOf(role: Role | undefined): GrowthRate {
  switch (role) {
    case 'admin':
    case 'recovery':
    case 'writer':
    case 'appender':
      return WRITER
    case 'keeper':
      return KEEPER
    default:
      return READER
  }
}

/** T after an entry more, of so much. usedMs: T before. madeMs: the entry's clock. */
export function use(
  usedMs: number,
  amount: number,
  { rate, madeMs, nowMs }: { rate: GrowthRate; madeMs: number; nowMs: WallTime },
): number {
  const from = Math.max(usedMs, Math.min(madeMs, nowMs), nowMs - CREDIT_MS)
  return from + amount / rate.perMs
}

/** How long until one whose T is this may go on; 0: now. */
export function waitMs(usedMs: number, rate: GrowthRate, nowMs: WallTime): number {
  return Math.max(0, Math.ceil(usedMs - rate.burst / rate.perMs - nowMs))
}

/** Does the op make something, or say more of something? */
/**
 * Does the op make something, or say more of something? A full node refuses to make such; what
 * removes, or says where data lies, goes on.
 */
export function isGrowing(op: Op): boolean {
  switch (op.kind) {
    case 'mkdir':
    case 'create':
    case 'link':
    case 'move':
    case 'move-dir':
    case 'attributes':
    case 'pin':
    case 'pin-cold':
    case 'snapshot':
      return true
    case 'xattr':
      return op.value !== undefined
    case 'version':
      return op.size > 0
    default:
      return false
  }
}
