// A dot names one op for ever; a stamp orders ops in time, the same on every node.
import { fromByteString, fromHex, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { hlcMillis } from './hlc.ts'
import type { Hlc } from './hlc.ts'
import { isSeq } from './vector-clock.ts'
import { ShoalError } from '../errors.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { ActorId } from '../ids.ts'
import type { WallTime } from '../units.ts'

/** "actor:seq:index" in memory. */
export type Dot = string & { readonly brand: 'Dot' }

/** 26 bytes: HLC (8), actor (16), op index (2), all big-endian: orders as bytes. */
export type Stamp = ByteString & { readonly brand: 'Stamp' }

export const STAMP_BYTES = 26
/** A pure function, remembered. */
const actorsAsked = new Map<ByteString, ActorId>()
const ACTORS_ASKED_MAX = 1024

export const STAMP_ZERO: Stamp = '\0'.repeat(STAMP_BYTES) as Stamp

export function makeDot(actor: ActorId, seq: number, index: number): Dot {
  return `${actor}:${seq}:${index}` as Dot
}

export function dotActor(dot: Dot): ActorId {
  return dot.slice(0, SHORT_ID_BYTES * 2) as ActorId
}

export function dotSeq(dot: Dot): number {
  return Number(dot.slice(SHORT_ID_BYTES * 2 + 1, dot.lastIndexOf(':')))
}

/** Wire form [actor bytes, seq, index]. */
export function encodeDot(dot: Dot): unknown[] {
  const [actor = '', seq = '', index = ''] = dot.split(':')
  return [fromHex(actor), Number(seq), Number(index)]
}

/** Inverse of encodeDot. throws ShoalError 'malformed'. */
export function decodeDot(value: unknown): Dot {
  const [actor, seq, index] = Array.isArray(value) ? (value as readonly unknown[]) : []
  const actorOk = actor instanceof Uint8Array && actor.length === SHORT_ID_BYTES
  const indexOk =
    typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < 65_536
  if (!actorOk || !isSeq(seq) || !indexOk) throw new ShoalError('malformed', 'a dot is malformed')
  return makeDot(toHex(actor) as ActorId, seq, index)
}

export function makeStamp(hlc: Hlc, actor: ActorId, index: number): Stamp {
  const out = Buffer.alloc(STAMP_BYTES)
  out.writeBigUInt64BE(hlc, 0)
  out.set(fromHex(actor), 8)
  out.writeUInt16BE(index, 24)
  return toByteString(out) as Stamp
}

/** The HLC in a stamp. */
export function stampHlc(stamp: Stamp): Hlc {
  return Buffer.from(fromByteString(stamp)).readBigUInt64BE(0) as Hlc
}

/** The wall-clock part of the HLC in a stamp. */
export function stampMs(stamp: Stamp): WallTime {
  return hlcMillis(stampHlc(stamp))
}

/** The actor in a stamp. cost: of few actors, asked for again and again, a look-up. */
export function stampActor(stamp: Stamp): ActorId {
  const bytes = stamp.slice(8, 24)
  const known = actorsAsked.get(bytes)
  if (known !== undefined) return known
  if (actorsAsked.size >= ACTORS_ASKED_MAX) actorsAsked.clear()
  const actor = toHex(fromByteString(bytes)) as ActorId
  actorsAsked.set(bytes, actor)
  return actor
}

/** Are both of one actor? */
export function isSameActor(a: Stamp, b: Stamp): boolean {
  return a.startsWith(b.slice(8, 24), 8)
}

/** The dot of the op that has this stamp, in the entry of its actor with this seq. */
export function stampDot(stamp: Stamp, seq: number): Dot {
  return makeDot(stampActor(stamp), seq, stamp.charCodeAt(24) * 256 + stamp.charCodeAt(25))
}
