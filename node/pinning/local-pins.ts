// The folders and files that are to lie wholly on this node: of this node alone, never in the log.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, hexToByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { StateStore } from '../../protocol/tree/records.ts'

const KEY: ByteString = STATE_PREFIXES.localPins

export function readLocalPins(view: StateStore): Set<NodeId> {
  const bytes = view.get(KEY)
  if (bytes === undefined) return new Set()
  const ids = decodeCbor(bytes, 'pins') as readonly Uint8Array[]
  return new Set(ids.map((id) => toHex(id) as NodeId))
}

/** Durable with the next commit of the volume. */
export function writeLocalPins(view: StateStore, pins: ReadonlySet<NodeId>): void {
  view.put(KEY, encodeCbor(Array.from(pins, (id) => fromByteString(hexToByteString(id)))))
}
