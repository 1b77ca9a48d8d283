// One voter on the locks of a volume. It keeps leases (Gray and Cheriton, "Leases", SOSP 1989) in
// memory; who has one of a majority of the voters (R. Thomas, "A majority consensus approach", TODS
// 1979) has the lock. Invariants:
//   at no time has it granted locks to two sessions that exclude each other
//   what it granted it keeps for LEASE_MS; having forgotten (a start) or come anew to this office,
//     it is silent as long (PaxosLease: Trencséni et al., arXiv:1209.4187), so that no majority
//     ever forgets what somebody counts on
//   a session is of the member that opened it, by the connection: nobody else renews it or gives it
//     up
//   what a member holds is bounded, over all of its sessions; one that may only read holds shared
//     locks alone, and is in the way of others for READERS_MS at most, and then has none of the
//     file for REST_MS
// Who waits is served in the order in which they came, if all ask this voter first; but who holds
// something of a file already is not held up by who waits for it, and nobody comes before others
// for longer than TURN_MS.
import type { PeerId } from '../ids.ts'
import { LOCKS_MAX } from '../limits.ts'
import { enforces } from '../trust.ts'
import { SECOND_MS } from '../units.ts'
import type { Instant } from '../units.ts'
import { LEASE_MS } from './claim.ts'
import type { Claim, FileLocks, Verdict } from './claim.ts'
import { inTheWay, includes } from './held-locks.ts'

/** Whoever has not come again for so long does not wait any more. */
const WAITS_MS = 600
/** Whoever has not got the lock so long after it came loses its place. */
const TURN_MS = 3000
/**
 * Sessions that wait, or hold locks, at most; and of one member: it begins another when it has lost
 * all, or starts anew.
 */
const SESSIONS_MAX = 1024
const SESSIONS_OF_ONE_MAX = 4
/**
 * Those who may only read are in the way of others for so long, and then not for so long. Who wants
 * the lock asks the other voters once the first has granted it: these have time to do so while the
 * first still holds readers off.
 */
export const READERS_MS: number = 20 * SECOND_MS
export const REST_MS: number = 2 * READERS_MS
/** Nobody wants what they hold who has not asked for it for so long. */
const WANTED_MS: number = LEASE_MS

/** The sender of a request, known by its connection. */
export interface LockAsker {
  readonly peer: PeerId
  /** It may not write. */
  readonly isReader: boolean
}

/** The locks of a member in one file, and since when. */
export interface LockHolder {
  readonly peer: PeerId
  readonly locks: FileLocks
  readonly since: Instant
}

interface Session {
  readonly asker: LockAsker
  number: number
  locks: readonly FileLocks[]
  until: number
  /** By file and family. */
  since: ReadonlyMap<string, Instant>
}

interface Waiting {
  readonly key: string
  readonly peer: PeerId
  wanted: FileLocks
  readonly since: number
  until: number
}

/** Readers are in the way, of one file, since then; when somebody was refused for it last. */
interface Contention {
  readonly since: number
  at: number
}

export class LockVoter {
  /** By member and session. */
  readonly #sessions = new Map<string, Session>()
  #waiting: Waiting[] = []
  readonly #contended = new Map<string, Contention>()
  #voters: string
  #silentUntil: number

  /** voters: who decides, as far as the log here tells. */
  constructor(voters: string, now: Instant) {
    this.#voters = voters
    this.#silentUntil = now + LEASE_MS
  }

  /** voters: who decides now, as far as the log here tells. */
  answer(claim: Claim, asker: LockAsker, voters: string, now: Instant): Verdict {
    if (voters !== this.#voters) this.#beginAnew(voters, now)
    if (claim.voters !== voters) return { kind: 'stale' }
    if (now < this.#silentUntil) return { kind: 'starting' }
    this.#forget(now)
    const key = keyOf(claim.session, asker.peer)
    const known = this.#sessions.get(key)
    if (known !== undefined && claim.number <= known.number) return { kind: 'stale' }
    if (known !== undefined) known.number = claim.number
    if (!this.#isWithinShare(claim, key, asker, now)) return { kind: 'busy' }
    if (this.#isBusy(claim, key, asker, now)) {
      if (claim.isFirst && claim.isPatient) this.#queue(claim, key, asker, now)
      return { kind: 'busy' }
    }
    this.#waiting = this.#waiting.filter(
      ({ key: other, wanted }) => other !== key || !isOne(claim, wanted),
    )
    const { number, locks } = claim
    const since = new Map(
      locks.map((lock) => [fileKey(lock), known?.since.get(fileKey(lock)) ?? now] as const),
    )
    this.#sessions.set(key, { asker, number, locks, until: now + LEASE_MS, since })
    return { kind: 'granted' }
  }

  /** The locks of others that conflict with the wanted ones. */
  inTheWay(session: string, peer: PeerId, wanted: FileLocks, now: Instant): FileLocks | undefined {
    this.#forget(now)
    return this.#obstacle(keyOf(session, peer), wanted)?.lock
  }

  /** All holders and their locks. */
  holders(now: Instant): readonly LockHolder[] {
    this.#forget(now)
    return [...this.#sessions.values()].flatMap(({ asker: { peer }, locks, since }) =>
      locks
        .filter(({ held }) => held.length > 0)
        .map((lock) => ({ peer, locks: lock, since: since.get(fileKey(lock)) ?? now })),
    )
  }

  #obstacle(
    key: string,
    wanted: FileLocks,
  ): { readonly lock: FileLocks; readonly isReader: boolean } | undefined {
    for (const [other, { asker, locks }] of this.#sessions) {
      if (other === key) continue
      const same = locks.find((lock) => isSameFile(lock, wanted))
      const lock = same && inTheWay(same.held, wanted.held)
      if (lock !== undefined) return { lock: { ...wanted, held: [lock] }, isReader: asker.isReader }
    }
    return undefined
  }

  #beginAnew(voters: string, now: Instant): void {
    this.#voters = voters
    this.#silentUntil = now + LEASE_MS
    this.#sessions.clear()
    this.#contended.clear()
    this.#waiting = []
  }

