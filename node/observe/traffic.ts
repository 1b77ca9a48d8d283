// Bytes that went to peers and came from them, by minute, for an hour: for people who watch. They
// are counted as they move; nothing runs for it. The oldest go as new ones come, and so do peers
// that are silent.
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Meter } from '../metrics/meter.ts'
import type { Clock } from '../world/world.ts'
import type { CountBytes } from './counted-tiers.ts'

const MINUTES = 60
/** More are not told apart: members are fewer, and strangers are many. */
const PEERS_MAX = 1024

export interface MinuteOfTraffic {
  /** When it began. */
  readonly atMs: WallTime
  readonly inBytes: number
  readonly outBytes: number
  /** Shards that this node made anew or moved in it. */
  readonly repairedBytes: number
  /** To cold tiers and from them. */
  readonly coldBytes: number
}

/** Bytes a second, over one to two minutes. */
export interface PeerRate {
  readonly inPerSecond: number
  readonly outPerSecond: number
}

interface Counts {
  inBytes: number
  outBytes: number
}

interface Minute extends Counts {
  readonly minute: number
  repairedBytes: number
  coldBytes: number
}

export class Traffic {
  readonly #clock: Pick<Clock, 'wall'>
  #minutes: Minute[] = []
  #now = new Map<PeerId, Counts>()
  #before = new Map<PeerId, Counts>()
  #repairedBytes = 0
  /** Shards made anew or moved since the start; told once there is somebody to ask. */
  repaired: () => number = () => 0

  constructor(clock: Pick<Clock, 'wall'>) {
    this.#clock = clock
  }

  /** Counts what moves, and tells the other meter. */
  meter(other: Pick<Meter, 'moved'>): Pick<Meter, 'moved'> {
    return {
      moved: (peer, protocol, direction, bytes) => {
        this.#moved(peer, direction, bytes)
        other.moved(peer, protocol, direction, bytes)
      },
    }
  }

  /** Counts what goes to cold tiers and comes from them, and tells the other. */
  coldMeter(other: CountBytes = () => {}): CountBytes {
    return (bytes, ...how) => {
      this.countCold(bytes)
      other(bytes, ...how)
    }
  }

  /** Bytes went to a cold tier, or came from it. */
  countCold(bytes: number): void {
    this.#current().coldBytes += bytes
  }

  /** Those in which something moved, the oldest first. */
  minutes(): readonly MinuteOfTraffic[] {
    this.#countRepaired(this.#current())
    return this.#minutes.map(({ minute, ...counts }) => {
      return { atMs: (minute * MINUTE_MS) as WallTime, ...counts }
    })
  }

  rateOf(peer: PeerId): PeerRate {
    this.#current()
    const inMinuteMs = this.#clock.wall() % MINUTE_MS
    const seconds = (MINUTE_MS + inMinuteMs) / SECOND_MS
    const [now, before] = [this.#now.get(peer), this.#before.get(peer)]
    return {
      inPerSecond: Math.round(((now?.inBytes ?? 0) + (before?.inBytes ?? 0)) / seconds),
      outPerSecond: Math.round(((now?.outBytes ?? 0) + (before?.outBytes ?? 0)) / seconds),
    }
  }

  #moved(peer: PeerId, direction: 'in' | 'out', bytes: number): void {
    const key = direction === 'in' ? 'inBytes' : 'outBytes'
    this.#current()[key] += bytes
    const ofPeer = this.#now.get(peer) ?? { inBytes: 0, outBytes: 0 }
    ofPeer[key] += bytes
    if (this.#now.size < PEERS_MAX || this.#now.has(peer)) this.#now.set(peer, ofPeer)
  }

  #current(): Minute {
    const minute = Math.floor(this.#clock.wall() / MINUTE_MS)
    const last = this.#minutes.at(-1)
    if (last?.minute === minute) return last
    if (last !== undefined) this.#countRepaired(last)
    this.#before = last?.minute === minute - 1 ? this.#now : new Map()
    this.#now = new Map()
    const next = { minute, inBytes: 0, outBytes: 0, repairedBytes: 0, coldBytes: 0 }
    // A clock that was put back leaves none that are yet to come.
    const kept = this.#minutes.filter((one) => one.minute < minute && one.minute > minute - MINUTES)
    this.#minutes = [...kept, next]
    return next
  }

  /** Not with each message: there are many repairs to add up. */
  #countRepaired(minute: Minute): void {
    const total = this.repaired()
    minute.repairedBytes += Math.max(0, total - this.#repairedBytes)
    this.#repairedBytes = total
  }
}
