// The stable cuts that checkpoints of the log were made at. Any member that may write proposes one;
// it counts once enough members have computed the state there themselves and attest it
// (Attestations). Whoever announces one holds all that anybody had written without having seen all
// of it; an entry that the announcer did not hold, and whose writer had not seen all of a cut that
// counts, comes too late: from a machine that was away for longer than it was waited for, or one
// restored from a backup. It is kept, and says nothing; it is said again by its writer, or by
// whoever holds it (rebase.ts). Every replica by which the same cuts count judges alike.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import {
  decodeStoredVector,
  dominates,
  encodeVector,
  equalVectors,
} from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { Roots } from '../state/checkpoint-view.ts'
import type { StateView } from '../state/state-view.ts'

const CUTS: ByteString = STATE_PREFIXES.cuts
const JUDGED: ByteString = STATE_PREFIXES.judged
/** No cut has this id. */
const NO_CUT = '0'.repeat(64) as EntryHash
/** The newest proposals of one member that do not count yet are remembered, up to this number. */
const PROPOSALS_MAX = 2

/** A cut that counts: what entries above it are judged by. */
export interface CountedCut extends Cut {
  /** The entry that announces it. */
  readonly id: EntryHash
  /** The log of the announcer, the announcement included. */
  readonly held: VersionVector
  /**
   * The announcement of the cut that counts before it. What came too late for any before it says
   * nothing at it.
   */
  readonly before: EntryHash | undefined
}

/** The content of a cut's announcement, to be attested. */
export interface Proposal {
  readonly author: PeerId | undefined
  /** The governing entries that its announcer knew, the newest of them. */
  readonly governed: readonly EntryHash[]
  /** The state there, as its announcer has it. */
  readonly roots: Roots
}

export interface AnnouncedCut extends CountedCut {
  /** Undefined of one that is known by the state at a later one. */
  readonly proposal: Proposal | undefined
  /** Do enough members attest it? */
  readonly counts: boolean
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

  /**
   * isEmpty: nothing is in the log yet. A state that an older program built, which kept nothing of
   * the past, is built anew.
   */
  constructor(view: StateView, { isEmpty }: { readonly isEmpty: boolean }) {
    this.#view = view
    const [cuts, judged] = [view.get(CUTS), view.get(JUDGED)]
    this.#all = cuts === undefined ? [] : decodeCuts(cuts)
    this.#chain = chainOf(this.#all)
    this.#judged = judged === undefined ? (isEmpty ? [] : [NO_CUT]) : decodeIds(judged)
    if (judged === undefined && isEmpty) this.#save()
  }

  /** All that are kept, by clock. */
  get all(): readonly AnnouncedCut[] {
    return this.#all
  }

  /** Those that do not count, or not yet. */
  get proposed(): readonly AnnouncedCut[] {
    return this.#all.filter(({ counts }) => !counts)
  }

  get(id: EntryHash): AnnouncedCut | undefined {
    return this.#all.find((cut) => cut.id === id)
  }

  /** Those that count, oldest first. */
  get chain(): readonly AnnouncedCut[] {
    return this.#chain
  }

  /** The last that counts. */
  get newest(): AnnouncedCut | undefined {
    return this.#chain.at(-1)
  }

