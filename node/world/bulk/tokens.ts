// The tokens by which bulk connections are let in. Always true: one is good once, for the peer that
// it was given to, for a short time, and while that is still connected; a peer has a few at a time.
import { toHex } from '../../../protocol/bytes.ts'
import { KNOCK_BYTES, TOKEN_BYTES } from '../../../protocol/wire/bulk.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import type { Instant } from '../../../protocol/units.ts'
import type { PeerId } from '../../../protocol/ids.ts'

/** So long a token is good. */
export const TOKEN_MS: number = 10 * SECOND_MS
/** The limit for one peer: each side may ask at once. The oldest gives way. */
const TOKENS_PER_PEER_MAX = 2

interface Issued {
  readonly peer: PeerId
  readonly secret: Uint8Array
  readonly until: number
}

export class BulkTokens {
  readonly #now: () => Instant
  readonly #bytes: (length: number) => Uint8Array
  /** By knock, the oldest first. */
  readonly #issued = new Map<string, Issued>()

  constructor({ now, bytes }: { now: () => Instant; bytes: (length: number) => Uint8Array }) {
    this.#now = now
    this.#bytes = bytes
  }

  /** A token for `peer`, which is a connected member. */
  issue(peer: PeerId): Uint8Array {
    this.#sweep()
    const own = [...this.#issued].filter(([, issued]) => issued.peer === peer)
    for (const [knock] of own.slice(0, own.length + 1 - TOKENS_PER_PEER_MAX))
      this.#issued.delete(knock)
    const token = this.#bytes(TOKEN_BYTES)
    const knock = toHex(token.subarray(0, KNOCK_BYTES))
    const secret = token.slice(KNOCK_BYTES)
    this.#issued.set(knock, { peer, secret, until: this.#now() + TOKEN_MS })
    return token
  }

  /** The peer that may come in with this knock, and the secret it must show; never again. */
  redeem(knock: string): { peer: PeerId; secret: Uint8Array } | undefined {
    this.#sweep()
    const issued = this.#issued.get(knock)
    this.#issued.delete(knock)
    return issued
  }

  /** The peer is gone, or no member any more. */
  forget(peer: PeerId): void {
    for (const [knock, issued] of this.#issued) if (issued.peer === peer) this.#issued.delete(knock)
  }

  #sweep(): void {
    for (const [knock, { until }] of this.#issued) {
      if (until > this.#now()) return
      this.#issued.delete(knock)
    }
  }
}
