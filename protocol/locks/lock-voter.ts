// One voter on the locks of a volume. It keeps leases (Gray and Cheriton, "Leases", SOSP 1989) in memory; who has one of
// a majority of the voters (R. Thomas, "A majority consensus approach", TODS 1979) has the lock. Invariants:
//   at no time has it granted locks to two sessions that exclude each other
//   what it granted it keeps for LEASE_MS; having forgotten (a start) or come anew to this office, it is silent as long
//     (PaxosLease: Trencséni et al., arXiv:1209.4187), so that no majority ever forgets what somebody counts on
// Who waits is served in the order in which they came, if all ask this voter first; but who holds something of a file
// already is not held up by who waits for it, and nobody comes before others for longer than TURN_MS.
import type { Instant } from '../units.ts'
import { LEASE_MS } from './claim.ts'
import type { Claim, FileLocks, Verdict } from './claim.ts'
import { inTheWay, includes } from './held-locks.ts'

/** Whoever has not come again for so long does not wait any more. */
const WAITS_MS = 600
/** Whoever has not got the lock so long after it came loses its place. */
const TURN_MS = 3000
/** Sessions that wait, or hold locks, at most. */
const SESSIONS_MAX = 1024

interface Session {
  number: number
  locks: readonly FileLocks[]
  until: number
}

interface Waiting {
  readonly session: string
  wanted: FileLocks
  readonly since: number
  until: number
}

export class LockVoter {
  readonly #sessions = new Map<string, Session>()
  #waiting: Waiting[] = []
  #voters: string
  #silentUntil: number

  /** voters: who decides, as far as the log here tells. */
  constructor(voters: string, now: Instant) {
    this.#voters = voters
    this.#silentUntil = now + LEASE_MS
  }

  /** voters: who decides now, as far as the log here tells. */
  answer(claim: Claim, voters: string, now: Instant): Verdict {
    if (voters !== this.#voters) this.#beginAnew(voters, now)
    if (claim.voters !== voters) return { kind: 'stale' }
    if (now < this.#silentUntil) return { kind: 'starting' }
    this.#forget(now)
    const known = this.#sessions.get(claim.session)
    if (known !== undefined && claim.number <= known.number) return { kind: 'stale' }
    if (known !== undefined) known.number = claim.number
    if (this.#isBusy(claim, known, now)) {
      if (claim.isFirst && claim.isPatient) this.#queue(claim, now)
      return { kind: 'busy' }
    }
    this.#waiting = this.#waiting.filter(
      ({ session, wanted }) => session !== claim.session || !isOne(claim, wanted),
    )
    const { session, number, locks } = claim
    this.#sessions.set(session, { number, locks, until: now + LEASE_MS })
    return { kind: 'granted' }
  }

  /** What somebody else than a session holds that is in the way of what it wants. */
  inTheWay(session: string, wanted: FileLocks, now: Instant): FileLocks | undefined {
    this.#forget(now)
    for (const [other, { locks }] of this.#sessions) {
      if (other === session) continue
      const same = locks.find((lock) => isSameFile(lock, wanted))
      const lock = same && inTheWay(same.held, wanted.held)
      if (lock !== undefined) return { ...wanted, held: [lock] }
    }
    return undefined
  }

  #beginAnew(voters: string, now: Instant): void {
    this.#voters = voters
    this.#silentUntil = now + LEASE_MS
    this.#sessions.clear()
    this.#waiting = []
  }

  #forget(now: Instant): void {
    for (const [session, { until }] of this.#sessions)
      if (until <= now) this.#sessions.delete(session)
    this.#waiting = this.#waiting.filter(({ until }) => until > now)
  }

  #isBusy(claim: Claim, known: Session | undefined, now: Instant): boolean {
    if (known === undefined && this.#sessions.size >= SESSIONS_MAX) return true
    const had = (lock: FileLocks): FileLocks | undefined =>
      known?.locks.find((one) => isSameFile(one, lock))
    const isHeld = claim.locks
      .filter((lock) => !includes(had(lock)?.held ?? [], lock.held))
      .some((lock) => this.inTheWay(claim.session, lock, now) !== undefined)
    const wanted = claim.locks[claim.wanted ?? -1]
    if (isHeld || wanted === undefined || !claim.isFirst) return isHeld
    return had(wanted) === undefined && this.#isBehind(claim.session, wanted, now)
  }

  /** Does somebody wait who came earlier? */
  #isBehind(session: string, wanted: FileLocks, now: Instant): boolean {
    for (const other of this.#waiting) {
      if (other.session === session && isSameFile(other.wanted, wanted)) return false
      const isTheirTurn = now - other.since < TURN_MS && other.session !== session
      if (!isTheirTurn || !isSameFile(other.wanted, wanted)) continue
      if (inTheWay(other.wanted.held, wanted.held) !== undefined) return true
    }
    return false
  }

  #queue(claim: Claim, now: Instant): void {
    const wanted = claim.locks[claim.wanted ?? -1]
    if (wanted === undefined) return
    const until = now + WAITS_MS
    const known = this.#waiting.find(
      (one) => one.session === claim.session && isSameFile(one.wanted, wanted),
    )
    if (known !== undefined) Object.assign(known, { wanted, until })
    else if (this.#waiting.length < SESSIONS_MAX)
      this.#waiting.push({ session: claim.session, wanted, since: now, until })
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
