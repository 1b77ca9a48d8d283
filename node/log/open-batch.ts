// Ops of this node that will be one entry. It has its number and clock from the start: ops are
// applied as they are made, under the dots and stamps that the entry gives them.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { WallTime } from '../../protocol/units.ts'
import { BATCH_BYTES_MAX, BATCH_OPS_MAX } from '../../protocol/limits.ts'
import { packBatch } from '../../protocol/log/batch.ts'
import { FLAG_CLEAR_BODY, FLAG_GOVERNS } from '../../protocol/log/entry.ts'
import { isClearOp, isGoverningOp } from '../../protocol/op/op.ts'
import type { Op } from '../../protocol/op/op.ts'

/** A batch closes this long after its first op. */
export const BATCH_MS = 20

/** Ops of one entry are all of one kind. */
export const BODY_KINDS = ['sealed', 'clear', 'governing', 'sealed-governing'] as const
export type BodyKind = (typeof BODY_KINDS)[number]

export function bodyKindOf(op: Op): BodyKind {
  if (!isGoverningOp(op)) return isClearOp(op) ? 'clear' : 'sealed'
  return isClearOp(op) ? 'governing' : 'sealed-governing'
}

/** Flags of the header of an entry with such a body. */
export const FLAGS_OF: Readonly<Record<BodyKind, number>> = {
  sealed: 0,
  clear: FLAG_CLEAR_BODY,
  governing: FLAG_CLEAR_BODY | FLAG_GOVERNS,
  'sealed-governing': FLAG_GOVERNS,
}

export class OpenBatch {
  readonly seq: number
  readonly hlc: Hlc
  readonly kind: BodyKind
  readonly ops: Op[] = []
  readonly #encoded: Uint8Array[] = []
  #bytes = 0

  constructor(at: Pick<OpenBatch, 'seq' | 'hlc' | 'kind'>) {
    this.seq = at.seq
    this.hlc = at.hlc
    this.kind = at.kind
  }

  /** Half full: ops that must stay together had better begin another. */
  get isHalfFull(): boolean {
    return this.ops.length > BATCH_OPS_MAX / 2 || this.#bytes > BATCH_BYTES_MAX / 2
  }

  /** Should it have been closed by now? Its ops have the time of its first, which files show. */
  isLate(nowMs: WallTime): boolean {
    return hlcMillis(this.hlc) + 2 * BATCH_MS < nowMs
  }

  /**
   * Is there room for an op of so many bytes? Up to BATCH_BYTES_MAX no ops have more items than a
   * reader takes.
   */
  hasRoom(bytes: number): boolean {
    const fits = this.ops.length < BATCH_OPS_MAX && this.#bytes + bytes <= BATCH_BYTES_MAX
    return fits || this.ops.length === 0
  }

  /** Take an op and its bytes (encodeChecked). returns its index. */
  add(op: Op, encoded: Uint8Array): number {
    this.#bytes += encoded.length
    this.#encoded.push(encoded)
    return this.ops.push(op) - 1
  }

  /** The bytes of the ops from an index on. */
  encodedFrom(first: number): readonly Uint8Array[] {
    return this.#encoded.slice(first)
  }

  /** The body of the entry, not yet sealed. */
  pack(): Uint8Array {
    return packBatch(this.#encoded)
  }
}
