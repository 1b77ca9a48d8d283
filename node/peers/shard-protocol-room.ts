// Memory for whole shards in requests of peers. All peers together have a bounded room, and each at
// most half of it, so that a slow peer never has it all. Who does not fit waits, in order of
// asking, for what others give back.
import { SHARD_MAX } from '../../protocol/wire/shard.ts'
import type { PeerId } from '../../protocol/ids.ts'

/** For all peers: the largest shard fits. */
export const ROOM_BYTES: number = SHARD_MAX
/** For one peer, unless it holds nothing else. */
const PEER_BYTES: number = ROOM_BYTES / 2

interface Asker {
  readonly peer: PeerId
  readonly bytes: number
  readonly grant: () => void
}

export class ShardRoom {
  readonly #waiting: Asker[] = []
  readonly #heldBy = new Map<PeerId, number>()
  #held = 0

  /**
   * Resolves once `bytes` (at most ROOM_BYTES) are `peer`'s, with the function that gives them
   * back, to be called once.
   * throws the reason of `signal` when it aborts first.
   */
  async take(peer: PeerId, bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const asker = { peer, bytes, grant: resolve }
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(asker)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      reject(signal.reason)
      this.#grant()
    }
    this.#waiting.push(asker)
    signal.addEventListener('abort', onAbort)
    this.#grant()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return () => this.#giveBack(peer, bytes)
  }

  /** Nobody overtakes one who waits for the others; one who waits for itself is stepped over. */
  #grant(): void {
    for (const asker of this.#waiting.slice()) {
      const { peer, bytes, grant } = asker
      const held = this.#heldBy.get(peer) ?? 0
      if (held > 0 && held + bytes > PEER_BYTES) continue
      if (this.#held + bytes > ROOM_BYTES) return
      this.#waiting.splice(this.#waiting.indexOf(asker), 1)
      this.#heldBy.set(peer, held + bytes)
      this.#held += bytes
      grant()
    }
  }

  #giveBack(peer: PeerId, bytes: number): void {
    const left = (this.#heldBy.get(peer) ?? 0) - bytes
    if (left > 0) this.#heldBy.set(peer, left)
    else this.#heldBy.delete(peer)
    this.#held -= bytes
    this.#grant()
  }
}
