// The kept part of a volume's newest checkpoint: the cut, and the roots of the state there.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeStoredVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import type { Roots } from '../state/checkpoint-view.ts'
import type { CutState, Proposal } from './cuts.ts'
import type { StateView } from '../state/state-view.ts'

/** A cut and the roots of the state there. */
export interface Checkpoint extends CutState, Roots {}

/** The state before the first entry. */
export const NO_CHECKPOINT: Checkpoint = {
  hlc: HLC_ZERO,
  vector: new Map(),
  clear: undefined,
  sealed: undefined,
  before: undefined,
}

/**
 * One that a peer has: its cut and roots are those that the announcement says, and members attest.
 */
export interface FetchedCheckpoint extends Checkpoint {
  /** The entry that announces it, and what that says its author had applied before. */
  readonly announcement: Entry
  readonly held: VersionVector
  readonly proposal: Proposal
  readonly attestations: readonly Attestation[]
}

const CHECKPOINT: ByteString = STATE_PREFIXES.checkpoint
/** A state that was computed for a proposed cut. */
const CANDIDATE: ByteString = STATE_PREFIXES.candidate
const ANNOUNCEMENT: ByteString = STATE_PREFIXES.announcement

/** The newest that is durable here. */
export function readCheckpoint(view: StateView): Checkpoint | undefined {
  const bytes = view.get(CHECKPOINT)
  return bytes === undefined ? undefined : decodeCheckpoint(decodeCbor(bytes, 'checkpoint'))
}

/** undefined: there is none any more. */
export function writeCheckpoint(view: StateView, checkpoint: Checkpoint | undefined): void {
  if (checkpoint === undefined) view.delete(CHECKPOINT)
  else view.put(CHECKPOINT, encodeCbor(encodeCheckpoint(checkpoint)))
}

/** The state of a cut that does not count yet, by the entry that announces it. */
export interface Candidate {
  readonly id: EntryHash
  readonly checkpoint: Checkpoint
}

export function readCandidate(view: StateView): Candidate | undefined {
  const bytes = view.get(CANDIDATE)
  if (bytes === undefined) return undefined
  const [id, checkpoint] = decodeCbor(bytes, 'candidate') as readonly [Uint8Array, unknown]
  return { id: toHex(id) as EntryHash, checkpoint: decodeCheckpoint(checkpoint) }
}

export function writeCandidate(view: StateView, candidate: Candidate | undefined): void {
  if (candidate === undefined) return view.delete(CANDIDATE)
  const { id, checkpoint } = candidate
  view.put(CANDIDATE, encodeCbor([fromHex(id), encodeCheckpoint(checkpoint)]))
}

/**
 * The entry that announces the newest checkpoint: who starts from that is shown it, also when the
 * log is gone.
 */
export function readAnnouncement(view: StateView): Entry | undefined {
  const bytes = view.get(ANNOUNCEMENT)
  return bytes === undefined ? undefined : decodeEntry(bytes)
}

export function writeAnnouncement(view: StateView, entry: Entry | undefined): void {
  if (entry === undefined) view.delete(ANNOUNCEMENT)
  else view.put(ANNOUNCEMENT, encodeEntry(entry))
}

function encodeCheckpoint({ hlc, vector, clear, sealed, before }: Checkpoint): unknown[] {
  const hashes = [clear, sealed, before].map((id) => (id === undefined ? null : fromHex(id)))
  return [hlc, encodeVector(vector), ...hashes]
}

function decodeCheckpoint(value: unknown): Checkpoint {
  const [hlc, vector, clear, sealed, before] = value as readonly unknown[]
  return {
    hlc: decodeHlc(hlc),
    vector: decodeStoredVector(vector),
    clear: root(clear),
    sealed: root(sealed),
    before: before === null ? undefined : (toHex(before as Uint8Array) as EntryHash),
  }
}

function root(bytes: unknown): NodeHash | undefined {
  return bytes === null ? undefined : (toHex(bytes as Uint8Array) as NodeHash)
}

export function isSame(a: Checkpoint | undefined, b: Checkpoint | undefined): boolean {
  return a?.hlc === b?.hlc && a?.clear === b?.clear && a?.sealed === b?.sealed
}
