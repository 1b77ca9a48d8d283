// What is kept of a volume's newest checkpoint: the cut, and the roots of the state there.
import { fromHex, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { decodeVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import { decodeHlc } from '../../protocol/log/entry.ts'
import type { NodeHash } from '../../protocol/log/prolly.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { Roots } from './checkpoint-view.ts'
import type { AnnouncedCut } from './cuts.ts'
import type { StateView } from './state-view.ts'

/** What lies at a cut. */
export interface Checkpoint extends Cut, Roots {}

/** One that a peer announced, or was told of. */
export interface FetchedCheckpoint extends Checkpoint, AnnouncedCut {}

const CHECKPOINT: ByteString = 'wcheckpoint'

/** The newest that is durable here. */
export function readCheckpoint(view: StateView): Checkpoint | undefined {
  const bytes = view.get(CHECKPOINT)
  if (bytes === undefined) return undefined
  const [hlc, vector, clear, sealed] = decodeCbor(bytes, 'checkpoint') as readonly unknown[]
  return {
    hlc: decodeHlc(hlc),
    vector: decodeVector(vector),
    clear: root(clear),
    sealed: root(sealed),
  }
}

export function writeCheckpoint(view: StateView, { hlc, vector, clear, sealed }: Checkpoint): void {
  const roots = [clear, sealed].map((id) => (id === undefined ? null : fromHex(id)))
  view.put(CHECKPOINT, encodeCbor([hlc, encodeVector(vector), ...roots]))
}

function root(bytes: unknown): NodeHash | undefined {
  return bytes === null ? undefined : (toHex(bytes as Uint8Array) as NodeHash)
}
