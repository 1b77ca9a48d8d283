// The stable cuts that checkpoints of the log were made at. Whoever announces one holds all that anybody had written
// without having seen all of it; an entry that the announcer did not hold, and whose writer had not seen all of the cut,
// comes too late: from a machine that was away for longer than it was waited for, or one restored from a backup. It
// is kept, and says nothing; its writer says it again when it learns of the cut (rebase.ts). Every replica that has
// the same cuts judges alike. A cut is announced only by one who has heard of a quorum of the members.
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import {
  decodeStoredVector,
  dominates,
  encodeVector,
  equalVectors,
} from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { decodeHlc } from '../../protocol/log/entry.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { StateView } from './state-view.ts'

const CUTS: ByteString = 'wcuts'
const JUDGED: ByteString = 'wjudged'

export interface AnnouncedCut extends Cut {
  /** The entry that announces it. */
  readonly id: EntryHash
  /** What the announcer held, the announcement included. */
  readonly held: VersionVector
  /** The announcement of the cut that counts before it. What came too late for any before it says nothing at it. */
  readonly before: EntryHash | undefined
}

/** A cut and what its state was made in view of: these two tell which state it is. */
export interface CutState extends Cut {
  readonly before: EntryHash | undefined
}

export class Cuts {
  readonly #view: StateView
  /** By clock. */
  #all: readonly AnnouncedCut[]
  #chain: readonly AnnouncedCut[]
  #judged: readonly EntryHash[]

  constructor(view: StateView) {
    this.#view = view
    const [cuts, judged] = [view.get(CUTS), view.get(JUDGED)]
    this.#all = cuts === undefined ? [] : decodeCuts(cuts)
    this.#chain = chainOf(this.#all)
    this.#judged = judged === undefined ? [] : decodeIds(judged)
  }

  /** All that are kept. */
  get all(): readonly AnnouncedCut[] {
    return this.#all
  }

  /** Those that count, oldest first. */
  get chain(): readonly AnnouncedCut[] {
    return this.#chain
  }

  /** The last that counts. */
  get newest(): AnnouncedCut | undefined {
    return this.#chain.at(-1)
  }

  /** Was the state in use built in view of the cuts that count? Durable, so that what is due stays due. */
  get areJudged(): boolean {
    return sameIds(this.#judged, idsOf(this.#chain))
  }

  /** The same, but for the newest. */
  get areJudgedButNewest(): boolean {
    return sameIds(this.#judged, idsOf(this.#chain.slice(0, -1)))
  }

  /**
   * Can the state at `to` be computed from that at `base`? Yes if that is of a cut that counts, or of one in whose place
   * `to` counts, with the same before it.
   */
  leadTo(to: AnnouncedCut, base: CutState): boolean {
    if (to.hlc <= base.hlc || !dominates(to.vector, base.vector)) return false
    return base.vector.size === 0 || this.placeOf(base) >= 0 || base.before === to.before
  }

  /** The state in use is built in view of these; durable with the next commit. */
  judge(by: readonly AnnouncedCut[]): void {
    this.#judged = idsOf(by)
    this.#save()
  }

  /** Where in the chain this state belongs; -1: it is not of a cut that counts. */
  placeOf({ hlc, vector, before }: CutState): number {
    return this.#chain.findIndex(
      (cut) => cut.hlc === hlc && cut.before === before && equalVectors(cut.vector, vector),
    )
  }

  /**
   * A member announces a cut: learn of it; or, of a known one, what its announcer held, by the labels of this log. One that
   * does not go beyond the one before it counts for nothing.
   */
  announce(cut: Omit<AnnouncedCut, 'before'>): 'new' | 'known' | 'corrected' {
    const known = this.#all.find(({ id }) => id === cut.id)
    const inPast = this.#all.filter(({ id, held }) => id !== cut.id && dominates(cut.held, held))
    if (known !== undefined) return this.add({ ...cut, before: known.before })
    const before = chainOf(inPast).at(-1)
    if (before !== undefined && !isBeyond(cut, before)) return 'known'
    return this.add({ ...cut, before: before?.id })
  }

  /** Learn of a cut that another knows of. */
  add(cut: AnnouncedCut): 'new' | 'known' | 'corrected' {
    const known = this.#all.find(({ id }) => id === cut.id)
    if (known !== undefined && equalVectors(known.held, cut.held)) return 'known'
    const others = this.#all.filter(({ id }) => id !== cut.id)
    this.#set([...others, cut].sort(byClock))
    if (known !== undefined) this.#judged = []
    this.#save()
    return known === undefined ? 'new' : 'corrected'
  }

  /**
   * The state at `base` is kept and older ones are not. A cut says nothing more once every entry that the next
   * announcer held, and this one perhaps not, is below it.
   */
  prune(base: Cut): void {
    const left = this.#all.filter((cut) => {
      const at = this.#chain.indexOf(cut)
      const next = at < 0 ? cut : this.#chain[at + 1]
      return next === undefined || !dominates(base.vector, next.held)
    })
    if (left.length === this.#all.length) return
    const ids = new Set(idsOf(left))
    this.#judged = this.#judged.filter((id) => ids.has(id))
    this.#set(left)
    this.#save()
  }