  #forget(now: Instant): void {
    for (const [session, { until }] of this.#sessions)
      if (until <= now) this.#sessions.delete(session)
    this.#waiting = this.#waiting.filter(({ until }) => until > now)
    for (const [file, { since, at }] of this.#contended) {
      const isOver = now >= since + READERS_MS + REST_MS
      const isResting = now >= since + READERS_MS && !isOver
      if (isOver || (!isResting && now - at > WANTED_MS)) this.#contended.delete(file)
    }
  }

  /** Is it no more than a member may hold, and what one in its role may? */
  #isWithinShare(
    { locks }: Claim,
    key: string,
    { peer, isReader }: LockAsker,
    now: Instant,
  ): boolean {
    if (!enforces('locks-within-share')) return true
    const others = [...this.#sessions].filter(
      ([other, { asker }]) => other !== key && asker.peer === peer,
    )
    if (!this.#sessions.has(key) && others.length >= SESSIONS_OF_ONE_MAX) return false
    const count = [...others.flatMap(([, session]) => session.locks), ...locks].reduce(
      (sum, { held }) => sum + held.length,
      0,
    )
    if (count > LOCKS_MAX) return false
    if (!isReader) return true
    return locks.every(
      (lock) =>
        lock.held.every(({ kind }) => kind === 'shared') && !this.#areReadersResting(lock, now),
    )
  }

  #areReadersResting(lock: FileLocks, now: Instant): boolean {
    const contention = this.#contended.get(fileKey(lock))
    return contention !== undefined && now - contention.since >= READERS_MS
  }

  #isBusy(claim: Claim, key: string, { isReader }: LockAsker, now: Instant): boolean {
    const known = this.#sessions.get(key)
    if (known === undefined && this.#sessions.size >= SESSIONS_MAX) return true
    const had = (lock: FileLocks): FileLocks | undefined =>
      known?.locks.find((one) => isSameFile(one, lock))
    const isHeld = claim.locks
      .filter((lock) => !includes(had(lock)?.held ?? [], lock.held))
      .some((lock) => this.#isHeld(key, lock, isReader, now))
    const wanted = claim.locks[claim.wanted ?? -1]
    if (isHeld || wanted === undefined || !claim.isFirst) return isHeld
    return had(wanted) === undefined && this.#isBehind(key, wanted, now)
  }

  /** A lease is never broken: readers whose time is over renew theirs no more. */
  #isHeld(key: string, wanted: FileLocks, isReader: boolean, now: Instant): boolean {
    const obstacle = this.#obstacle(key, wanted)
    if (obstacle === undefined) return false
    if (obstacle.isReader && !isReader) this.#contend(fileKey(wanted), now)
    return true
  }

  #contend(file: string, now: Instant): void {
    const known = this.#contended.get(file)
    if (known !== undefined) known.at = now
    else if (this.#contended.size < SESSIONS_MAX) this.#contended.set(file, { since: now, at: now })
  }

  /** Does somebody wait who came earlier? */
  #isBehind(key: string, wanted: FileLocks, now: Instant): boolean {
    for (const other of this.#waiting) {
      if (other.key === key && isSameFile(other.wanted, wanted)) return false
      const isTheirTurn = now - other.since < TURN_MS && other.key !== key
      if (!isTheirTurn || !isSameFile(other.wanted, wanted)) continue
      if (inTheWay(other.wanted.held, wanted.held) !== undefined) return true
    }
    return false
  }

  /** One place of a member for each file. Who may only read holds up nobody so. */
  #queue(claim: Claim, key: string, { peer, isReader }: LockAsker, now: Instant): void {
    const wanted = claim.locks[claim.wanted ?? -1]
    if (wanted === undefined || isReader) return
    const until = now + WAITS_MS
    const known = this.#waiting.find((one) => one.peer === peer && isSameFile(one.wanted, wanted))
    if (known?.key === key) Object.assign(known, { wanted, until })
    else if (known === undefined && this.#waiting.length < SESSIONS_MAX)
      this.#waiting.push({ key, peer, wanted, since: now, until })
  }
}

/** Is it of the file that the claim wants? */
function isOne(claim: Claim, lock: FileLocks): boolean {
  const wanted = claim.locks[claim.wanted ?? -1]
  return wanted !== undefined && isSameFile(wanted, lock)
}

export function isSameFile(a: FileLocks, b: FileLocks): boolean {
  return a.file === b.file && a.family === b.family
}

function fileKey({ file, family }: FileLocks): string {
  return `${family} ${file}`
}

function keyOf(session: string, peer: PeerId): string {
  return enforces('lock-sessions-by-member') ? `${peer} ${session}` : session
}
