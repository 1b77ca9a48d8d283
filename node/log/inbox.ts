// Entries of one volume as they come from peers, in whatever order. What cannot be applied yet
// waits here: for its past, for its clock to be no longer ahead, or because its author made the log
// grow too fast (growth.ts). What has no room to wait (inbox-budget.ts) goes, and comes again with
// a later exchange. Of a run of one actor's entries the last signature is verified: it covers the
// others through their hashes.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { ACTORS_MAX, CLOCK_AHEAD_MS, HELD_BACK_BYTES_MAX } from '../../protocol/limits.ts'
import { actorIdOf, verifyEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Clock, Timer } from '../world/world.ts'
import type { EntryVerdict } from '../replica/entry-check.ts'
import { InboxBudget } from './inbox-budget.ts'
import { commitSoon } from './volume-commit.ts'
import type { Volume } from './volume.ts'

/** The reason to wait for an entry whose branch takes the name of another. */
const RELABELLED = 'relabelled'
/** The reason to wait for an entry whose author made the log grow too fast. */
const GROWTH = 'growth'
/** Look again at what waits for its time, or for growth, no sooner than this. */
const LOOK_MS: number = 1 * SECOND_MS
/** And at what waits for its time no later than this. */
const FUTURE_LOOK_MS: number = 60 * SECOND_MS

export interface InboxComponents {
  readonly volume: Volume
  readonly clock: Clock
  /** Shared by the volumes of a node. */
  readonly room?: InboxBudget
  /** False: take all, however fast it makes the log grow: it lies in a tier. */
  readonly isPaced?: boolean
}

/** The entry that one waits for, or for what else; undefined: for its time. */
type Awaited = EntryHash | typeof RELABELLED | typeof GROWTH | undefined

interface ParkedEntry {
  readonly entry: Entry
  readonly awaits: Awaited
  /** The peer that delivered it. */
  readonly from: PeerId | undefined
  /** Its signature is known to be its author's. */
  readonly isVerified: boolean
  readonly author: PeerId
  readonly free: () => void
}

/** How an entry came. */
export interface Delivery {
  readonly from?: PeerId | undefined
  readonly isVerified?: boolean
}

/**
 * Up to which of an actor's entries another member's depend on them, which pays for them if their
 * author cannot.
 */
interface Sponsor {
  readonly peer: PeerId
  readonly seq: number
}

export class Inbox {
  readonly #c: InboxComponents
  readonly #room: InboxBudget
  /** By hash, oldest first. */
  readonly #parked = new Map<EntryHash, ParkedEntry>()
  /** By what they wait for. */
  readonly #waiting = new Map<Awaited, Set<EntryHash>>()
  readonly #sponsors = new Map<ActorId, Sponsor>()
  /**
   * Bytes of entries that wait for growth, by author; and whose actors are of which nothing is in
   * the log yet.
   */
  readonly #heldBack = new Map<PeerId, number>()
  readonly #newActors = new Map<ActorId, PeerId>()
  readonly #unlisten: readonly (() => void)[]
  #timer: Timer | undefined
  #growthTimer: Timer | undefined

