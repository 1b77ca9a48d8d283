// The journal of a volume, read when the volume is opened: what a run that was killed had
// acknowledged, and had not made durable yet, is applied again as it was. Invariants:
//   what is applied is a beginning of what was acknowledged, in its order, and never names a
//     payload that is not here
//   the ops of the batch that was open get the dots and stamps that they had; no entry with them
//     has left this node, since each leaves after its own commit
import { Fields, decodeCanonicalCbor, decodeCbor, encodeCbor } from '../../../protocol/cbor.ts'
import { concatBytes, fromByteString, toHex } from '../../../protocol/bytes.ts'
import type { ByteString } from '../../../protocol/bytes.ts'
import { decodeHlc } from '../../../protocol/clock/hlc.ts'
import { ShoalError, assert } from '../../../protocol/errors.ts'
import { hexId, hexIdBytes } from '../../../protocol/ids.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import { BATCH_OPS_MAX } from '../../../protocol/limits.ts'
import { decodeOp } from '../../../protocol/op/codec.ts'
import { isPlanted } from '../../../protocol/planted-faults.ts'
import { STATE_PREFIXES } from '../../store/key-prefixes.ts'
import { readJournal } from '../../store/journal.ts'
import type { JournalName } from '../../store/journal.ts'
import { JOURNAL_KEY_BYTES } from '../../store/journal-record.ts'
import type { JournalItem } from '../../store/journal-record.ts'
import { isBehind } from '../../store/segments-end.ts'
import type { SegmentsEnd } from '../../store/segments-end.ts'
import type { StateView } from '../../state/state-view.ts'
import type { Disk } from '../../world/world.ts'
import { BODY_KINDS, OpenBatch } from '../open-batch.ts'

/** Key of the journal, and the number of its last record that is in the store. */
export const JOURNAL: ByteString = STATE_PREFIXES.journal
const WHAT = 'a batch in a journal'

/** The batch that was open, and who writes it. */
export interface KeptBatch {
  readonly actor: ActorId
  readonly batch: OpenBatch
}

export interface Replayed {
  /** The name of the journal; without one there is none. */
  readonly name: JournalName | undefined
  /** The number of the last record that is applied by now. */
  readonly last: number
  /** How many of them the store did not have. */
  readonly count: number
  readonly batch: KeptBatch | undefined
}

/** The journal of the volume whose keys begin with this tag. */
export function journalName(disk: Disk, tag: ByteString): JournalName {
  return { disk, name: toHex(fromByteString(tag)) }
}

/** whole: up to where payloads are here. */
export async function replayJournal(
  view: StateView,
  name: JournalName | undefined,
  whole: SegmentsEnd,
): Promise<Replayed> {
  const mark = view.get(JOURNAL)
  if (mark === undefined || name === undefined) return { name, last: 0, count: 0, batch: undefined }
  const { key, number } = decodeMark(mark)
  const after = isPlanted('replay-from-the-start') ? 0 : number
  const found = await readJournal(name, { key, after })
  const isLacking = ({ payloadsEnd }: JournalItem): boolean => isBehind(payloadsEnd, whole)
  const end = found.findIndex(isLacking)
  const items = found.slice(isPlanted('replay-skips-a-record') ? 1 : 0, end < 0 ? undefined : end)
  let batch: KeptBatch | undefined
  for (const { generation, changes, rest } of items) {
    view.applyKept({ generation, records: changes })
    batch = withOps(batch, rest)
  }
  if (isPlanted('replay-forgets-ops')) batch = undefined
  return { name, last: after + items.length, count: items.length, batch }
}

export function encodeMark(key: Uint8Array, number: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number))
  return concatBytes([key, bytes])
}

function decodeMark(bytes: Uint8Array): { key: Uint8Array; number: number } {
  if (bytes.length !== JOURNAL_KEY_BYTES + 8)
    throw new ShoalError('corrupt', 'the mark of a journal has another length')
  const view = new DataView(bytes.buffer, bytes.byteOffset + JOURNAL_KEY_BYTES)
  return { key: bytes.slice(0, JOURNAL_KEY_BYTES), number: Number(view.getBigUint64(0)) }
}

/**
 * The ops of the open batch, from the one numbered `first`, for a record: it has them beside their
 * effects.
 */
export function encodeOps({ actor, batch }: KeptBatch, first: number): Uint8Array {
  const { seq, hlc, kind } = batch
  const ops = batch.encodedFrom(first)
  return encodeCbor({ a: hexIdBytes(actor), s: seq, h: hlc, k: kind, f: first, o: ops })
}

/** The open batch as a record left it: none if `rest` is empty. */
function withOps(before: KeptBatch | undefined, rest: Uint8Array): KeptBatch | undefined {
  if (rest.length === 0) return undefined
  const f = new Fields(decodeCbor(rest, WHAT), WHAT)
  const actor = hexId<ActorId>(f.bytes('a', 16), 16, 'actor')
  const [seq, hlc] = [f.integer('s'), decodeHlc(f.raw('h'))]
  const isSame = before?.actor === actor && before.batch.seq === seq
  const kind = BODY_KINDS.find((known) => known === f.text('k', 32))
  if (kind === undefined) throw new ShoalError('corrupt', `${WHAT} is of no kind`)
  const kept = isSame ? before : { actor, batch: new OpenBatch({ seq, hlc, kind }) }
  assert(kept.batch.ops.length === f.integer('f'), 'ops of a batch follow each other')
  for (const encoded of f.list('o', BATCH_OPS_MAX)) {
    if (!(encoded instanceof Uint8Array)) throw new ShoalError('corrupt', `${WHAT} has no ops`)
    const op = decodeOp(decodeCanonicalCbor(encoded, WHAT))
    assert(op !== undefined, 'this node knows its own ops')
    kept.batch.add(op, encoded)
  }
  return kept
}
