// Detects presence: each peer is online, late or gone, by how long nothing was heard of it
// (protocol/detector). Silence counts only while this node itself ran: it starts at zero with the
// node, and anew when the node finds that it stood still (a suspended laptop), so that neither a
// restart of everything nor a long sleep makes anybody gone. What a peer did to its connection may
// make it late sooner, never gone. One timer for all; kept is one record per peer watched.
import {
  firstIntervals,
  isOrdinary,
  phiOf,
  withInterval,
} from '../../protocol/detector/phi-accrual.ts'
import type { Beat } from '../../protocol/detector/phi-accrual.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Instant, WallTime } from '../../protocol/units.ts'
import type { Clock, Timer } from '../world/world.ts'

/** Late from here on: one false alarm in 10^8 beats that come as they used to. */
const PHI_LATE = 8
/**
 * In beats. With those of the window this makes a peer late after three beats that did not come.
 */
const PAUSE_BEATS = 1.5
/** Looks at everybody for each beat. */
const LOOKS_PER_BEAT = 2
/**
 * A look that comes this much too late, by the wall clock or the monotonic one, means that this
 * node stood still.
 */
const STOOD_STILL_MS: number = MINUTE_MS

/**
 * online: heard as usual. late: silent for longer than chance explains. gone: silent for a whole
 * grace.
 */
export type Liveness = 'online' | 'late' | 'gone'

/** Peers, and after how long a silence they count as gone. */
export interface Watched {
  readonly peers: readonly PeerId[]
  readonly graceMs: number
}

export interface DetectorComponents {
  readonly clock: Clock
  readonly self: PeerId
  /** The members of each volume, of which changes are told. Others are forgotten. */
  readonly watched: () => readonly Watched[]
}

interface Known {
  /** Nothing was heard since. */
  silentSince: Instant
  intervals: readonly number[]
  /** It was heard since this node runs without a break. */
  isHeard: boolean
  /** Its connection closed, and nothing was heard since. */
  hasHungUp: boolean
}

export class Detector {
  readonly #c: DetectorComponents
  readonly #beat: Beat
  readonly #known = new Map<PeerId, Known>()
  readonly #listeners = new Set<(peer: PeerId) => void>()
  /** The last state told to listeners, by grace and peer. */
  #told = new Map<string, Liveness>()
  #lookedAt: { readonly now: Instant; readonly wall: WallTime }
  #timer: Timer | undefined

  /** beatMs: mean time between two beacons of a peer. */
  constructor(components: DetectorComponents, { beatMs }: { beatMs: number }) {
    this.#c = components
    this.#beat = { expectedMs: beatMs, pauseMs: PAUSE_BEATS * beatMs }
    this.#lookedAt = this.#time()
  }

  start(): void {
    this.#lookedAt = this.#time()
    this.#tell()
    this.#plan()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#listeners.clear()
  }

