// Budgets of the cost of peers for this node: for each kind of cost a bucket of tokens per peer,
// and one for all peers together. Work that was useful costs nothing here: what is counted is what
// was refused, of no use, or asked for by nobody. Numbers and reasons: docs/limits.md. Memory: a
// record per peer that cost something lately, KNOWN_MAX at most.
//
// For whoever serves peers, the gentlest first:
//   take(peer, cost, amount)      takes it, or says that there is no room: drop or delay the work
//   spend(peer, cost, amount)     spends it in any case; who overspends is cut off for a while
//   giveBack(peer, cost, amount)  returns a cost that is held, not used up ('shards'), at its end
// `peer` is who is answerable: the peer that sent it, or of what is signed and comes by way of
// others its author.
import type { PeerId } from '../../protocol/ids.ts'
import { DAY_MS, HOUR_MS, MIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { RecordSecurity } from '../observe/security.ts'
import { TokenBucket } from '../world/token-bucket.ts'
import type { Allowance } from '../world/token-bucket.ts'
import type { Clock } from '../world/world.ts'
import { pauseAfter } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'

export type Cost =
  /** Milliseconds of this node's time on what was refused or of no use. */
  | 'work'
  /** Bytes that were received and refused. */
  | 'bytes'
  /**
   * Bytes of gossip and of the DHT, and channels opened (CHANNEL_BYTES each), whatever came of
   * them.
   */
  | 'signals'
  /** Beacons of one author, and announced entries, that are passed on. */
  | 'beacons'
  | 'heads'
  /** Bytes of shards that are kept and that no log names yet. Given back. */
  | 'shards'

export interface Allowances {
  /** The allowance of one peer; of costs that are given back, nothing comes back by itself. */
  readonly peer: Allowance
  /** The allowance of all peers together. Absent: as much as they have one by one. */
  readonly all?: Allowance
  /** In words, after "more than it may of". */
  readonly words: string
}

/** How much of each a peer may cost this node. */
export const ALLOWANCES: Readonly<Record<Cost, Allowances>> = {
  work: {
    peer: { perSecond: 50, burst: 10 * SECOND_MS },
    all: { perSecond: 200, burst: 20 * SECOND_MS },
    words: 'time on messages that were refused or of no use',
  },
  bytes: {
    peer: { perSecond: 1 * MIB, burst: 128 * MIB },
    all: { perSecond: 8 * MIB, burst: 512 * MIB },
    words: 'bytes that were refused',
  },
  signals: {
    peer: { perSecond: 4 * MIB, burst: 128 * MIB },
    words: 'gossip, DHT messages and new channels',
  },
  beacons: { peer: { perSecond: 1, burst: 60 }, words: 'beacons' },
  heads: { peer: { perSecond: 100, burst: 1000 }, words: 'announced entries' },
  shards: {
    peer: { perSecond: 0, burst: 2048 * MIB },
    all: { perSecond: 0, burst: 8192 * MIB },
    words: 'shards that no log names',
  },
}

/** The cost of a new channel, in bytes of 'signals'. */
export const CHANNEL_BYTES: number = 16 * 1024

/** The first time; twice as long each time after that, until there was none for STRIKE_MS. */
const CUT_OFFS: Pauses = { firstMs: MINUTE_MS, longestMs: HOUR_MS }
const STRIKE_MS: number = DAY_MS
const KNOWN_MAX = 4096

/** Why a peer is not served, and for how long. */
export interface CutOff {
  readonly cost: Cost
  readonly words: string
  readonly forMs: number
}

interface Account {
  readonly buckets: Map<Cost, TokenBucket>
  strikes: number
  cutOff: { readonly cost: Cost; readonly until: Instant } | undefined
}

export class PeerBudgets {
  readonly #clock: Pick<Clock, 'now'>
  readonly #security: RecordSecurity | undefined
  readonly #allowances: Readonly<Record<Cost, Allowances>>
  /** Accounts by the time of their last charge, the latest last. */
  readonly #accounts = new Map<PeerId, Account>()
  readonly #all = new Map<Cost, TokenBucket>()
  readonly #listeners = new Set<(peer: PeerId) => void>()

  constructor(
    { clock, security }: { clock: Pick<Clock, 'now'>; security?: RecordSecurity },
    allowances: Readonly<Record<Cost, Allowances>> = ALLOWANCES,
  ) {
    this.#clock = clock
    this.#security = security
    this.#allowances = allowances
  }

  /** Take it if there is room, of the peer and of all. returns whether there was. */
  take(peer: PeerId, cost: Cost, amount: number): boolean {
    const now = this.#clock.now()
    const buckets = this.#bucketsOf(peer, cost)
    if (!buckets.every((bucket) => bucket.has(amount, now))) return false
    for (const bucket of buckets) bucket.spend(amount, now)
    return true
  }

  /**
   * It is spent. Who has less than nothing left is cut off; so is who has little, where all
   * together have nothing.
   */
  spend(peer: PeerId, cost: Cost, amount: number): void {
    if (amount <= 0) return
    const now = this.#clock.now()
    const buckets = this.#bucketsOf(peer, cost)
    for (const bucket of buckets) bucket.spend(amount, now)
    const [own, all] = buckets
    const left = own.tokens(now)
    const isScarce = (all?.tokens(now) ?? 0) < 0 && left < own.allowance.burst / 2
    if (left < 0 || isScarce) this.#cutOff(peer, cost, own)
  }

  giveBack(peer: PeerId, cost: Cost, amount: number): void {
    const now = this.#clock.now()
    for (const bucket of this.#bucketsOf(peer, cost)) bucket.giveBack(amount, now)
  }

  /** Undefined: it is served. */
  cutOffOf(peer: PeerId): CutOff | undefined {
    const cutOff = this.#accounts.get(peer)?.cutOff
    if (cutOff === undefined) return undefined
    const { cost, until } = cutOff
    const forMs = until - this.#clock.now()
    return forMs <= 0 ? undefined : { cost, words: this.#allowances[cost].words, forMs }
  }

  /** Tells of each peer that is cut off from now on. */
  onCutOff(listener: (peer: PeerId) => void): void {
    this.#listeners.add(listener)
  }

  #cutOff(peer: PeerId, cost: Cost, own: TokenBucket): void {
    const account = this.#accountOf(peer)
    const now = this.#clock.now()
    const last = account.cutOff
    if (last !== undefined && now < last.until) return
    if (last === undefined || now > last.until + STRIKE_MS) account.strikes = 0
    account.strikes++
    const forMs = pauseAfter(account.strikes, CUT_OFFS)
    account.cutOff = { cost, until: (now + forMs) as Instant }
    // Tokens under way are spent meanwhile; after that it begins anew.
    own.giveBack(Infinity, now)
    this.#security?.({
      kind: 'peer-costly',
      peer,
      message:
        `${peer} is cut off for ${forMs / SECOND_MS} s: ` +
        `it exceeded its allowance of ${this.#allowances[cost].words}; ` +
        'if this continues, check that machine, or remove it with "shoal peer rm"',
    })
    for (const listener of this.#listeners) listener(peer)
  }

  #bucketsOf(peer: PeerId, cost: Cost): readonly [own: TokenBucket, ...all: TokenBucket[]] {
    const now = this.#clock.now()
    const { peer: ofOne, all: ofAll } = this.#allowances[cost]
    const own = bucketIn(this.#accountOf(peer).buckets, cost, ofOne, now)
    return ofAll === undefined ? [own] : [own, bucketIn(this.#all, cost, ofAll, now)]
  }

  #accountOf(peer: PeerId): Account {
    const known = this.#accounts.get(peer)
    const account = known ?? { buckets: new Map(), strikes: 0, cutOff: undefined }
    this.#accounts.delete(peer)
    this.#accounts.set(peer, account)
    if (known === undefined && this.#accounts.size > KNOWN_MAX) this.#forgetOne()
    return account
  }

  /** Forgets the account, of those not cut off, that was charged longest ago. */
  #forgetOne(): void {
    for (const peer of this.#accounts.keys()) {
      if (this.cutOffOf(peer) !== undefined) continue
      this.#accounts.delete(peer)
      return
    }
  }
}

function bucketIn(
  buckets: Map<Cost, TokenBucket>,
  cost: Cost,
  allowance: Allowance,
  now: Instant,
): TokenBucket {
  const known = buckets.get(cost)
  if (known !== undefined) return known
  const bucket = new TokenBucket(allowance, now)
  buckets.set(cost, bucket)
  return bucket
}
