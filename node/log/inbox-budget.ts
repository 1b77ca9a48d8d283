// Room for entries that came and cannot be applied yet: for all volumes of a node together, and
// shared fairly by the peers that delivered them. Of too much the oldest of the peer with the most
// goes, so that nobody pushes out what others brought.
import { PARKED_BYTES_MAX, PARKED_MAX } from '../../protocol/limits.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { KIB } from '../../protocol/units.ts'

/** In memory an entry takes this much, and its header, decoded, several times its bytes. */
const ENTRY_BYTES: number = 1 * KIB
const HEADER_FACTOR = 8

/** An entry that waits. */
interface Place {
  readonly bytes: number
  /** Called when it has to go. */
  readonly evict: () => void
}

/** The peer that delivered it; '' if nobody is to be blamed. */
export type Deliverer = string

interface Share {
  readonly places: Set<Place>
  bytes: number
}

export class InboxBudget {
  readonly #shares = new Map<Deliverer, Share>()
  #bytes = 0
  #count = 0

  /**
   * Make room for an entry, if need be by the eviction of others, or of this one. returns what
   * gives the room back.
   */
  take({ headerBytes, body }: Entry, by: Deliverer, evict: () => void): () => void {
    const bytes = ENTRY_BYTES + HEADER_FACTOR * headerBytes.byteLength + body.byteLength
    const place = { bytes, evict }
    const share = this.#shares.get(by) ?? { places: new Set(), bytes: 0 }
    this.#shares.set(by, share)
    share.places.add(place)
    share.bytes += bytes
    this.#bytes += bytes
    this.#count++
    while (this.#bytes > PARKED_BYTES_MAX || this.#count > PARKED_MAX) this.#evictOne()
    return () => this.#free(place, by)
  }

  #evictOne(): void {
    let most: readonly [Deliverer, Share] | undefined
    for (const one of this.#shares)
      if (most === undefined || one[1].bytes > most[1].bytes) most = one
    const [oldest] = most?.[1].places ?? []
    if (most === undefined || oldest === undefined) return
    this.#free(oldest, most[0])
    oldest.evict()
  }

  #free(place: Place, by: Deliverer): void {
    const share = this.#shares.get(by)
    if (share?.places.delete(place) !== true) return
    share.bytes -= place.bytes
    this.#bytes -= place.bytes
    this.#count--
    if (share.places.size === 0) this.#shares.delete(by)
  }
}