  /** Something that only this peer can have sent was received, now. */
  heard(peer: PeerId): void {
    const { now } = this.#look()
    const known = this.#known.get(peer) ?? this.#stranger()
    const wasOnline = this.#isOnline(peer)
    const intervals = known.isHeard
      ? withInterval(known.intervals, now - known.silentSince, this.#beat)
      : known.intervals
    this.#known.set(peer, { silentSince: now, intervals, isHeard: true, hasHungUp: false })
    if (!wasOnline) this.#tellBack(peer)
  }

  /** The connection to a peer closed: less patience until it is heard again. */
  hungUp(peer: PeerId): void {
    const known = this.#known.get(peer)
    if (known !== undefined) known.hasHungUp = true
  }

  /**
   * A peer not heard since this node runs without a break is late, until it is gone. graceMs: as of
   * Watched.
   */
  liveness(peer: PeerId, graceMs: number): Liveness {
    if (peer === this.#c.self) return 'online'
    if (this.#isOnline(peer)) return 'online'
    return this.silentMs(peer) >= graceMs ? 'gone' : 'late'
  }

  /** How suspicious its silence is; 0 of this node itself. */
  phi(peer: PeerId): number {
    return peer === this.#c.self ? 0 : this.#phi(this.#known.get(peer), this.silentMs(peer))
  }

  /** For how long nothing was heard of it while this node could hear. */
  silentMs(peer: PeerId): number {
    if (peer === this.#c.self) return 0
    const { now } = this.#look()
    // Whoever is watched since the last look is known from the next one on.
    return now - (this.#known.get(peer)?.silentSince ?? this.#lookedAt.now)
  }

  /**
   * Tells of peers whose liveness has become another for some of those who watch. returns how to
   * stop it.
   */
  onChange(listener: (peer: PeerId) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #isOnline(peer: PeerId): boolean {
    const silentMs = this.silentMs(peer)
    const known = this.#known.get(peer)
    if (known?.isHeard !== true) return false
    return isOrdinary(silentMs, this.#beatOf(known)) || this.#phi(known, silentMs) < PHI_LATE
  }

  #phi(known: Known | undefined, silentMs: number): number {
    const intervals = known?.intervals ?? firstIntervals(this.#beat)
    return phiOf(intervals, silentMs, this.#beatOf(known))
  }

  #beatOf(known: Known | undefined): Beat {
    return known?.hasHungUp === true ? { ...this.#beat, pauseMs: 0 } : this.#beat
  }

  #time(): { now: Instant; wall: WallTime } {
    const { clock } = this.#c
    return { now: clock.now(), wall: clock.wall() }
  }

  /** The time; if this node stood still since the last regular look, silence begins anew. */
  #look(): { now: Instant; wall: WallTime } {
    const time = this.#time()
    const { now, wall } = this.#lookedAt
    const latestMs = this.#beat.expectedMs / LOOKS_PER_BEAT + STOOD_STILL_MS
    if (this.#timer !== undefined && Math.max(time.now - now, time.wall - wall) > latestMs) {
      this.#lookedAt = time
      for (const known of this.#known.values()) {
        known.silentSince = time.now
        known.isHeard = false
      }
    }
    return time
  }

  /** A new record of a peer, whose silence counts from now on. */
  #stranger(): Known {
    const silentSince = this.#lookedAt.now
    return { silentSince, intervals: firstIntervals(this.#beat), isHeard: false, hasHungUp: false }
  }

  #plan(): void {
    this.#timer = this.#c.clock.timer(this.#beat.expectedMs / LOOKS_PER_BEAT, () => {
      this.#lookedAt = this.#look()
      this.#tell()
      if (this.#timer !== undefined) this.#plan()
    })
  }

  /**
   * Tell of one that is online again: where many come at once, looking at all for each costs their
   * square.
   */
  #tellBack(peer: PeerId): void {
    let isChanged = false
    for (const { peers, graceMs } of this.#c.watched()) {
      const key = `${graceMs} ${peer}`
      if ((this.#told.get(key) ?? 'online') === 'online' || !peers.includes(peer)) continue
      this.#told.set(key, 'online')
      isChanged = true
    }
    if (isChanged) for (const listener of this.#listeners) listener(peer)
  }

  /** Tell what has changed since the last time. cost: O(members of all volumes). */
  #tell(): void {
    const is = new Map<string, Liveness>()
    const changed = new Set<PeerId>()
    const watched = new Set<PeerId>()
    for (const { peers, graceMs } of this.#c.watched()) {
      for (const peer of peers) {
        const key = `${graceMs} ${peer}`
        const liveness = this.liveness(peer, graceMs)
        is.set(key, liveness)
        if (peer !== this.#c.self) watched.add(peer)
        if (liveness !== (this.#told.get(key) ?? 'online')) changed.add(peer)
      }
    }
    this.#told = is
    for (const peer of this.#known.keys()) if (!watched.has(peer)) this.#known.delete(peer)
    for (const peer of watched) if (!this.#known.has(peer)) this.#known.set(peer, this.#stranger())
    for (const peer of changed) for (const listener of this.#listeners) listener(peer)
  }
}
