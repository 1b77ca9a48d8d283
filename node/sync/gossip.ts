// Spreading news of one volume: own new entries at once, a beacon every beaconMs. Cost per entry:
// O(degree). What others say is for gossip-receiver.ts.
import { equalBytes } from '../../protocol/bytes.ts'
import { equalVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { BEACON_ACTORS_MAX } from '../../protocol/limits.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { enforces } from '../../protocol/trust.ts'
import { headOf, logDigest, sealGossip } from '../../protocol/wire/gossip.ts'
import type { Beacon, GossipMessage } from '../../protocol/wire/gossip.ts'
import type { Timer, World } from '../world/world.ts'
import { GossipReceiver } from './gossip-receiver.ts'
import type { GossipReceiverComponents } from './gossip-receiver.ts'
import { Neighbours } from './neighbours.ts'
import { Topics } from './topics.ts'
import type { SwarmSecurity } from '../log/security-records.ts'
import type { Replica } from '../replica/replica.ts'
import type { Volume } from '../log/volume.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/**
 * Entries of one commit told one by one; of more, only the last is named and peers ask for the
 * rest.
 */
const HEADS_AT_ONCE_MAX = 4
/**
 * Connections that come up within this share one beacon: a node that starts has many at once. The
 * next of a period waits much longer, and so on: in a large swarm some connection comes up all the
 * time, and all hear each beacon.
 */
const SOON_MS = 200
const SOON_GROWTH = 8

export interface GossipComponents extends Omit<
  GossipReceiverComponents,
  'saysTheSame' | 'neighbours'
> {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly freeBytes: () => number
  readonly usedBytes?: (() => number) | undefined
  readonly security?: SwarmSecurity | undefined
  /** Mean time between two beacons. */
  readonly beaconMs: number
}

/** The durable log as it was told, valid while the log is the same. */
interface Told extends Pick<Beacon, 'vector' | 'digest'> {
  readonly held: VersionVector
  readonly replica: Replica
}

export class Gossip {
  readonly #c: GossipComponents
  readonly #receiver: GossipReceiver
  readonly #topics: Topics
  readonly #neighbours: Neighbours
  #unlisten: (() => void)[] = []
  #timer: Timer | undefined
  readonly #soon: DebounceTimer
  #soonMs = SOON_MS
  #lastTold: Told | undefined

  constructor(components: GossipComponents) {
    this.#c = components
    const { volume, world } = components
    const saysTheSame = (beacon: Beacon): boolean => this.#saysTheSame(beacon)
    const neighbours = (this.#neighbours = new Neighbours({ network: world.network, volume }))
    this.#receiver = new GossipReceiver({ ...components, saysTheSame, neighbours })
    this.#soon = new DebounceTimer(world.clock, () => {
      this.#soonMs *= SOON_GROWTH
      this.beacon()
    })
    this.#topics = new Topics({
      volume,
      clock: world.clock,
      subscribe: (topic) =>
        world.network.subscribe(
          topic,
          (message, from) => this.#receiver.hear(message, from),
          (peer) => !enforces('gossip-by-members') || volume.membership.member(peer) !== undefined,
        ),
    })
  }

  start(): void {
    const { volume } = this.#c
    this.#topics.refresh()
    this.#unlisten = [
      volume.onOwnEntries((entries) => this.#announce(entries)),
      // Members that have not heard of a new epoch hear of it now.
      volume.events.members.add(() => (this.#topics.refresh() ? this.beacon() : undefined)),
    ]
    this.#beat()
  }

  stop(): void {
    this.#topics.stop()
    for (const unlisten of this.#unlisten) unlisten()
    this.#timer?.cancel()
    this.#soon.cancel()
  }

  /** As GossipReceiver has it. */
  exchanged(peer: PeerId): void {
    this.#receiver.exchanged(peer)
  }

  /** Send a beacon when a connection has come up. */
  beaconSoon(): void {
    this.#soon.ringIn(this.#soonMs)
  }

  /** Send a beacon now. */
  beacon(): void {
    const { volume, world } = this.#c
    const { vector, digest } = this.#told()
    const beacon: Beacon = {
      peer: world.network.self,
      sentMs: Math.floor(volume.time.now()),
      vector,
      digest,
      hlc: volume.durableClaim().hlc,
      cut: volume.checkpoint?.hlc ?? HLC_ZERO,
      root: volume.checkpoint?.clear,
      freeBytes: Math.max(0, Math.floor(this.#c.freeBytes())),
      usedBytes: this.#c.usedBytes?.(),
      addresses: world.network.addresses(),
      security: this.#c.security?.head(),
      neighbours: this.#neighbours.digest(),
    }
    this.#publish({ kind: 'beacon', beacon })
  }

  /** This node attests a checkpoint. */
  attested(attestation: Attestation): void {
    this.#publish({ kind: 'attestation', attestation })
  }

  /** The log as a beacon describes it. */
  #told(): Told {
    const { volume } = this.#c
    const { replica } = volume
    const held = volume.durableClaim().vector
    const last = this.#lastTold
    const isSame = last?.held === held && last.replica === replica
    if (isSame && volume.branches.isEmpty) return last
    const isShort = this.#c.world.random.unlucky('sync.beacon-short')
    const vector = newest(volume, isShort ? 1 : BEACON_ACTORS_MAX)
    const digest = logDigest(vector, replica.ancestry.hashAt)
    const told = { held, replica, vector, digest }
    // What ill luck left out is in the next beacon.
    if (!isShort) this.#lastTold = told
    return told
  }

  /** Most do, once a swarm is at rest. */
  #saysTheSame({ vector, digest }: Beacon): boolean {
    const own = this.#told()
    if (own.digest === undefined || digest === undefined) return false
    return equalBytes(own.digest, digest) && equalVectors(own.vector, vector)
  }

  #beat(): void {
    const { clock, random } = this.#c.world
    this.#topics.refresh()
    if (!random.unlucky('sync.beacon-left-out')) this.beacon()
    this.#soon.cancel()
    this.#soonMs = SOON_MS
    this.#timer = clock.timer(this.#c.beaconMs * (0.8 + 0.4 * random.number()), () => this.#beat())
  }

  #announce(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    for (const entry of entries.length <= HEADS_AT_ONCE_MAX ? entries : [last]) {
      const head = this.#headOf(entry)
      if (head === undefined) this.beacon()
      else this.#publish(head)
    }
  }

  #headOf(entry: Entry): GossipMessage | undefined {
    const head = headOf(entry)
    if (head?.kind !== 'head' || !this.#c.world.random.unlucky('sync.head-alone')) return head
    return { ...head, body: undefined }
  }

  #publish(message: GossipMessage): void {
    const { volume, world } = this.#c
    if (world.random.unlucky('sync.gossip-lost')) return
    const { epoch } = volume.membership
    const [swarmKey] = volume.membership.swarmKeys(epoch)
    if (swarmKey === undefined) return
    const sender = { identity: volume.identity, volume: volume.id, epoch, swarmKey }
    for (const topic of this.#topics.speaking()) {
      // With a salt of its own each is a message of its own, which gossipsub would not pass on
      // twice.
      const sealed = sealGossip(message, sender, world.random.bytes(32))
      // Best effort: what is lost is found by anti-entropy.
      void ignoreFailure(
        world.network.publish(topic, sealed),
        'exchanges of logs repair what gossip loses',
      )
    }
  }
}

/**
 * The durable part of the log here for the actors that wrote last: others hold the rest, or find it
 * missing when they exchange.
 */
function newest(volume: Volume, countMax: number): VersionVector {
  const { vector } = volume.durableClaim()
  if (vector.size <= countMax) return vector
  const clock = (actor: ActorId): Hlc => volume.actors.get(actor)?.hlc ?? HLC_ZERO
  const latest = [...vector].sort(([a], [b]) => (clock(a) > clock(b) ? -1 : 1))
  return new Map(latest.slice(0, countMax))
}
