// Challenges the holders of a volume's shards: a random leaf with its Merkle proof, of a random
// shard that the map says they hold. Who sends other bytes is not believed any more to hold the
// shard, at once. Who does not answer, or says that it has no such shard, gets the same challenge
// in the next rounds, and it counts when it failed all of them while it was connected (Storj's
// "containment"): so nobody is blamed for a map that was ahead of it. Silence is proof only of one
// who answers for other shards, or who is silent for a whole grace: otherwise the network between
// the two is to blame. A peer that was found out is asked for much more, and taken at its word when
// it says that it has no such shard.
//
// 458 random challenges find with 99 % that 1 % of the shards is gone. They prove that a peer can
// get the bytes, not that it has a disk of its own for them (Juels, Kaliski, "PORs", CCS 2007):
// enough among people who know each other.
import { HASH_BYTES } from '../../protocol/hash.ts'
import { stripeIn } from '../../protocol/placement/placement-group.ts'
import { GIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { BelievedShard } from '../shard-map/disbelieved-shards.ts'
import { challenge, randomLeaf } from '../stripes/challenge.ts'
import type { Outcome } from '../stripes/challenge.ts'
import type { StripeGroup, StripeMap } from '../shard-map/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import type { Quarantine } from './quarantine.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Time between two rounds: each peer gets 48 challenges a day, or more if it holds much. */
export const AUDIT_EVERY_MS: number = 30 * MINUTE_MS

/**
 * Another challenge of a round for each of these that a peer holds: 1 % of a TiB lost is found in a
 * day.
 */
const BYTES_PER_CHALLENGE: number = 64 * GIB
const CHALLENGES_MAX = 32
/** Challenges of a round for a peer that was found out within a day. */
const SUSPECT_CHALLENGES = 256
const PAUSE_MS: number = SECOND_MS
/** Challenges of a round for disbelieved shards. */
const AGAIN_MAX = 8
/** So often a challenge fails before that counts. */
const FAILURES_MAX = 3

export interface AuditParts {
  readonly map: Pick<
    StripeMap,
    'stripe' | 'groups' | 'stripesOf' | 'believe' | 'disbelieve' | 'disbelieved' | 'mayStore'
  >
  readonly client: Pick<ShardClient, 'get'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly clock: Pick<Clock, 'now' | 'sleep' | 'timeout'>
  readonly random: Random
  readonly quarantine: Quarantine
  /** After how long a silence a peer is taken for lost. */
  readonly graceMs: () => number
  readonly log: WriteLog
}

interface Challenge extends BelievedShard {
  readonly leaf: number
}

/** A challenge that a peer has failed, and meets again before it gets others. */
interface Contained extends Challenge {
  readonly since: Instant
  failures: number
}

export class Audit {
  readonly #parts: AuditParts
  /** One for each peer. */
  readonly #contained = new Map<PeerId, Contained>()
  /** When a peer last proved something. */
  readonly #provenAt = new Map<PeerId, Instant>()

  constructor(parts: AuditParts) {
    this.#parts = parts
  }

  /** One round: challenge every connected holder, in proportion to what it holds. */
  async run(signal: AbortSignal): Promise<void> {
    const { map, network, random } = this.#parts
    if (!map.mayStore(network.self)) return
    for (const peer of network.peers()) {
      if (random.unlucky('repair.audit-leaves-out')) continue
      const contained = this.#contained.get(peer)
      if (contained !== undefined) await this.#challenge(contained, signal)
      const count = this.#countFor(peer)
      for (let n = 0; n < count; n++) {
        const chosen = await this.#choose(peer)
        if (chosen === undefined) break
        if ((await this.#challenge(chosen, signal)) === 'silent') break
      }
      await this.#askAgain(peer, signal)
    }
  }

  /**
   * Some of what it says that it holds, and is not believed: it may have been damaged, or away, and
   * have it again.
   */
  async #askAgain(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { map, random } = this.#parts
    for (const shard of map.disbelieved({ peer }).slice(-AGAIN_MAX)) {
      const header = map.stripe(shard.stripe)?.header
      if (header === undefined) continue
      const leaf = randomLeaf(random, header)
      if ((await this.#challenge({ ...shard, leaf }, signal)) === 'silent') return
    }
  }

  #groupsOf(peer: PeerId): StripeGroup[] {
    return this.#parts.map
      .groups()
      .filter(({ holders, isSwept }) => !isSwept && holders.flat().includes(peer))
  }

  #countFor(peer: PeerId): number {
    const bytes = this.#groupsOf(peer).reduce((sum, { shardBytes }) => sum + shardBytes, 0)
    if (this.#parts.quarantine.isSuspect(peer)) return SUSPECT_CHALLENGES
    return Math.min(CHALLENGES_MAX, 1 + Math.floor(bytes / BYTES_PER_CHALLENGE))
  }

  async #challenge(asked: Challenge, signal: AbortSignal): Promise<Outcome> {
    const { clock } = this.#parts
    signal.throwIfAborted()
    const outcome = await this.#ask(asked, signal)
    signal.throwIfAborted()
    this.#judge(asked, outcome)
    await clock.sleep(PAUSE_MS, { signal })
    return outcome
  }

  #judge(asked: Challenge, outcome: Outcome): void {
    const { map, clock, quarantine, log } = this.#parts
    const { peer, stripe, index, leaf } = asked
    if (outcome === 'proven') this.#provenAt.set(peer, clock.now())
    if (outcome === 'proven') map.believe({ stripe, index, peer })
    const isAscribed = map.stripe(stripe)?.holders[index]?.includes(peer) === true
    if (isAscribed && outcome !== 'proven' && !this.#counts(outcome, asked)) return
    const contained = this.#contained.get(peer)
    if (contained?.stripe === stripe && contained.index === index) this.#contained.delete(peer)
    if (!isAscribed || outcome === 'proven') return
    if (isPlanted('damage-left') && outcome !== 'absent') return
    log('audit.shard-missing', { peer, stripe, index, leaf, outcome })
    if (outcome !== 'damaged') quarantine.quarantine(peer)
    map.disbelieve({ stripe, index, peer })
  }

  /** Is it proven now that the shard is not there? Otherwise the peer meets the challenge again. */
  #counts(outcome: Exclude<Outcome, 'proven'>, asked: Challenge): boolean {
    const { network, quarantine, clock, graceMs } = this.#parts
    const { peer } = asked
    if (outcome === 'wrong' || outcome === 'damaged') return true
    if (outcome === 'absent' && quarantine.isSuspect(peer)) return true
    const now = clock.now()
    const contained = this.#contained.get(peer) ?? { ...asked, since: now, failures: 0 }
    this.#contained.set(peer, contained)
    // One that has gone is for the detector; and this may be another challenge.
    if (contained !== asked && contained.failures > 0) return false
    if (network.peers().includes(peer)) contained.failures++
    if (contained.failures < FAILURES_MAX) return false
    if (outcome === 'absent' || now - contained.since >= graceMs()) return true
    return (this.#provenAt.get(peer) ?? -Infinity) > contained.since
  }

  async #ask(asked: Challenge, signal: AbortSignal): Promise<Outcome> {
    const header = this.#parts.map.stripe(asked.stripe)?.header
    // Swept meanwhile.
    if (header === undefined) return 'silent'
    return challenge(this.#parts, asked, header, asked.leaf, { signal })
  }

  /** A random leaf of a random stripe; undefined if the peer holds none any more. */
  async #choose(peer: PeerId): Promise<Challenge | undefined> {
    const { map, random } = this.#parts
    const groups = this.#groupsOf(peer)
    let at = random.number() * groups.reduce((sum, { count }) => sum + count, 0)
    const group = groups.find(({ count }) => (at -= count) < 0)
    const stripe = group === undefined ? undefined : await this.#stripeOf(group)
    if (stripe === undefined) return undefined
    const { header, holders = [] } = map.stripe(stripe) ?? {}
    const held = [...holders.keys()].filter((each) => holders[each]?.includes(peer) === true)
    const index = held[Math.floor(random.number() * held.length)]
    if (header === undefined || index === undefined) return undefined
    return { peer, stripe, index, leaf: randomLeaf(random, header) }
  }

  /** The next one after a random place. */
  async #stripeOf({ id, placementGroup }: StripeGroup): Promise<StripeId | undefined> {
    const { map, random } = this.#parts
    const after = stripeIn(placementGroup, random.bytes(HASH_BYTES))
    for await (const stripe of map.stripesOf(id, { after })) return stripe
    for await (const stripe of map.stripesOf(id)) return stripe
    return undefined
  }
}
