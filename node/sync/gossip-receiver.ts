// Validates gossip of a volume: new messages are taken and passed on, once; known or useless ones
// are neither; and where only the deliverer can be to blame, it is. Always true: an honest member
// passes on only what every other honest one can open and verify, so garbage comes from who sends
// it.
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { actorIdOf, verifyEntry, withBody } from '../../protocol/log/entry.ts'
import type { Entry, EntryHead } from '../../protocol/log/entry.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import { openGossip } from '../../protocol/wire/gossip.ts'
import type { Beacon, GossipMessage } from '../../protocol/wire/gossip.ts'
import type { PeerBudgets } from '../peers/budget.ts'
import type { Verdict, World } from '../world/world.ts'
import { hearAttestation } from '../replica/attestations.ts'
import type { Reason } from './catch-up.ts'
import type { Neighbours } from './neighbours.ts'
import { agrees } from '../log/log-summary.ts'
import type { Delivery, Inbox } from '../log/inbox.ts'
import { commitSoon } from '../log/volume-commit.ts'
import type { Volume } from '../log/volume.ts'

/**
 * Names of entries and attestations that were heard, so that each is passed on once, in whatever
 * envelope it comes.
 */
const ANNOUNCED_MAX = 8192
/**
 * So often a peer is asked for what its gossip is sealed with, before it is told from garbage; for
 * so long.
 */
const ASKS_MAX = 2
const ASKED_MS: number = MINUTE_MS

export interface GossipReceiverComponents {
  readonly world: Pick<World, 'clock' | 'network'>
  readonly volume: Volume
  readonly inbox: Inbox
  readonly budgets?: Pick<PeerBudgets, 'take'> | undefined
  /** Something is missing here that `from` can give. */
  readonly onMissing: (from: PeerId, isMissing: Reason) => void
  readonly onBeacon: (beacon: Beacon, from: PeerId) => void
  /** A member has said what time it is there. */
  readonly onTime: (peer: PeerId, sentMs: number) => void
  /** Does a beacon say of the log what this node would? */
  readonly saysTheSame: (beacon: Beacon) => boolean
  readonly neighbours: Pick<Neighbours, 'areThoseOf'>
}

/** A peer that sent what this node has no key for. */
interface Unopened {
  readonly since: Instant
  asks: number
  isAnswered: boolean
}

export class GossipReceiver {
  readonly #c: GossipReceiverComponents
  readonly #announced = new Set<string>()
  /** By peer and epoch. */
  readonly #unopened = new Map<string, Unopened>()

  constructor(components: GossipReceiverComponents) {
    this.#c = components
  }

  hear(bytes: Uint8Array, from: PeerId): Verdict {
    const { volume } = this.#c
    const isOfMember = volume.membership.member(from) !== undefined
    if (enforces('gossip-by-members') && !isOfMember) return 'ignore'
    let asked = 0
    let message: GossipMessage
    try {
      message = openGossip(bytes, volume.id, (epoch) =>
        volume.membership.swarmKeys((asked = epoch)),
      )
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      if (error.code === 'corrupt') return this.#hearUnopened(asked, from)
      return error.code === 'unsupported' ? 'ignore' : 'reject'
    }
    if (message.kind === 'beacon') return this.#hearBeacon(message.beacon, from)
    if (message.kind === 'attestation') return this.#hearAttestation(message.attestation, from)
    try {
      return this.#hearHead(message, from)
    } catch (error) {
      if (error instanceof ShoalError) return 'reject'
      throw error
    }
  }

