// Challenges the holders of a volume's shards: a random leaf with its Merkle proof, of a random shard that the map says
// they hold. Who sends other bytes is taken to hold the shard no more, at once. Who does not answer, or says that it has
// no such shard, gets the same challenge in the next rounds, and it counts when it failed all of them while it was
// connected (Storj's "containment"): so nobody is blamed for a map that was ahead of it. Silence is proof only of one who
// answers for other shards, or who is silent for a whole grace: otherwise the network between the two is to blame. A peer
// that was found out is asked for much more, and taken at its word when it says that it has no such shard.
//
// 458 random challenges find with 99 % that 1 % of the shards is gone. They prove that a peer can get the bytes, not that
// it has a disk of its own for them (Juels, Kaliski, "PORs", CCS 2007): enough among people who know each other.
import { hasCode } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { stripeIn } from '../../protocol/placement/placement-group.ts'
import { verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { GIB, MINUTE_MS, SECOND_MS, divCeil } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { StripeGroup, StripeMap } from '../data/stripe-map.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import type { Distrust } from './distrust.ts'

/** Time between two rounds: each peer gets 48 challenges a day, or more if it holds much. */
export const AUDIT_EVERY_MS: number = 30 * MINUTE_MS

/** Another challenge of a round for each of these that a peer holds: 1 % of a TiB lost is found in a day. */
const BYTES_PER_CHALLENGE: number = 64 * GIB
const CHALLENGES_MAX = 32
/** Of a round, for a peer that is distrusted. */
const SUSPECT_CHALLENGES = 256
const PAUSE_MS: number = SECOND_MS
const ANSWER_MS: number = MINUTE_MS
/** So often a challenge fails before that counts. */
const FAILURES_MAX = 3

export interface AuditParts {
  readonly map: Pick<StripeMap, 'stripe' | 'groups' | 'stripesOf' | 'recordShards' | 'mayStore'>
  readonly client: Pick<ShardClient, 'get'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly clock: Pick<Clock, 'now' | 'sleep' | 'timeout'>
  readonly random: Random
  readonly distrust: Distrust
  /** After how long a silence a peer is taken for lost. */
  readonly graceMs: () => number
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

interface Challenge {
  readonly peer: PeerId
  readonly stripe: StripeId
  readonly index: number
  readonly leaf: number
}

/** A challenge that a peer has failed, and meets again before it gets others. */
interface Contained extends Challenge {
  readonly since: Instant
  failures: number
}

/** proven: it holds the leaf. wrong: it sent other bytes. damaged, absent: it says so itself. silent: any other answer. */
type Outcome = 'proven' | 'wrong' | 'damaged' | 'absent' | 'silent'

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
    const { map, network } = this.#parts
    if (!map.mayStore(network.self)) return
    for (const peer of network.peers()) {
      const contained = this.#contained.get(peer)
      if (contained !== undefined) await this.#challenge(contained, signal)
      const count = this.#countFor(peer)
      for (let n = 0; n < count; n++) {
        const challenge = await this.#choose(peer)
        if (challenge === undefined) break
        if ((await this.#challenge(challenge, signal)) === 'silent') break
      }
    }
  }

  #groupsOf(peer: PeerId): StripeGroup[] {
    return this.#parts.map.groups().filter(({ holders }) => holders.flat().includes(peer))
  }

  #countFor(peer: PeerId): number {
    const bytes = this.#groupsOf(peer).reduce((sum, { shardBytes }) => sum + shardBytes, 0)
    if (this.#parts.distrust.isAvoided(peer)) return SUSPECT_CHALLENGES
    return Math.min(CHALLENGES_MAX, 1 + Math.floor(bytes / BYTES_PER_CHALLENGE))
  }

  async #challenge(challenge: Challenge, signal: AbortSignal): Promise<Outcome> {
    const { clock } = this.#parts
    signal.throwIfAborted()
    const outcome = await this.#ask(challenge, signal)
    signal.throwIfAborted()
    await this.#judge(challenge, outcome)
    await clock.sleep(PAUSE_MS, { signal })
    return outcome
  }

  async #judge(challenge: Challenge, outcome: Outcome): Promise<void> {
    const { map, clock, distrust, log } = this.#parts
    const { peer, stripe, index, leaf } = challenge
    if (outcome === 'proven') this.#provenAt.set(peer, clock.now())
    const isAscribed = map.stripe(stripe)?.holders[index]?.includes(peer) === true
    if (isAscribed && outcome !== 'proven' && !this.#counts(outcome, challenge)) return
    const contained = this.#contained.get(peer)
    if (contained?.stripe === stripe && contained.index === index) this.#contained.delete(peer)
    if (!isAscribed || outcome === 'proven') return
    log('a peer does not hold a shard as the map says', { peer, stripe, index, leaf, outcome })
    if (outcome !== 'damaged') distrust.distrust(peer)
    await map.recordShards(stripe, [{ index, peer, isHeld: false }])
  }

  /** Is it proven now that the shard is not there? Otherwise the peer meets the challenge again. */
  #counts(outcome: Exclude<Outcome, 'proven'>, challenge: Challenge): boolean {
    const { network, distrust, clock, graceMs } = this.#parts
    const { peer } = challenge
    if (outcome === 'wrong' || outcome === 'damaged') return true
    if (outcome === 'absent' && distrust.isAvoided(peer)) return true
    const now = clock.now()
    const contained = this.#contained.get(peer) ?? { ...challenge, since: now, failures: 0 }
    this.#contained.set(peer, contained)
    // One that has gone is for the detector; and this may be another challenge.
    if (contained !== challenge && contained.failures > 0) return false
    if (network.peers().includes(peer)) contained.failures++
    if (contained.failures < FAILURES_MAX) return false
    if (outcome === 'absent' || now - contained.since >= graceMs()) return true
    return (this.#provenAt.get(peer) ?? -Infinity) > contained.since
  }

  async #ask({ peer, stripe, index, leaf }: Challenge, signal: AbortSignal): Promise<Outcome> {
    const { map, client, clock } = this.#parts
    const { shardBytes = 0, shardRoots } = map.stripe(stripe)?.header ?? {}
    const offset = leaf * SHARD_LEAF
    const length = Math.min(SHARD_LEAF, shardBytes - offset)
    const root = shardRoots?.[index]
    // Swept meanwhile.
    if (root === undefined || length <= 0) return 'silent'
    try {
      const range = { stripe, index, offset, length }
      const options = { proof: true, signal: clock.timeout(ANSWER_MS, signal) }
      const { bytes, proof } = await client.get(peer, range, options)
      return verifyShardRange(root, shardBytes, leaf, bytes, proof) ? 'proven' : 'wrong'
    } catch (error) {
      if (hasCode(error, 'corrupt')) return 'damaged'
      return hasCode(error, 'ENOENT') ? 'absent' : 'silent'
    }
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
    const leaf = Math.floor(random.number() * divCeil(header.shardBytes, SHARD_LEAF))
    return { peer, stripe, index, leaf }
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
