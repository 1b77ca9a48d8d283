// Late entries of whose writers others have said again what they said: 'z' label seq -> nothing.
// Part of the state, and kept for good: their writers may come back after any time.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { dotActor, dotSeq } from '../../protocol/clock/dot.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { StateStore } from '../../protocol/tree/records.ts'

const RESTATED: ByteString = STATE_PREFIXES.restated

export function isRestated(view: StateStore, label: ActorId, seq: number): boolean {
  return view.get(keyOf(label, seq)) !== undefined
}

export function applyRestated(
  view: StateStore,
  { entries }: Extract<Op, { kind: 'restated' }>,
): void {
  for (const dot of entries) view.put(keyOf(dotActor(dot), dotSeq(dot)), new Uint8Array())
}

function keyOf(label: ActorId, seq: number): ByteString {
  const number = Buffer.alloc(6)
  number.writeUIntBE(seq, 0, 6)
  return RESTATED + toByteString(fromHex(label)) + toByteString(number)
}
