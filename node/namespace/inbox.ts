// Entries of one volume as they come from peers, in whatever order. What cannot be applied yet waits here: for its past,
// or for its clock to be no longer ahead. Bounds: PARKED_MAX entries of PARKED_BYTES_MAX in all; of more the oldest go,
// and come again with the next exchange. Of a run of one actor's entries the last signature is verified: it covers
// the others through their hashes.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import { CLOCK_AHEAD_MS, PARKED_BYTES_MAX, PARKED_MAX } from '../../protocol/limits.ts'
import { actorIdOf, verifyEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Clock, Timer } from '../world/world.ts'
import type { EntryVerdict } from './entry-check.ts'
import type { Volume } from './volume.ts'

/** What an entry waits for whose branch takes the name of another. */
const RELABELLED = 'relabelled'

export interface InboxComponents {
  readonly volume: Volume
  readonly clock: Clock
}

interface ParkedEntry {
  readonly entry: Entry
  /** The entry it waits for; undefined: for its time. */
  readonly awaits: EntryHash | typeof RELABELLED | undefined
}

export class Inbox {
  readonly #c: InboxComponents
  /** By hash, oldest first. */
  readonly #parked = new Map<EntryHash, ParkedEntry>()
  /** By the entry that they wait for. */
  readonly #waiting = new Map<EntryHash | typeof RELABELLED, Set<EntryHash>>()
  readonly #unlisten: () => void
  #bytes = 0
  #timer: Timer | undefined

  constructor(components: InboxComponents) {
    this.#c = components
    this.#unlisten = components.volume.forks.onChange(() => this.#forked())
  }

  /** Entries that wait. */
  get parkedCount(): number {
    return this.#parked.size
  }

  stop(): void {
    this.#timer?.cancel()
    this.#unlisten()
  }

  /** Take entries in causal order, as an exchange brings them. `onError` decides whether the others are still taken. */
  takeAll(entries: readonly Entry[], onError: (error: ShoalError) => void): void {
    const verified = verifiedRuns(entries, this.#c.volume)
    for (const entry of entries) {
      try {
        this.take(entry, verified.has(entry.hash))
      } catch (error) {
        if (!(error instanceof ShoalError)) throw error
        onError(error)
      }
    }
  }

  /** Take one, and what waited for it. throws as Volume.receive. */
  take(entry: Entry, isVerified = false): EntryVerdict {
    const { volume } = this.#c
    const verdict = volume.receive(entry, { isVerified })
    if (verdict === 'applied') {
      this.#remove(entry.hash)
      this.#release(entry.hash)
    } else {
      this.#keep(entry, verdict)
    }
    return verdict
  }

  /** Keep what may be applied later. */
  #keep(entry: Entry, verdict: EntryVerdict): void {
    if (verdict === 'future-clock') this.#park(entry, undefined)
    else if (verdict === 'relabelling') this.#park(entry, RELABELLED)
    else if (verdict === 'missing-past') this.#park(entry, this.#missingOf(entry))
  }

  #missingOf(entry: Entry): EntryHash | undefined {
    const { replica, membership } = this.#c.volume
    return replica.ancestry.missingOf(entry) ?? membership.governance.missingOf(entry)
  }

  /** What waited for an entry may be applied, and what waited for that. */
  #release(applied: EntryHash | typeof RELABELLED): void {
    this.#takeAgain([...this.#takeWaiting(applied)])
  }

  /** Take what waited, and what waited for that. */
  #takeAgain(ready: Entry[]): void {
    for (let entry = ready.shift(); entry !== undefined; entry = ready.shift()) {
      try {
        const verdict = this.#c.volume.receive(entry)
        if (verdict === 'applied') ready.push(...this.#takeWaiting(entry.hash))
        else this.#keep(entry, verdict)
      } catch (error) {
        // It can never be valid, and who brought it is long gone; or the volume failed, of which its users hear.
        if (!(error instanceof ShoalError)) throw error
      }
    }
  }

  *#takeWaiting(applied: EntryHash | typeof RELABELLED): Generator<Entry> {
    for (const hash of this.#waiting.get(applied) ?? []) {
      const parked = this.#remove(hash)
      if (parked !== undefined) yield parked.entry
    }
  }

  /** There is one branch more: entries may be called otherwise, so look again at all that wait for one. */
  #forked(): void {
    if (this.#c.volume.forks.areWaiting) return
    const awaited = Array.from(this.#waiting.keys()) // which changes meanwhile
    for (const one of awaited) this.#release(one)
    this.#c.volume.commit().catch(() => undefined) // its users hear of it
  }

  #park(entry: Entry, awaits: EntryHash | typeof RELABELLED | undefined): void {
    if (this.#parked.has(entry.hash)) return
    this.#parked.set(entry.hash, { entry, awaits })
    this.#bytes += sizeOf(entry)
    if (awaits !== undefined) {
      const waiting = this.#waiting.get(awaits) ?? new Set<EntryHash>()
      this.#waiting.set(awaits, waiting.add(entry.hash))
    } else {
      this.#wakeAt(entry)
    }
    while (this.#parked.size > PARKED_MAX || this.#bytes > PARKED_BYTES_MAX) {
      const [oldest] = this.#parked.keys()
      if (oldest !== undefined) this.#remove(oldest)
    }
  }

  #remove(hash: EntryHash): ParkedEntry | undefined {
    const parked = this.#parked.get(hash)
    if (parked === undefined) return undefined
    this.#parked.delete(hash)
    this.#bytes -= sizeOf(parked.entry)
    const { awaits } = parked
    const waiting = awaits === undefined ? undefined : this.#waiting.get(awaits)
    waiting?.delete(hash)
    if (awaits !== undefined && waiting?.size === 0) this.#waiting.delete(awaits)
    return parked
  }

  /** Look again when the clock of this entry is no longer too far ahead; one timer is enough. */
  #wakeAt({ header }: Entry): void {
    const { clock } = this.#c
    const delayMs = hlcMillis(header.hlc) - CLOCK_AHEAD_MS - clock.wall()
    this.#timer ??= clock.timer(Math.max(1000, delayMs), () => {
      this.#timer = undefined
      const early = [...this.#parked.values()].filter(({ awaits }) => awaits === undefined)
      for (const { entry } of early) this.#remove(entry.hash)
      this.#takeAgain(early.map(({ entry }) => entry))
      this.#c.volume.commit().catch(() => undefined) // its users hear of it
    })
  }
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
