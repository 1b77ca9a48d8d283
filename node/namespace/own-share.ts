// What peers have said of the entries that were written here: how far they are durable there, and who takes no more for a while.
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from './volume.ts'

/** Of what was written here under an actor. */
interface Durable {
  readonly actor: ActorId
  readonly seq: number
}

export class OwnShare {
  readonly #clock: Pick<Clock, 'now'>
  readonly #durable = new Map<VolumeId, Map<PeerId, Durable>>()
  readonly #busyUntil = new Map<VolumeId, Map<PeerId, Instant>>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** A peer said what of a volume's log is durable there. */
  heardDurable({ id, actor }: Volume, peer: PeerId, vector: VersionVector): void {
    const peers = this.#durable.get(id) ?? new Map<PeerId, Durable>()
    this.#durable.set(id, peers.set(peer, { actor, seq: vector.get(actor) ?? 0 }))
  }

  /** Members at which everything up to `seq` that this node wrote is durable. */
  holders({ id, actor, membership }: Volume, seq: number): PeerId[] {
    return [...(this.#durable.get(id) ?? [])]
      .filter(
        ([peer, durable]) =>
          membership.member(peer) !== undefined && durable.actor === actor && durable.seq >= seq,
      )
      .map(([peer]) => peer)
  }

  /** A peer holds back what this node writes, for so long: it makes the log grow faster than its role has to. */
  heardBusy({ id }: Volume, peer: PeerId, waitMs: number): void {
    const peers = this.#busyUntil.get(id) ?? new Map<PeerId, Instant>()
    this.#busyUntil.set(id, peers.set(peer, (this.#clock.now() + waitMs) as Instant))
  }

  /** Who does so now. */
  heldBackBy({ id }: Volume): readonly PeerId[] {
    const now = this.#clock.now()
    const busy = [...(this.#busyUntil.get(id) ?? [])].filter(([, until]) => until > now)
    return busy.map(([peer]) => peer).toSorted()
  }
}
