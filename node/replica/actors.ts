// The lengths of the chains in a volume's log. Per actor: whose it is, its last entry, and what
// that entry had seen. Per actor: whose it is, its last entry, and what that entry had seen.
// Cost: one record per actor, in memory and in the store; an entry rewrites its author's record
// only.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_ZERO, maxHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { covers, decodeStoredVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { ACTORS_MAX, ACTORS_OF_ONE_MAX } from '../../protocol/limits.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Branches } from '../../protocol/log/branches.ts'
import type { Dependency, Entry } from '../../protocol/log/entry.ts'
import type { Place } from './ancestry.ts'
import type { Covers } from '../../protocol/tree/made.ts'
import { prefixEnd } from '../state/state-view.ts'
import { withSeq } from '../state/seq-ranges.ts'
import type { SeqRanges } from '../state/seq-ranges.ts'
import type { ReplicaView } from '../state/state-view.ts'

export interface Actor {
  /**
   * Its label: each branch of a chain that forked is an actor of its own
   * (protocol/log/branches.ts).
   */
  readonly id: ActorId
  readonly publicKey: Uint8Array
  readonly peer: PeerId
  readonly grant: EntryHash
  seq: number
  hash: EntryHash
  hlc: Hlc
  /** The past of its last entry, of the others. */
  seen: Map<ActorId, number>
  /** Its entries that came too late: they say nothing (cuts.ts). */
  readonly late: SeqRanges
}

const ACTOR_PREFIX: ByteString = STATE_PREFIXES.actor

export class ActorTable {
  readonly #view: ReplicaView
  readonly #branches: Branches
  readonly #actors = new Map<ActorId, Actor>()
  /** Per actor the highest seq that another actor's entry points to. */
  readonly #pointedTo = new Map<ActorId, number>()
  /** How many are of each member. */
  readonly #counts = new Map<PeerId, number>()
  #hlc: Hlc = HLC_ZERO

  private constructor(view: ReplicaView, branches: Branches) {
    this.#view = view
    this.#branches = branches
  }

  static async open(view: ReplicaView, branches: Branches): Promise<ActorTable> {
    const table = new ActorTable(view, branches)
    for await (const [key, value] of view.scan(ACTOR_PREFIX, prefixEnd(ACTOR_PREFIX))) {
      table.#remember(decodeActor(toHex(fromByteString(key.slice(1))) as ActorId, value))
    }
    return table
  }

  /** Highest clock of any entry held. */
  get hlc(): Hlc {
    return this.#hlc
  }

  get(id: ActorId): Actor | undefined {
    return this.#actors.get(id)
  }

  all(): Iterable<Actor> {
    return this.#actors.values()
  }

