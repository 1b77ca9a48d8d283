// Spreading news of one volume: own new entries at once, a beacon every beaconMs. What comes in is applied if its past
// is held; otherwise the peer that delivered it is asked for what is missing. Cost per entry: O(degree).
import { equalBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { equalVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { BEACON_ACTORS_MAX, GOSSIP_BODY_MAX } from '../../protocol/limits.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { headsTopic, logDigest, openGossip, sealGossip } from '../../protocol/wire/gossip.ts'
import type { Beacon, GossipMessage } from '../../protocol/wire/gossip.ts'
import type { Timer, World } from '../world/world.ts'
import type { Reason } from './catch-up.ts'
import { agrees } from './hello.ts'
import type { Inbox } from './inbox.ts'
import type { Replica } from './replica.ts'
import type { Volume } from './volume.ts'

/** Entries of one commit told one by one; of more, only the last is named and peers ask for the rest. */
const HEADS_AT_ONCE_MAX = 4
/**
 * Connections that come up within this share one beacon: a node that starts has many at once. The next of a period waits
 * much longer, and so on: in a large swarm some connection comes up all the time, and all hear each beacon.
 */
const SOON_MS = 200
const SOON_GROWTH = 8

export interface GossipComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly volume: Volume
  readonly inbox: Inbox
  readonly freeBytes: () => number
  /** Mean time between two beacons. */
  readonly beaconMs: number
  /** Something is missing here that `from` can give. */
  readonly onMissing: (from: PeerId, isMissing: Reason) => void
  readonly onBeacon: (beacon: Beacon, from: PeerId) => void
}

/** Of the log as it is held durably, and as long as it is. */
interface Told extends Pick<Beacon, 'vector' | 'digest'> {
  readonly held: VersionVector
  readonly replica: Replica
}

export class Gossip {
  readonly #c: GossipComponents
  #unsubscribe: (() => void) | undefined
  #unlisten: (() => void) | undefined
  #timer: Timer | undefined
  #soon: Timer | undefined
  #soonMs = SOON_MS
  #lastTold: Told | undefined

  constructor(components: GossipComponents) {
    this.#c = components
  }

  start(): void {
    const { network } = this.#c.world
    const { volume } = this.#c
    this.#unsubscribe = network.subscribe(headsTopic(volume.id), (message, from) =>
      this.#receive(message, from),
    )
    this.#unlisten = volume.onOwnEntries((entries) => this.#announce(entries))
    this.#beat()
  }

  stop(): void {
    this.#unsubscribe?.()
    this.#unlisten?.()
    this.#timer?.cancel()
    this.#soon?.cancel()
  }

  /** Send a beacon when a connection has come up. */
  beaconSoon(): void {
    this.#soon ??= this.#c.world.clock.timer(this.#soonMs, () => {
      this.#soon = undefined
      this.#soonMs *= SOON_GROWTH
      this.beacon()
    })
  }

  /** Send a beacon now. */
  beacon(): void {
    const { volume, world } = this.#c
    const { vector, digest } = this.#told()
    const beacon: Beacon = {
      peer: world.network.self,
      sentMs: Math.floor(world.clock.wall()),
      vector,
      digest,
      hlc: volume.durableClaim().hlc,
      cut: volume.checkpoint?.hlc ?? HLC_ZERO,
      root: volume.checkpoint?.clear,
      freeBytes: Math.max(0, Math.floor(this.#c.freeBytes())),
      addresses: world.network.addresses(),
    }
    this.#publish({ kind: 'beacon', beacon })
  }

  /** What a beacon says of the log. */
  #told(): Told {
    const { volume } = this.#c
    const { replica } = volume
    const held = volume.durableClaim().vector
    const last = this.#lastTold
    const isSame = last?.held === held && last.replica === replica
    if (isSame && volume.branches.isEmpty) return last
    const vector = newest(volume)
    const digest = logDigest(vector, replica.ancestry.hashAt)
    return (this.#lastTold = { held, replica, vector, digest })
  }

  /** Most do, once a swarm is at rest. */
  #saysTheSame({ vector, digest }: Beacon): boolean {
    const own = this.#told()
    if (own.digest === undefined || digest === undefined) return false
    return equalBytes(own.digest, digest) && equalVectors(own.vector, vector)
  }

  #beat(): void {
    const { clock, random } = this.#c.world
    this.beacon()
    this.#soon?.cancel()
    this.#soon = undefined
    this.#soonMs = SOON_MS
    this.#timer = clock.timer(this.#c.beaconMs * (0.8 + 0.4 * random.number()), () => this.#beat())
  }

  #announce(entries: readonly Entry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    for (const entry of entries.length <= HEADS_AT_ONCE_MAX ? entries : [last]) {
      const { actor, seq } = entry.header
      const inline = entry.body.byteLength <= GOSSIP_BODY_MAX ? encodeEntry(entry) : undefined
      this.#publish({ kind: 'head', actor, seq, entry: inline })
    }
  }

  #publish(message: GossipMessage): void {
    const { volume, world } = this.#c
    const { epoch } = volume.membership
    const [swarmKey] = volume.membership.swarmKeys(epoch)
    if (swarmKey === undefined) return
    const sender = { identity: volume.identity, volume: volume.id, epoch, swarmKey }
    const sealed = sealGossip(message, sender, world.random.bytes(32))
    // Best effort: what is lost is found by anti-entropy.
    world.network.publish(headsTopic(volume.id), sealed).catch(() => undefined)
  }

  #receive(bytes: Uint8Array, from: PeerId): boolean {
    const { volume } = this.#c
    if (volume.membership.wasRemoved(from)) return false
    try {
      const message = openGossip(bytes, volume.id, (epoch) => volume.membership.swarmKeys(epoch))
      if (message.kind === 'beacon') this.#heard(message.beacon, from)
      else this.#receiveHead(message, from)
      return true
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      // A key this node does not know yet: the log of the member that sent this has it.
      if (error.code === 'corrupt' && volume.membership.member(from) !== undefined) {
        this.#c.onMissing(from, () => true)
      }
      return false
    }
  }

  #receiveHead(head: Extract<GossipMessage, { kind: 'head' }>, from: PeerId): void {
    const { volume, inbox } = this.#c
    const { actor, seq } = head
    const entry = head.entry === undefined ? undefined : decodeEntry(head.entry)
    const { ancestry } = volume.replica
    if (entry === undefined) {
      const isMissing = (): boolean =>
        (volume.actors.get(actor)?.seq ?? 0) < seq && !inbox.isHeldBack(actor)
      if (isMissing()) this.#c.onMissing(from, isMissing)
      return
    }
    const isMissing = (): boolean => ancestry.locate(actor, seq, entry.hash) === undefined
    if (!isMissing()) return
    // Each is noted before it is taken: in an exchange.
    if (volume.stop.isCareful) return this.#c.onMissing(from, isMissing)
    const verdict = inbox.take(entry, { from })
    if (verdict === 'held-back') return
    if (verdict === 'missing-past') return this.#c.onMissing(from, isMissing)
    // A failed commit fails the volume, which its users hear of.
    volume.commit().catch(() => undefined)
  }

  #heard(said: Beacon, from: PeerId): void {
    const { volume, world, inbox } = this.#c
    if (volume.membership.member(said.peer) === undefined) return
    const isSame = this.#saysTheSame(said) || agrees(volume, said)
    // Of what may be other branches than are held here it says nothing.
    const beacon = isSame === true ? said : { ...said, vector: new Map<ActorId, number>() }
    // The last one counts, in whatever order they come; an old one may be sent again by anyone.
    if (!volume.claims.hear(beacon, volume.checkpoint, world.clock.wall())) return
    this.#c.onBeacon(beacon, from)
    if (isSame === true) return
    const isMissing = (): boolean => inbox.lacks(said.vector) || agrees(volume, said) === false
    if (isSame === false && world.network.peers().includes(said.peer))
      this.#c.onMissing(said.peer, isMissing)
    else if (isMissing()) this.#c.onMissing(from, isMissing)
  }
}

/** What is durable here, of the actors that wrote last: others hold the rest, or find it missing when they exchange. */
function newest(volume: Volume): VersionVector {
  const { vector } = volume.durableClaim()
  if (vector.size <= BEACON_ACTORS_MAX) return vector
  const clock = (actor: ActorId): Hlc => volume.actors.get(actor)?.hlc ?? HLC_ZERO
  const latest = [...vector].sort(([a], [b]) => (clock(a) > clock(b) ? -1 : 1))
  return new Map(latest.slice(0, BEACON_ACTORS_MAX))
}