  constructor(components: InboxComponents) {
    this.#c = components
    this.#room = components.room ?? new InboxBudget()
    const { forks, time } = components.volume
    this.#unlisten = [
      forks.onChange(() => this.#forked()),
      time.onMoved.add(() => this.#lookAtFuture()),
    ]
  }

  /** Entries that wait. */
  get parkedCount(): number {
    return this.#parked.size
  }

  stop(): void {
    this.#timer?.cancel()
    this.#growthTimer?.cancel()
    for (const unlisten of this.#unlisten) unlisten()
  }

  /** Entries that wait for their time, by author, and when the first of them is taken. */
  future(): ReadonlyMap<PeerId, { readonly count: number; readonly fromMs: WallTime }> {
    const byAuthor = new Map<PeerId, { count: number; fromMs: WallTime }>()
    for (const parked of this.#waitingFor(undefined)) {
      const atMs = dueMs(parked.entry)
      const known = byAuthor.get(parked.author) ?? { count: 0, fromMs: atMs }
      known.fromMs = Math.min(known.fromMs, atMs) as WallTime
      byAuthor.set(parked.author, { ...known, count: known.count + 1 })
    }
    return byAuthor
  }

  /**
   * Take entries in causal order, as an exchange brings them. `onError` decides whether the others
   * are still taken.
   */
  takeAll(entries: readonly Entry[], onError: (error: ShoalError) => void, from?: PeerId): void {
    if (this.#c.volume.stop.isHalted) return
    const verified = verifiedRuns(entries, this.#c.volume)
    for (const entry of entries) {
      try {
        this.take(entry, { from, isVerified: verified.has(entry.hash) })
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        onError(error)
      }
    }
  }

  /** Take one, and what waited for it. throws as Volume.receive. */
  take(entry: Entry, delivery: Delivery = {}): EntryVerdict | 'held-back' {
    const verdict = this.#offer(entry, delivery)
    if (verdict === 'applied') {
      this.#remove(entry.hash)
      this.#takeAgain(this.#takeWaiting(entry.hash))
    }
    return verdict
  }

  /** Are entries of the actor held back here now? Then none of them is missed. */
  isHeldBack(actor: ActorId): boolean {
    const { actors, growth } = this.#c.volume
    return growth.isPaused(actors.get(actor)?.peer ?? this.#newActors.get(actor))
  }

  /** Is some of what a vector tells of missing here, and not only held back? */
  lacks(vector: VersionVector): boolean {
    const { actors, stop } = this.#c.volume
    // An entry that depends on the stopped one would come again and again.
    if (stop.at !== undefined) return false
    for (const [actor, seq] of vector)
      if ((actors.get(actor)?.seq ?? 0) < seq && !this.isHeldBack(actor)) return true
    return false
  }

  /** How long entries of a member are held back from now on; 0: they are not. */
  heldBackMs(peer: PeerId): number {
    const { growth } = this.#c.volume
    const paused = growth.paused.find((one) => one.peer === peer)
    return paused === undefined ? 0 : Math.max(0, paused.untilMs - this.#c.volume.time.now())
  }

  /** Apply an entry if it may be, or keep it. throws as Volume.receive. */
  #offer(entry: Entry, delivery: Delivery): EntryVerdict | 'held-back' {
    const { volume } = this.#c
    const author = this.#authorOf(entry)
    const { payer, waitMs } = this.#payerOf(entry, author)
    if (payer === undefined) {
      this.#holdBack(entry, author, waitMs, delivery)
      return 'held-back'
    }
    const { isVerified = false } = delivery
    const verdict = volume.receive(entry, { isVerified, payer })
    if (verdict === 'future-clock') this.#park(entry, undefined, delivery)
    else if (verdict === 'relabelling') this.#park(entry, RELABELLED, delivery)
    else if (verdict === 'missing-past') this.#await(entry, payer, delivery)
    return verdict
  }

  /** The member whose growth limit pays for an entry; or how long the entry must wait. */
  #payerOf(entry: Entry, author: PeerId): { payer: PeerId | undefined; waitMs: number } {
    const { volume, isPaced = true } = this.#c
    const { growth, replica } = volume
    const { ancestry } = replica
    const waitMs = isPaced ? growth.waitMs(author, entry) : 0
    const { actor, seq } = entry.header
    // A held entry costs nothing.
    const isFree = waitMs === 0 || ancestry.locate(actor, seq, entry.hash) !== undefined
    if (isFree) return { payer: author, waitMs }
    const sponsor = this.#sponsors.get(actor)
    const isPaid =
      sponsor !== undefined && sponsor.seq >= seq && growth.waitMs(sponsor.peer, entry) === 0
    return { payer: isPaid ? sponsor.peer : undefined, waitMs }
  }

  /**
   * An entry waits for its past. What is held back of that, its payer now pays: it stands for what
   * it depends on.
   */
  #await(entry: Entry, payer: PeerId, delivery: Delivery): void {
    const { actors, replica, membership } = this.#c.volume
    const isVerified = delivery.isVerified === true || isSigned(entry, this.#c.volume)
    const missing = replica.ancestry.missingOf(entry) ?? membership.governance.missingOf(entry)
    this.#park(entry, missing, { ...delivery, isVerified })
    if (!isVerified) return
    for (const { actor, seq } of entry.header.deps) {
      if ((actors.get(actor)?.seq ?? 0) >= seq) continue
      const known = this.#sponsors.get(actor)
      if (known !== undefined && known.seq >= seq && known.peer === payer) continue
      // The latest last.
      this.#sponsors.delete(actor)
      this.#sponsors.set(actor, { peer: payer, seq: Math.max(seq, known?.seq ?? 0) })
      if (this.#heldBack.size > 0) this.#lookAtGrowth(0)
    }
    bound(this.#sponsors)
  }

  /**
   * Keep an entry whose author has made the log grow too fast: a few of each, the rest comes again.
   */
  #holdBack(entry: Entry, author: PeerId, waitMs: number, delivery: Delivery): void {
    const { volume } = this.#c
    if (volume.growth.pause(author, waitMs)) {
      const name = volume.membership.nameOf(author)
      const { isFull } = volume.growth
      const message = isFull
        ? `this node is full: what ${name} writes is not taken until there is room`
        : `${name} makes the log grow faster than its role has to: the rest of what it wrote is taken bit by bit`
      volume.events.note.tell('log.held-back', { peer: author, waitMs, message })
      const event = { kind: 'peer-costly', volume: volume.id, peer: author, message } as const
      if (!isFull) volume.events.security.tell(event)
    }
    if (delivery.isVerified === true) {
      const { actor } = entry.header
      if (volume.actors.get(actor) === undefined) this.#newActors.set(actor, author)
      bound(this.#newActors)
      const bytes = this.#heldBack.get(author) ?? 0
      if (bytes + sizeOf(entry) <= HELD_BACK_BYTES_MAX) this.#park(entry, GROWTH, delivery)
    }
    if (this.#growthTimer === undefined) this.#lookAtGrowth(Math.max(LOOK_MS, waitMs))
  }

  /** Look again at what is held back, so much later. */
  #lookAtGrowth(delayMs: number): void {
    this.#growthTimer?.cancel()
    this.#growthTimer = this.#c.clock.timer(delayMs, () => {
      this.#growthTimer = undefined
      this.#takeAgain(this.#takeWaiting(GROWTH))
      commitSoon(this.#c.volume)
    })
  }

  /** Take what waited, and what waited for that. */
  #takeAgain(ready: ParkedEntry[]): void {
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
      try {
        if (this.#offer(next.entry, next) === 'applied')
          ready.push(...this.#takeWaiting(next.entry.hash))
      } catch (error) {
        // It can never be valid, and who brought it is long gone; or the volume failed, of which
        // its users hear.
        if (!(error instanceof ShoalError)) throw error
      }
    }
  }

  #waitingFor(awaited: Awaited): ParkedEntry[] {
    return [...(this.#waiting.get(awaited) ?? [])].flatMap((hash) => this.#parked.get(hash) ?? [])
  }

  #takeWaiting(awaited: Awaited): ParkedEntry[] {
    const all = this.#waitingFor(awaited)
    for (const { entry } of all) this.#remove(entry.hash)
    return all
  }

  /**
   * There is one branch more: entries may be called otherwise, so look again at all that wait for
   * one.
   */
  #forked(): void {
    if (this.#c.volume.forks.areWaiting) return
    const awaited = Array.from(this.#waiting.keys()) // which changes meanwhile
    for (const one of awaited)
      if (one !== undefined && one !== GROWTH) this.#takeAgain(this.#takeWaiting(one))
    commitSoon(this.#c.volume)
  }

  #park(entry: Entry, awaits: Awaited, { from, isVerified = false }: Delivery): void {
    const { hash } = entry
    if (this.#parked.has(hash)) return
    let isEvicted = false
    const free = this.#room.take(entry, from ?? '', () => {
      isEvicted = true
      this.#remove(hash)
    })
    if (isEvicted) return
    const parked = { entry, awaits, from, isVerified, author: this.#authorOf(entry), free }
    this.#parked.set(hash, parked)
    const waiting = this.#waiting.get(awaits) ?? new Set<EntryHash>()
    this.#waiting.set(awaits, waiting.add(hash))
    if (awaits === undefined) this.#wakeAt(entry)
    this.#countHeldBack(parked, 1)
  }

  #remove(hash: EntryHash): ParkedEntry | undefined {
    const parked = this.#parked.get(hash)
    if (parked === undefined) return undefined
    const { awaits, free } = parked
    this.#parked.delete(hash)
    free()
    this.#countHeldBack(parked, -1)
    const waiting = this.#waiting.get(awaits)
    waiting?.delete(hash)
    if (waiting?.size === 0) this.#waiting.delete(awaits)
    return parked
  }

  #countHeldBack({ entry, awaits, author }: ParkedEntry, sign: 1 | -1): void {
    if (awaits !== GROWTH) return
    const bytes = (this.#heldBack.get(author) ?? 0) + sign * sizeOf(entry)
    if (bytes > 0) this.#heldBack.set(author, bytes)
    else this.#heldBack.delete(author)
  }

  /** The author of an entry if known, else the claimed one. */
  #authorOf(entry: Entry): PeerId {
    return this.#newActors.get(entry.header.actor) ?? this.#c.volume.replica.authorOf(entry)
  }

  /** Look again when the clock of this entry is no longer too far ahead; one timer is enough. */
  #wakeAt(entry: Entry): void {
    const { clock, volume } = this.#c
    // The clock may be set meanwhile.
    const delayMs = Math.min(FUTURE_LOOK_MS, dueMs(entry) - volume.time.now())
    this.#timer ??= clock.timer(Math.max(LOOK_MS, delayMs), () => this.#lookAtFuture())
  }

  #lookAtFuture(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const nowMs = this.#c.volume.time.now()
    const all = this.#waitingFor(undefined)
    const ready = all.filter(({ entry }) => dueMs(entry) <= nowMs)
    for (const { entry } of ready) this.#remove(entry.hash)
    this.#takeAgain(ready)
    for (const { entry } of all) if (this.#parked.has(entry.hash)) this.#wakeAt(entry)
    if (ready.length > 0) commitSoon(this.#c.volume)
  }
}

/** When an entry from the future is taken. */
function dueMs({ header }: Entry): WallTime {
  return (hlcMillis(header.hlc) - CLOCK_AHEAD_MS) as WallTime
}

/** Removes the oldest key if there are more than a log has actors. */
function bound<Value>(map: Map<ActorId, Value>): void {
  const [first] = map.keys()
  if (map.size > ACTORS_MAX && first !== undefined) map.delete(first)
}

/** Is an entry signed by its author, as far as that one is known? */
function isSigned(entry: Entry, { id, actors }: Volume): boolean {
  const { actor, origin } = entry.header
  const named = origin !== undefined && actorIdOf(id, origin) === actor ? origin : undefined
  const key = actors.get(actor)?.publicKey ?? named?.publicKey
  return key !== undefined && verifyEntry(entry, key)
}

/** Entries whose writer is sure: signed, or before one of these in the chain. */
function verifiedRuns(entries: readonly Entry[], { id, actors }: Volume): ReadonlySet<EntryHash> {
  const keys = new Map<ActorId, Uint8Array>()
  // Anyone can write another's name above a key: the name must be made of it.
  for (const { header } of entries)
    if (header.origin !== undefined && actorIdOf(id, header.origin) === header.actor)
      keys.set(header.actor, header.origin.publicKey)
  const verified = new Set<EntryHash>()
  /** Actors with the hashes that verified entries of theirs name as those before them. */
  const named = new Set<string>()
  for (const entry of entries.toReversed()) {
    const { actor, prev } = entry.header
    const key = actors.get(actor)?.publicKey ?? keys.get(actor)
    const isSure = named.has(actor + entry.hash) || (key !== undefined && verifyEntry(entry, key))
    if (!isSure) continue
    verified.add(entry.hash)
    named.add(actor + (prev ?? ''))
  }
  return verified
}

function sizeOf(entry: Entry): number {
  return entry.headerBytes.byteLength + entry.body.byteLength
}