  /**
   * Was the state in use built in view of the cuts that count? Durable, so that what is due stays
   * due.
   */
  get areJudged(): boolean {
    return sameIds(this.#judged, idsOf(this.#chain))
  }

  /** The same, but for the newest. */
  get areJudgedButNewest(): boolean {
    return sameIds(this.#judged, idsOf(this.#chain.slice(0, -1)))
  }

  /**
   * Can the state at `to` be computed from that at `base`? Yes if that is of a cut that counts, or
   * of one in whose place `to` counts, with the same before it.
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

  /** The place of this state in the chain; -1: its cut does not count. */
  placeOf({ hlc, vector, before }: CutState): number {
    return this.#chain.findIndex(
      (cut) => cut.hlc === hlc && cut.before === before && equalVectors(cut.vector, vector),
    )
  }

  /**
   * A member announces a cut: learn of it; or, of a known one, what its announcer held, by the
   * labels of this log. One that does not go beyond the one before it, or that names none before it
   * although its announcer knew some, is ignored.
   */
  announce(cut: Omit<AnnouncedCut, 'counts'>): 'new' | 'known' | 'corrected' {
    const known = this.get(cut.id)
    if (known === undefined && !this.#isSequel(cut)) return 'known'
    return this.#add({ ...cut, counts: known?.counts ?? false })
  }

  /** Learn of one that counts: it was attested, or goes before one that was. */
  adopt(cut: Omit<AnnouncedCut, 'counts'>): void {
    this.#add({ ...cut, counts: true })
  }

  /**
   * Let those cuts count, of all that are kept, for which that holds by now: who attests them may
   * be a member no more.
   */
  recount(counts: (cut: AnnouncedCut) => boolean): void {
    const all = this.#all.map((cut) => {
      const now = counts(cut)
      return now === cut.counts ? cut : { ...cut, counts: now }
    })
    if (all.every((cut, index) => cut === this.#all[index])) return
    this.#set(all)
    this.#save()
  }

  /** Those of the chain before a cut, as far as they are kept, oldest first. */
  chainBefore({ before }: Pick<CutState, 'before'>): readonly AnnouncedCut[] {
    const at = this.#chain.findIndex(({ id }) => id === before)
    return this.#chain.slice(0, at + 1)
  }

  /**
   * Those of the chain before a cut that entries above it are still judged by, oldest first: part
   * of the state there.
   */
  retainedAt(cut: CutState): readonly CountedCut[] {
    const { vector } = cut
    const chain = this.chainBefore(cut)
    return chain.filter((_, index) => {
      const next = chain[index + 1]
      return next === undefined || !dominates(vector, next.held)
    })
  }

  /**
   * The greatest clock of a cut before this one whose announcement is in it: what was gone by then
   * may be purged.
   */
  deadBy(cut: CutState): Hlc {
    const known = this.chainBefore(cut).filter(({ held }) => dominates(cut.vector, held))
    return known.at(-1)?.hlc ?? HLC_ZERO
  }

  #isSequel(cut: Omit<AnnouncedCut, 'counts'>): boolean {
    const inPast = this.#chain.filter(({ held }) => dominates(cut.held, held)).at(-1)
    if (cut.before === undefined) return inPast === undefined
    const before = this.get(cut.before)
    return before !== undefined && dominates(cut.held, before.held) && isBeyond(cut, before)
  }

  #add({ proposal, ...rest }: AnnouncedCut): 'new' | 'known' | 'corrected' {
    const known = this.get(rest.id)
    const cut = { ...rest, proposal: proposal ?? known?.proposal }
    const isSame = known !== undefined && equalVectors(known.held, cut.held)
    if (isSame && known.counts === cut.counts) return 'known'
    const others = this.#all.filter(({ id }) => id !== cut.id)
    this.#set(withoutOld([...others, cut].sort(byClock), cut.proposal?.author))
    if (known !== undefined && !isSame) this.#judged = []
    this.#save()
    if (known === undefined) return 'new'
    return isSame ? 'known' : 'corrected'
  }

  /**
   * The state at `base` is kept and older ones are not. A cut says nothing more once every entry
   * that the next announcer held, and this one perhaps not, is below it.
   */
  prune(base: Cut): void {
    const left = this.#all.filter((cut) => {
      const at = this.#chain.indexOf(cut)
      const next = at < 0 ? cut : this.#chain[at + 1]
      const isOver = at < 0 && cut.hlc <= base.hlc
      return !isOver && (next === undefined || !dominates(base.vector, next.held))
    })
    if (left.length === this.#all.length) return
    const ids = new Set(idsOf(left))
    this.#judged = this.#judged.filter((id) => ids.has(id) || id === NO_CUT)
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
    this.#view.put(CUTS, encodeCbor(this.#all.map(encodeAnnounced)))
    this.#view.put(JUDGED, encodeCbor(this.#judged.map(fromHex)))
  }
}

