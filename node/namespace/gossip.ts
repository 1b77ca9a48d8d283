// Spreading news of one volume: own new entries at once, a beacon every BEACON_MS. What comes in is applied if its past
// is held; otherwise the peer that delivered it is asked for what is missing. Cost per entry: O(degree).
import { ShoalError } from '../../protocol/errors.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { BEACON_ACTORS_MAX, GOSSIP_BODY_MAX } from '../../protocol/limits.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { headsTopic, openGossip, sealGossip } from '../../protocol/wire/gossip.ts'
import type { Beacon, GossipMessage } from '../../protocol/wire/gossip.ts'
import type { Timer, World } from '../world/world.ts'
import type { Volume } from './volume.ts'

const BEACON_MS = 10_000
/** Entries of one commit told one by one; of more, only the last is named and peers ask for the rest. */
const HEADS_AT_ONCE_MAX = 4

export interface GossipComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly volume: Volume
  readonly freeBytes: () => number
  /** Something is missing here that `from` can give. */
  readonly onMissing: (from: PeerId) => void
  readonly onBeacon: (beacon: Beacon, from: PeerId) => void
}

export class Gossip {
  readonly #c: GossipComponents
  /** Per member when the newest beacon heard of it was sent. */
  readonly #heardMs = new Map<PeerId, number>()
  #unsubscribe: (() => void) | undefined
  #unlisten: (() => void) | undefined
  #timer: Timer | undefined

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
  }

  /** Send a beacon now: to be heard soon after a connection comes up. */
  beacon(): void {
    const { volume, world } = this.#c
    const beacon: Beacon = {
      peer: world.network.self,
      sentMs: Math.floor(world.clock.wall()),
      vector: newest(volume),
      freeBytes: Math.max(0, Math.floor(this.#c.freeBytes())),
      addresses: world.network.addresses(),
    }
    this.#publish({ kind: 'beacon', beacon })
  }

  #beat(): void {
    const { clock, random } = this.#c.world
    this.beacon()
    this.#timer = clock.timer(BEACON_MS * (0.8 + 0.4 * random.number()), () => this.#beat())
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
    try {
      const message = openGossip(bytes, volume.id, (epoch) => volume.membership.swarmKeys(epoch))
      if (message.kind === 'beacon') this.#heard(message.beacon, from)
      else this.#receiveHead(message, from)
      return true
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      // A key this node does not know yet: the log of the member that sent this has it.
      if (error.code === 'corrupt' && volume.membership.member(from) !== undefined) {
        this.#c.onMissing(from)
      }
      return false
    }
  }

  #receiveHead(head: Extract<GossipMessage, { kind: 'head' }>, from: PeerId): void {
    const { volume } = this.#c
    if ((volume.actors.get(head.actor)?.seq ?? 0) >= head.seq) return
    const verdict =
      head.entry === undefined ? 'missing-past' : volume.receive(decodeEntry(head.entry))
    if (verdict === 'missing-past') return this.#c.onMissing(from)
    // A failed commit fails the volume, which its users hear of.
    volume.commit().catch(() => undefined)
  }

  #heard(beacon: Beacon, from: PeerId): void {
    if (this.#c.volume.membership.member(beacon.peer) === undefined) return
    // The last one counts, in whatever order they come; an old one may be sent again by anyone.
    if (beacon.sentMs <= (this.#heardMs.get(beacon.peer) ?? 0)) return
    this.#heardMs.set(beacon.peer, beacon.sentMs)
    this.#c.onBeacon(beacon, from)
    if (!holdsAll(this.#c.volume, beacon.vector)) this.#c.onMissing(from)
  }
}

/** What is durable here, of the actors that wrote last: others hold the rest, or find it missing when they exchange. */
function newest(volume: Volume): VersionVector {
  const vector = volume.durableVector()
  if (vector.size <= BEACON_ACTORS_MAX) return vector
  const clock = (actor: ActorId): Hlc => volume.actors.get(actor)?.hlc ?? HLC_ZERO
  const latest = [...vector].sort(([a], [b]) => (clock(a) > clock(b) ? -1 : 1))
  return new Map(latest.slice(0, BEACON_ACTORS_MAX))
}

function holdsAll(volume: Volume, vector: VersionVector): boolean {
  return dominates(volume.actors.vector(), vector)
}
