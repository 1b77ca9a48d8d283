// The log of transfers: of each minute, with whom much moved, which way, and for what. It is
// counted as it moves, and written when another minute begins: nothing runs for it.
import { KIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { TierLocation } from '../../protocol/cold/location.ts'
import type { Meter } from '../metrics/meter.ts'
import type { Clock } from '../world/world.ts'
import type { WriteLog } from './log-events.ts'

/** In the home. */
export const TRANSFERS_FILE = 'logs/transfers.log'
/** Less in a minute is no transfer: beacons, questions, heads. */
const BYTES_MIN: number = 64 * KIB
/** With more in one minute, the others are left out. */
const OTHERS_MAX = 1024

interface Counts {
  readonly facts: { readonly peer?: PeerId; readonly tier?: string; readonly protocol?: string }
  inBytes: number
  outBytes: number
}

export class Transfers {
  readonly #clock: Pick<Clock, 'wall'>
  readonly #write: WriteLog
  #minute = 0
  /** By peer or tier, and by protocol. */
  readonly #counts = new Map<string, Map<string, Counts>>()

  constructor(clock: Pick<Clock, 'wall'>, write: WriteLog) {
    this.#clock = clock
    this.#write = write
  }

  /** Counts what moves, and tells the other meter. */
  meter(other: Pick<Meter, 'moved'>): Pick<Meter, 'moved'> {
    return {
      moved: (peer, protocol, direction, bytes) => {
        this.#count(peer, protocol, direction, bytes)
        other.moved(peer, protocol, direction, bytes)
      },
    }
  }

  /** Bytes went to a cold tier, or came from it. */
  countCold(bytes: number, direction: 'in' | 'out', { kind }: TierLocation): void {
    this.#count('', kind, direction, bytes)
  }

  /** Write what was counted since. */
  flush(): void {
    for (const ofOne of this.#counts.values())
      for (const { facts, inBytes, outBytes } of ofOne.values()) {
        if (inBytes + outBytes < BYTES_MIN) continue
        const perSecond = Math.round(((inBytes + outBytes) / MINUTE_MS) * SECOND_MS)
        this.#write('transfer.minute', { ...facts, inBytes, outBytes, perSecond })
      }
    this.#counts.clear()
  }

  #count(peer: PeerId | '', what: string, direction: 'in' | 'out', bytes: number): void {
    const minute = Math.floor(this.#clock.wall() / MINUTE_MS)
    if (minute !== this.#minute) this.flush()
    this.#minute = minute
    let ofOne = this.#counts.get(peer)
    if (ofOne === undefined) {
      if (this.#counts.size >= OTHERS_MAX) return
      ofOne = new Map()
      this.#counts.set(peer, ofOne)
    }
    let counts = ofOne.get(what)
    if (counts === undefined) {
      const facts = peer === '' ? { tier: what } : { peer, protocol: what }
      counts = { facts, inBytes: 0, outBytes: 0 }
      ofOne.set(what, counts)
    }
    counts[direction === 'in' ? 'inBytes' : 'outBytes'] += bytes
  }
}