/** Keeps the newest of one member's proposals that do not count. */
function withoutOld(
  all: readonly AnnouncedCut[],
  author: PeerId | undefined,
): readonly AnnouncedCut[] {
  const proposals = all.filter((cut) => !cut.counts && cut.proposal?.author === author)
  const old = new Set(proposals.slice(0, -PROPOSALS_MAX))
  return old.size === 0 ? all : all.filter((cut) => !old.has(cut))
}

/**
 * Chooses the cut that counts of those that continue the same one, announced without knowing of
 * each other. Two quorums have a member in common, which confirmed one of their cuts first: the
 * other announcer holds all of that one. It is the other that counts: nothing is late for it that
 * the first covers, and may have been dropped. Where each holds all of the other's, the greater
 * clock. all: by clock.
 */
function chosen(all: readonly AnnouncedCut[]): AnnouncedCut | undefined {
  const standing = all.filter(
    (cut) =>
      !all.some((other) => dominates(other.held, cut.vector) && !dominates(cut.held, other.vector)),
  )
  return (standing.length > 0 ? standing : all).at(-1)
}

/**
 * The cuts that count, each after the one that its announcer went by: the same for all by whom the
 * same count.
 */
function chainOf(announced: readonly AnnouncedCut[]): readonly AnnouncedCut[] {
  const all = announced.filter(({ counts }) => counts)
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

/**
 * Did the entry under (label, seq) come too late? `seenBy`: what its writer had applied, itself
 * included.
 */
export function isLate(
  cuts: readonly CountedCut[],
  { label, seq }: { readonly label: ActorId; readonly seq: number },
  seenBy: () => VersionVector,
): boolean {
  const notHeld = cuts.filter(({ held }) => seq > (held.get(label) ?? 0))
  if (notHeld.length === 0) return false
  const seen = seenBy()
  return notHeld.some(({ vector }) => !dominates(seen, vector))
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

/** The bytes of a cut in the state at a later one, and in this node's own records. */
export function encodeCut({ hlc, vector, held, id, before }: CountedCut): unknown[] {
  const last = before === undefined ? null : fromHex(before)
  return [fromHex(id), hlc, encodeVector(vector), encodeVector(held), last]
}

/** Inverse of encodeCut, of what was checked. */
export function decodeCut(value: unknown): CountedCut {
  const [id, hlc, vector, held, before] = value as readonly unknown[]
  return {
    id: toHex(id as Uint8Array) as EntryHash,
    hlc: decodeHlc(hlc),
    vector: decodeStoredVector(vector),
    held: decodeStoredVector(held),
    before: before === null ? undefined : (toHex(before as Uint8Array) as EntryHash),
  }
}

function encodeAnnounced(cut: AnnouncedCut): unknown[] {
  const { proposal, counts } = cut
  return [encodeCut(cut), counts, proposal === undefined ? null : encodeProposal(proposal)]
}

function encodeProposal({ author, governed, roots }: Proposal): unknown[] {
  const ids = [roots.clear, roots.sealed].map((root) => (root === undefined ? null : fromHex(root)))
  return [author === undefined ? null : publicKeyOf(author), governed.map(fromHex), ids]
}

function decodeProposal(value: unknown): Proposal {
  const [author, governed, ids] = value as readonly unknown[]
  const [clear, sealed] = (ids as readonly (Uint8Array | null)[]).map((root) =>
    root === null ? undefined : (toHex(root) as NodeHash),
  )
  return {
    author: author === null ? undefined : peerIdFromPublicKey(author as Uint8Array),
    governed: (governed as readonly Uint8Array[]).map((id) => toHex(id) as EntryHash),
    roots: { clear, sealed },
  }
}

function decodeCuts(bytes: Uint8Array): AnnouncedCut[] {
  const cuts = decodeCbor(bytes, 'cuts') as readonly (readonly unknown[])[]
  return cuts.map(([cut, counts, proposal]) => ({
    ...decodeCut(cut),
    counts: counts === true,
    proposal: proposal === null ? undefined : decodeProposal(proposal),
  }))
}
