// The stable cuts that checkpoints of the log were made at. Whoever announces one holds all that anybody had written
// without having seen all of it; an entry that the announcer did not hold, and whose writer had not seen all of the cut,
// comes too late: from a machine that was away for longer than it was waited for, or one restored from a backup. It
// is kept, and says nothing; its writer says it again when it learns of the cut (rebase.ts). Every replica that has
// the same cuts judges alike.
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import {
  decodeVector,
  dominates,
  encodeVector,
  equalVectors,
} from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { decodeHlc } from '../../protocol/log/entry.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { StateView } from './state-view.ts'

const CUTS: ByteString = 'wcuts'

export interface AnnouncedCut extends Cut {
  /** What the announcer held, the announcement included. */
  readonly held: VersionVector
}

export class Cuts {
  readonly #view: StateView
  #cuts: readonly AnnouncedCut[]

  constructor(view: StateView) {
    this.#view = view
    const bytes = view.get(CUTS)
    this.#cuts = bytes === undefined ? [] : decodeCuts(bytes)
  }

  /** By clock. */
  get all(): readonly AnnouncedCut[] {
    return this.#cuts
  }

  /** The newest, by clock. */
  get newest(): AnnouncedCut | undefined {
    return this.#cuts.at(-1)
  }

  /** The oldest that is kept: entries below it may have been dropped. */
  get oldest(): AnnouncedCut | undefined {
    return this.#cuts[0]
  }

  /** The one with this clock. */
  at(hlc: Hlc): AnnouncedCut | undefined {
    return this.#cuts.find((cut) => cut.hlc === hlc)
  }

  /** Learn of a cut; or, of a known one, what its announcer held, by the labels of this log. */
  add(cut: AnnouncedCut): 'new' | 'known' | 'corrected' {
    const known = this.at(cut.hlc)
    if (known !== undefined && equalVectors(known.held, cut.held)) return 'known'
    const others = this.#cuts.filter(({ hlc }) => hlc !== cut.hlc)
    this.#cuts = [...others, { ...cut, ...known, held: cut.held }].sort(byClock)
    this.#save()
    return known === undefined ? 'new' : 'corrected'
  }

  /** The state at `base` is kept and older ones are not: what it covers no longer says more than it does. */
  prune(base: Cut): void {
    const left = this.#cuts.filter((cut) => cut.hlc >= base.hlc)
    if (left.length === this.#cuts.length) return
    this.#cuts = left
    this.#save()
  }

  /** Some labels are others by now. */
  rename(renames: readonly Rename[]): void {
    if (renames.length === 0) return
    this.#cuts = renamedCuts(this.#cuts, renames)
    this.#save()
  }

  #save(): void {
    this.#view.put(
      CUTS,
      encodeCbor(
        this.#cuts.map(({ hlc, vector, held }) => [hlc, encodeVector(vector), encodeVector(held)]),
      ),
    )
  }
}

/** Did the entry under (label, seq) come too late? `seenBy`: what its writer had applied, itself included. */
export function isLate(
  cuts: readonly AnnouncedCut[],
  { label, seq }: { readonly label: ActorId; readonly seq: number },
  seenBy: () => VersionVector,
): boolean {
  return cuts.some(
    ({ vector, held }) => seq > (held.get(label) ?? 0) && !dominates(seenBy(), vector),
  )
}

/** Cuts by other labels. Those of what they cover stay what they are. */
export function renamedCuts(
  cuts: readonly AnnouncedCut[],
  renames: readonly Rename[],
): readonly AnnouncedCut[] {
  return cuts.map((cut) => ({ ...cut, held: renamedBy(cut.held, renames) }))
}

function byClock(a: AnnouncedCut, b: AnnouncedCut): number {
  return a.hlc < b.hlc ? -1 : 1
}

function decodeCuts(bytes: Uint8Array): AnnouncedCut[] {
  const cuts = decodeCbor(bytes, 'cuts') as readonly (readonly unknown[])[]
  return cuts.map(([hlc, vector, held]) => ({
    hlc: decodeHlc(hlc),
    vector: decodeVector(vector),
    held: decodeVector(held),
  }))
}
