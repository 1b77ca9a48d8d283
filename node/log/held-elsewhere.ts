// Keeps the replies of other members about the log of this node: how much of it is durable there,
// which a write waits for that must survive the loss of this node, and which members accept no more
// of it for a while.
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { Volume } from './volume.ts'

/** Own entries under a label. */
interface OwnShare {
  readonly actor: ActorId
  readonly seq: number
}

export interface HeldElsewhereComponents {
  readonly clock: Pick<Clock, 'now'>
  readonly connectedMembers: (volume: Volume) => readonly PeerId[]
  readonly sync: (volume: Volume, peer: PeerId) => Promise<void>
}

export class HeldElsewhere {
  readonly #c: HeldElsewhereComponents
  readonly #shares = new Map<VolumeId, Map<PeerId, OwnShare>>()
  readonly #busyUntil = new Map<VolumeId, Map<PeerId, Instant>>()

  constructor(components: HeldElsewhereComponents) {
    this.#c = components
  }

  /** A peer said what of a volume is durable there. */
  heard(volume: Volume, peer: PeerId, vector: VersionVector): void {
    const peers = this.#shares.get(volume.id) ?? new Map<PeerId, OwnShare>()
    const { actor } = volume
    peers.set(peer, { actor, seq: vector.get(actor) ?? 0 })
    this.#shares.set(volume.id, peers)
  }

  /**
   * Wait until everything this node has logged in a volume is durable on `count` other members.
   * throws ShoalError 'not-placed' naming how many could be had.
   */
  async on(volume: Volume, count: number, signal: AbortSignal): Promise<void> {
    await volume.commit()
    const seq = volume.actors.get(volume.actor)?.seq ?? 0
    const holders = (): PeerId[] => this.#holders(volume, seq)
    if (seq === 0 || holders().length >= count) return
    const missing = this.#c.connectedMembers(volume).filter((peer) => !holders().includes(peer))
    await Promise.allSettled(missing.map((peer) => this.#c.sync(volume, peer)))
    signal.throwIfAborted()
    if (holders().length >= count) return
    throw new ShoalError(
      'not-placed',
      `the log is durable on ${holders().length} other nodes, but ${count} are required; ` +
        'it is kept here and replicated when more members are online (see "shoal peer ls")',
    )
  }

  /**
   * A peer holds back what this node writes, for so long: it makes the log grow faster than its
   * role has to.
   */
  heardBusy({ id }: Volume, peer: PeerId, waitMs: number): void {
    const peers = this.#busyUntil.get(id) ?? new Map<PeerId, Instant>()
    this.#busyUntil.set(id, peers.set(peer, (this.#c.clock.now() + waitMs) as Instant))
  }

  /** The members that hold back entries of this node now. */
  heldBackBy({ id }: Volume): readonly PeerId[] {
    const now = this.#c.clock.now()
    const busy = [...(this.#busyUntil.get(id) ?? [])].filter(([, until]) => until > now)
    return busy.map(([peer]) => peer).toSorted()
  }

  #holders({ id, actor, membership }: Volume, seq: number): PeerId[] {
    return [...(this.#shares.get(id) ?? [])]
      .filter(([peer, share]) => {
        const isMember = membership.member(peer) !== undefined
        return isMember && share.actor === actor && share.seq >= seq
      })
      .map(([peer]) => peer)
  }
}
