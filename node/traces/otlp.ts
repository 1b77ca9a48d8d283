// Spans as a collector of OpenTelemetry takes them: OTLP's ExportTraceServiceRequest as JSON
// (opentelemetry-proto 1.x, "JSON Protobuf Encoding": ids in hex, 64-bit numbers as text).
import { toHex } from '../../protocol/bytes.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { EndedSpan, SpanKind } from './recorder.ts'

const KINDS: Readonly<Record<SpanKind, number>> = { inside: 1, server: 2, client: 3 }
const FAILED = 2
const MICROS_OF_MS = 1000
const NANOS_OF_MICRO = 1000n

export interface Teller {
  /** The PeerId of the node. */
  readonly node: string
  readonly version: string
  /** Wall time of the instant 0. */
  readonly zeroMs: WallTime
}

export function encodeSpans(spans: readonly EndedSpan[], teller: Teller): string {
  const resource = {
    attributes: attributesOf({
      'service.name': 'shoal',
      'service.instance.id': teller.node,
      'service.version': teller.version,
    }),
  }
  const all = spans.map((span) => encodeSpan(span, teller.zeroMs))
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'shoal' }, spans: all }] }],
  })
}

function encodeSpan(span: EndedSpan, zeroMs: number): object {
  const { parentId, facts, code, left } = span
  return {
    traceId: toHex(span.traceId),
    spanId: toHex(span.id),
    ...(parentId !== undefined && { parentSpanId: toHex(parentId) }),
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanos(zeroMs + span.startAt),
    endTimeUnixNano: nanos(zeroMs + span.endAt),
    attributes: attributesOf({
      'shoal.door': facts.door,
      'shoal.volume': facts.volume,
      'shoal.peer': facts.peer,
      'shoal.bytes': facts.bytes,
      'http.response.status_code': facts.status,
      'error.type': code,
      'shoal.spans_left_out': left > 0 ? left : undefined,
    }),
    status: code === undefined ? {} : { code: FAILED },
  }
}

/** A double holds microseconds of our time exactly, and not nanoseconds. */
function nanos(ms: number): string {
  return `${BigInt(Math.round(ms * MICROS_OF_MS)) * NANOS_OF_MICRO}`
}

function attributesOf(values: Readonly<Record<string, string | number | undefined>>): object[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === undefined) return []
    return [{ key, value: typeof value === 'string' ? { stringValue: value } : intValue(value) }]
  })
}

function intValue(value: number): object {
  return { intValue: `${value}` }
}
