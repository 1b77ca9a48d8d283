// The entries of one volume's log, by actor and seq: 'e' actor seq -> hash (32 bytes) || entry in wire form.
import { fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { StateView } from './state-view.ts'

const ENTRY: ByteString = 'e'

export class EntryTable {
  readonly #view: StateView

  constructor(view: StateView) {
    this.#view = view
  }

  put(entry: Entry): void {
    const { actor, seq } = entry.header
    const record = Buffer.concat([fromHex(entry.hash), encodeEntry(entry)])
    this.#view.put(entryKey(actor, seq), record)
  }

  /** In wire form. */
  bytes(actor: ActorId, seq: number): Uint8Array | undefined {
    return this.#view.get(entryKey(actor, seq))?.subarray(HASH_BYTES)
  }

  entry(actor: ActorId, seq: number): Entry | undefined {
    const bytes = this.bytes(actor, seq)
    return bytes === undefined ? undefined : decodeEntry(bytes)
  }

  hlc(actor: ActorId, seq: number): Hlc | undefined {
    return this.entry(actor, seq)?.header.hlc
  }

  hash(actor: ActorId, seq: number): EntryHash | undefined {
    const record = this.#view.get(entryKey(actor, seq))
    return record === undefined ? undefined : (toHex(record.subarray(0, HASH_BYTES)) as EntryHash)
  }
}

function entryKey(actor: ActorId, seq: number): ByteString {
  const number = Buffer.alloc(6)
  number.writeUIntBE(seq, 0, 6)
  return ENTRY + toByteString(fromHex(actor)) + toByteString(number)
}