  /** Some labels are others by now. */
  rename(renames: readonly Rename[]): void {
    if (renames.length === 0) return
    this.#set(renamedCuts(this.#all, renames))
    this.#save()
  }

  #set(all: readonly AnnouncedCut[]): void {
    this.#all = all
    this.#chain = chainOf(all)
  }

  #save(): void {
    const cuts = this.#all.map(({ hlc, vector, held, id, before }) => [
      hlc,
      encodeVector(vector),
      encodeVector(held),
      fromHex(id),
      before === undefined ? null : fromHex(before),
    ])
    this.#view.put(CUTS, encodeCbor(cuts))
    this.#view.put(JUDGED, encodeCbor(this.#judged.map(fromHex)))
  }
}

/**
 * Of cuts that go on from the same one, announced without knowing of each other, one counts. Two quorums have a member in
 * common, which confirmed one of their cuts first: the other announcer holds all of that one. It is the other that
 * counts: nothing is late for it that the first covers, and may have been dropped. Where each holds all of the other's,
 * the greater clock. all: by clock.
 */
function chosen(all: readonly AnnouncedCut[]): AnnouncedCut | undefined {
  const standing = all.filter(
    (cut) =>
      !all.some((other) => dominates(other.held, cut.vector) && !dominates(cut.held, other.vector)),
  )
  return (standing.length > 0 ? standing : all).at(-1)
}

/** The cuts that count, each after the one that its announcer went by: the same for all who know the same. */
function chainOf(all: readonly AnnouncedCut[]): readonly AnnouncedCut[] {
  const ids = new Set<EntryHash | undefined>(idsOf(all))
  const chain: AnnouncedCut[] = []
  let next = chosen(all.filter(({ before }) => !ids.has(before)))
  for (; next !== undefined;) {
    chain.push(next)
    const { id } = next
    next = chosen(all.filter(({ before }) => before === id))
  }
  return chain
}

/** Did the entry under (label, seq) come too late? `seenBy`: what its writer had applied, itself included. */
export function isLate(
  cuts: readonly AnnouncedCut[],
  { label, seq }: { readonly label: ActorId; readonly seq: number },
  seenBy: () => VersionVector,
): boolean {
  const unheld = cuts.filter(({ held }) => seq > (held.get(label) ?? 0))
  if (unheld.length === 0) return false
  const seen = seenBy()
  return unheld.some(({ vector }) => !dominates(seen, vector))
}

/** Cuts by other labels. Those of what they cover stay what they are. */
export function renamedCuts(
  cuts: readonly AnnouncedCut[],
  renames: readonly Rename[],
): readonly AnnouncedCut[] {
  return cuts.map((cut) => ({ ...cut, held: renamedBy(cut.held, renames) }))
}

function isBeyond(cut: Cut, before: Cut): boolean {
  return cut.hlc > before.hlc && dominates(cut.vector, before.vector)
}

function byClock(a: AnnouncedCut, b: AnnouncedCut): number {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  return a.id < b.id ? -1 : 1
}

function idsOf(cuts: readonly AnnouncedCut[]): readonly EntryHash[] {
  return cuts.map(({ id }) => id)
}

function sameIds(a: readonly EntryHash[], b: readonly EntryHash[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}

function decodeIds(bytes: Uint8Array): readonly EntryHash[] {
  const ids = decodeCbor(bytes, 'judged cuts') as readonly Uint8Array[]
  return ids.map((id) => toHex(id) as EntryHash)
}

function decodeCuts(bytes: Uint8Array): AnnouncedCut[] {
  const cuts = decodeCbor(bytes, 'cuts') as readonly (readonly unknown[])[]
  return cuts.map(([hlc, vector, held, id, before]) => ({
    hlc: decodeHlc(hlc),
    vector: decodeStoredVector(vector),
    held: decodeStoredVector(held),
    id: toHex(id as Uint8Array) as EntryHash,
    before: before === null ? undefined : (toHex(before as Uint8Array) as EntryHash),
  }))
}
