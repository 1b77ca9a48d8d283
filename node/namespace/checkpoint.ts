// What is kept of a volume's newest checkpoint: the cut, and the roots of the state there.
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeStoredVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import { decodeHlc } from '../../protocol/log/entry.ts'
import type { NodeHash } from '../../protocol/log/prolly.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import type { Roots } from './checkpoint-view.ts'
import type { AnnouncedCut, CutState } from './cuts.ts'
import type { StateView } from './state-view.ts'

/** What lies at a cut. */
export interface Checkpoint extends CutState, Roots {}

/** One that a peer has, with the announced cuts by which it judges what comes after. */
export interface FetchedCheckpoint extends Checkpoint {
  readonly cuts: readonly AnnouncedCut[]
}

const CHECKPOINT: ByteString = 'wcheckpoint'

/** The newest that is durable here. */
export function readCheckpoint(view: StateView): Checkpoint | undefined {
  const bytes = view.get(CHECKPOINT)
  if (bytes === undefined) return undefined
  const [hlc, vector, clear, sealed, before] = decodeCbor(bytes, 'checkpoint') as readonly unknown[]
  return {
    hlc: decodeHlc(hlc),
    vector: decodeStoredVector(vector),
    clear: root(clear),
    sealed: root(sealed),
    before: before === null ? undefined : (toHex(before as Uint8Array) as EntryHash),
  }
}

/** undefined: there is none any more. */
export function writeCheckpoint(view: StateView, checkpoint: Checkpoint | undefined): void {
  if (checkpoint === undefined) return view.delete(CHECKPOINT)
  const { hlc, vector, clear, sealed, before } = checkpoint
  const hashes = [clear, sealed, before].map((id) => (id === undefined ? null : fromHex(id)))
  view.put(CHECKPOINT, encodeCbor([hlc, encodeVector(vector), ...hashes]))
}

function root(bytes: unknown): NodeHash | undefined {
  return bytes === null ? undefined : (toHex(bytes as Uint8Array) as NodeHash)
}
