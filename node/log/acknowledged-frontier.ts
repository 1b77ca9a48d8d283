// How much of what this node wrote is known to be held by others. Of the rest nobody else may know:
// a machine that was cloned, and comes back when others have dropped the log from where its copy
// wrote on, can tell by this what to say again (replay.ts). Cost: one small record, rewritten when
// an exchange of logs has confirmed more.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeStoredVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { StateView } from '../state/state-view.ts'

const SHARED: ByteString = STATE_PREFIXES.acknowledged

export class AcknowledgedFrontier {
  readonly #view: StateView
  #vector: VersionVector

  constructor(view: StateView) {
    this.#view = view
    const bytes = view.get(SHARED)
    this.#vector = bytes === undefined ? new Map() : decodeStoredVector(decodeCbor(bytes, 'shared'))
  }

  /** The number of entries of own actors, by label, that others hold too. */
  get vector(): VersionVector {
    return this.#vector
  }

  /** A peer holds the entry (label, seq), which is of this node, and so its past. */
  confirm(label: ActorId, seq: number): void {
    if ((this.#vector.get(label) ?? 0) >= seq) return
    this.#save(new Map(this.#vector).set(label, seq))
  }

  /** Some labels are others by now. */
  rename(renames: readonly Rename[]): void {
    if (renames.length > 0) this.#save(renamedBy(this.#vector, renames))
  }

  #save(vector: VersionVector): void {
    this.#vector = vector
    this.#view.put(SHARED, encodeCbor(encodeVector(vector)))
  }
}
