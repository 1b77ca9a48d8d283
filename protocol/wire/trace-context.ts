// The place of a request in a trace: 25 bytes that a message to a peer may carry as its field
// `trace` (docs/formats/shard-protocol.md, sync.md). It changes nothing about the answer, so what
// is no such context is as if there was none. The ids are those of W3C Trace Context, of which none
// is all zero.
import type { Fields } from '../cbor.ts'

export const TRACE_ID_BYTES = 16
export const SPAN_ID_BYTES = 8
const CONTEXT_BYTES: number = TRACE_ID_BYTES + SPAN_ID_BYTES + 1
const SAMPLED = 1

export interface TraceContext {
  readonly traceId: Uint8Array
  /** The span that the request is made in. */
  readonly spanId: Uint8Array
  /** Will the node that began the trace tell of it? */
  readonly isSampled: boolean
}

export function encodeTraceContext({ traceId, spanId, isSampled }: TraceContext): Uint8Array {
  const bytes = new Uint8Array(CONTEXT_BYTES)
  bytes.set(traceId)
  bytes.set(spanId, TRACE_ID_BYTES)
  bytes[CONTEXT_BYTES - 1] = isSampled ? SAMPLED : 0
  return bytes
}

/** Reads the field `trace` of foreign bytes. Undefined: there is none, or it is no context. */
export function readTraceContext(fields: Fields): TraceContext | undefined {
  const bytes = fields.raw('trace')
  if (!(bytes instanceof Uint8Array) || bytes.length !== CONTEXT_BYTES) return undefined
  const traceId = bytes.slice(0, TRACE_ID_BYTES)
  const spanId = bytes.slice(TRACE_ID_BYTES, TRACE_ID_BYTES + SPAN_ID_BYTES)
  if (isZero(traceId) || isZero(spanId)) return undefined
  // Other flags are of a later version.
  const isSampled = ((bytes[CONTEXT_BYTES - 1] ?? 0) & SAMPLED) !== 0
  return { traceId, spanId, isSampled }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