  /** Per actor the last entry applied. */
  vector(): Map<ActorId, number> {
    return new Map([...this.#actors.values()].map((actor) => [actor.id, actor.seq]))
  }

  /** Is all of a vector held? */
  holds(vector: VersionVector): boolean {
    for (const [id, seq] of vector) if ((this.#actors.get(id)?.seq ?? 0) < seq) return false
    return true
  }

  /** Entries that no known entry points to, sorted. */
  heads(): EntryHash[] {
    return this.#headActors()
      .map((actor) => actor.hash)
      .sort()
  }

  /** The same as a vector: whoever has these entries has all that is held. */
  headVector(): Map<ActorId, number> {
    return new Map(this.#headActors().map((actor) => [actor.id, actor.seq]))
  }

  /** How many actors have written. */
  get count(): number {
    return this.#actors.size
  }

  /**
   * throws ShoalError 'ENOSPC' if one more would be more than a log may have, or than this member
   * may have in it.
   */
  checkRoom(author: PeerId): void {
    const counts = this.#counts
    if (this.count < ACTORS_MAX && (counts.get(author) ?? 0) < ACTORS_OF_ONE_MAX) return
    const [most = author, count = 0] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? []
    throw new ShoalError(
      'ENOSPC',
      `the log has ${this.count} actors and accepts no more of ${author}; ` +
        `${count} belong to one member: if it misbehaves, ` +
        `remove it with "shoal peer rm ${most}"`,
    )
  }

  /** How many entries are held. */
  get entryCount(): number {
    let count = 0
    for (const { id, seq } of this.#actors.values()) count += seq + 1 - this.#branches.firstSeq(id)
    return count
  }

  /**
   * The dependencies that an entry by `author` must name: every other actor that advanced since its
   * last one, sorted.
   */
  dependenciesFor(author: ActorId): Dependency[] {
    const seen = this.#actors.get(author)?.seen
    return [...this.#actors.values()]
      .filter((actor) => actor.id !== author && actor.seq > (seen?.get(actor.id) ?? 0))
      .map(({ id, seq, hash }) => ({ actor: id, seq, hash }))
      .sort((a, b) => (a.actor < b.actor ? -1 : 1))
  }

  /** The past of the last entry under a label, itself included. */
  pastOf(label: ActorId): VersionVector {
    const actor = this.#actors.get(label)
    const seen = new Map(actor?.seen)
    if (actor !== undefined) this.#branches.see(seen, label, actor.seq)
    return seen
  }

  /** The same as a question, for what is held. */
  coveredBy(label: ActorId): Covers {
    // With the path to its branch, if it is one.
    const seen = this.#actors.get(label)?.seen ?? new Map<ActorId, number>()
    return (actor, seq) => actor === label || covers(seen, actor, seq)
  }

  /** Record that `entry` is applied, under the label of its place; or that it came too late. */
  advance({ header, hash }: Entry, { label, before, deps }: Place, isLate: boolean): void {
    const publicKey = before?.publicKey ?? header.origin?.publicKey ?? new Uint8Array(32)
    const seen = before?.id === label ? before.seen : new Map(before?.seen)
    if (before !== undefined && before.id !== label) this.#branches.see(seen, before.id, before.seq)
    for (const dep of deps) this.#branches.see(seen, dep.actor, dep.seq)
    const late = before?.id === label ? before.late : []
    const actor: Actor = {
      id: label,
      publicKey,
      peer: before?.peer ?? peerIdFromPublicKey(publicKey),
      grant: header.grant,
      seq: header.seq,
      hash,
      hlc: header.hlc,
      seen,
      late: isLate ? withSeq(late, header.seq) : late,
    }
    this.#remember(actor)
    this.#view.put(actorKey(label), encodeActor(actor))
  }

  #headActors(): Actor[] {
    return [...this.#actors.values()].filter(
      (actor) => (this.#pointedTo.get(actor.id) ?? 0) < actor.seq,
    )
  }

  #remember(actor: Actor): void {
    const { id, peer } = actor
    if (!this.#actors.has(id)) this.#counts.set(peer, (this.#counts.get(peer) ?? 0) + 1)
    this.#actors.set(id, actor)
    this.#hlc = maxHlc(this.#hlc, actor.hlc)
    for (const [other, seq] of actor.seen) {
      this.#pointedTo.set(other, Math.max(seq, this.#pointedTo.get(other) ?? 0))
    }
  }
}

export function actorKey(label: ActorId): ByteString {
  return ACTOR_PREFIX + toByteString(fromHex(label))
}

function encodeActor(actor: Actor): Uint8Array {
  const seen: VersionVector = actor.seen
  return encodeCbor([
    actor.publicKey,
    fromHex(actor.grant),
    actor.seq,
    fromHex(actor.hash),
    actor.hlc,
    encodeVector(seen),
    actor.late,
  ])
}

export function decodeActor(id: ActorId, bytes: Uint8Array): Actor {
  const [publicKey, grant, seq, hash, hlc, seen, late] = decodeCbor(
    bytes,
    'actor record',
  ) as readonly unknown[]
  return {
    id,
    publicKey: publicKey as Uint8Array,
    peer: peerIdFromPublicKey(publicKey as Uint8Array),
    grant: toHex(grant as Uint8Array) as EntryHash,
    seq: seq as number,
    hash: toHex(hash as Uint8Array) as EntryHash,
    hlc: decodeHlc(hlc),
    seen: decodeStoredVector(seen),
    late: late as SeqRanges,
  }
}