  /**
   * An exchange of logs with a peer has ended: what it sealed with before is known here, or not for
   * this node.
   */
  exchanged(peer: PeerId): void {
    for (const [key, unopened] of this.#unopened)
      if (key.startsWith(`${peer} `)) unopened.isAnswered = true
  }

  /**
   * The log of the member that sent it has the key; once that was asked for and the log does not
   * tell of one, there is none.
   */
  #hearUnopened(epoch: number, from: PeerId): Verdict {
    const { world, volume } = this.#c
    const { membership } = volume
    const now = world.clock.now()
    const key = `${from} ${epoch}`
    for (const [old, { since }] of this.#unopened)
      if (now > since + ASKED_MS) this.#unopened.delete(old)
    const known = this.#unopened.get(key) ?? { since: now, asks: 0, isAnswered: true }
    this.#unopened.set(key, known)
    if (!known.isAnswered) return 'ignore'
    const mayBeSealed = membership.isKeeper() || membership.lacksSecret(epoch)
    if (known.asks >= ASKS_MAX) return mayBeSealed ? 'ignore' : 'reject'
    known.asks++
    known.isAnswered = false
    this.#c.onMissing(from, () => true)
    return 'ignore'
  }

  /** throws ShoalError for what no honest member passes on. */
  #hearHead({ head, body }: Extract<GossipMessage, { kind: 'head' }>, from: PeerId): Verdict {
    const { id } = this.#c.volume
    if (head.header.volume !== id) throw new ShoalError('malformed', 'an entry of another volume')
    if (this.#announced.has(head.hash)) return 'ignore'
    // Both, also of an entry that is held: it is passed on as it came.
    const entry = body === undefined ? undefined : withBody(head, body)
    const author = this.#authorOf(head)
    const isMissing = (): boolean => this.#isMissing(head)
    if (entry === undefined) {
      if (isMissing()) this.#c.onMissing(from, isMissing)
    } else if (isMissing()) {
      const delivery = { from, isVerified: author !== undefined }
      this.#take(entry, delivery, () => this.#c.onMissing(from, isMissing))
    }
    return author === undefined ? 'ignore' : this.#passOn(head.hash, author)
  }

  /** Whoever brings an entry that breaks a rule may not know the past that shows it. */
  #take(entry: Entry, delivery: Delivery, onMissingPast: () => void): void {
    const { volume, inbox } = this.#c
    // Each is noted before it is taken: in an exchange.
    if (volume.stop.isCareful) return onMissingPast()
    try {
      const verdict = inbox.take(entry, delivery)
      if (verdict === 'held-back') return
      if (verdict === 'missing-past') return onMissingPast()
      commitSoon(volume)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
    }
  }

  #hearAttestation(attestation: Attestation, from: PeerId): Verdict {
    const { volume } = this.#c
    const { peer, cut, clear, sealed } = attestation
    const name = `${cut} ${peer} ${clear} ${sealed}`
    if (volume.membership.member(peer) === undefined || this.#announced.has(name)) return 'ignore'
    // It came before the entry that it is about, or is of a cut that is over.
    if (!hearAttestation(volume, attestation)) this.#c.onMissing(from, () => true)
    else commitSoon(volume)
    return this.#passOn(name, peer)
  }

  /** Each once; of one author, not more than others can take. */
  #passOn(name: string, author: PeerId): Verdict {
    this.#announced.add(name)
    const [oldest] = this.#announced
    if (this.#announced.size > ANNOUNCED_MAX && oldest !== undefined) this.#announced.delete(oldest)
    return this.#c.budgets?.take(author, 'heads', 1) === false ? 'ignore' : 'accept'
  }

  #isMissing({ header: { actor, seq }, hash }: EntryHead): boolean {
    const { volume, inbox } = this.#c
    const { ancestry } = volume.replica
    if (inbox.isHeldBack(actor)) return false
    return ancestry.locate(actor, seq, hash) === undefined && !ancestry.isDropped(actor, seq)
  }

  /**
   * The peer that signed it; undefined where nothing here tells who its actor is. throws ShoalError
   * 'bad-signature'.
   */
  #authorOf(head: EntryHead): PeerId | undefined {
    const { volume } = this.#c
    const { actor, origin, seq } = head.header
    const isFirst = origin !== undefined && actorIdOf(volume.id, origin) === actor
    const publicKey =
      volume.actors.get(actor)?.publicKey ?? (isFirst ? origin.publicKey : undefined)
    if (publicKey === undefined) return undefined
    if (enforces('heads-signed') && !verifyEntry(head, publicKey))
      throw new ShoalError('bad-signature', `entry ${actor}:${seq} is not signed by its author`)
    return peerIdFromPublicKey(publicKey)
  }

  #hearBeacon(said: Beacon, from: PeerId): Verdict {
    const { volume, world, budgets, inbox } = this.#c
    if (volume.membership.member(said.peer) === undefined) return 'ignore'
    this.#c.onTime(said.peer, said.sentMs)
    const isSame = this.#c.saysTheSame(said) || agrees(volume, said)
    // The vector may name other branches than are held here, and is left out then.
    const beacon = isSame === true ? said : { ...said, vector: new Map<ActorId, number>() }
    // The last one counts, in whatever order they come; an old one may be sent again by anyone.
    const isNew = volume.beacons.hear(
      beacon,
      volume.checkpoint,
      world.clock.wall(),
      volume.time.now(),
    )
    if (!isNew) return 'ignore'
    volume.events.confirmed.tell()
    const isWithin = budgets?.take(said.peer, 'beacons', 1) !== false
    const isWithAll = from === said.peer && this.#c.neighbours.areThoseOf(said)
    const verdict = isWithin && !isWithAll ? 'accept' : 'ignore'
    this.#c.onBeacon(beacon, from)
    if (isSame === true) return verdict
    const isMissing = (): boolean => inbox.lacks(said.vector) || agrees(volume, said) === false
    if (isSame === false && world.network.peers().includes(said.peer))
      this.#c.onMissing(said.peer, isMissing)
    else if (isMissing()) this.#c.onMissing(from, isMissing)
    return verdict
  }
}
