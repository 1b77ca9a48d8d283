// Spans as JSON: test/vectors/otlp.json is what @opentelemetry/otlp-transformer 0.301.0 makes of
// the same two.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encodeSpans } from '../../../node/traces/otlp.ts'
import type { EndedSpan } from '../../../node/traces/recorder.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Instant, WallTime } from '../../../protocol/units.ts'

const VECTOR = new URL('../../vectors/otlp.json', import.meta.url)
const ZERO_MS = 1_800_000_000_000 as WallTime
const traceId = new Uint8Array(16).fill(1)
const SPANS: readonly EndedSpan[] = [
  {
    traceId,
    id: new Uint8Array(8).fill(2),
    parentId: new Uint8Array(8).fill(3),
    kind: 'client',
    name: 'shard.get',
    startAt: 1.5 as Instant,
    endAt: 3.25 as Instant,
    facts: { peer: '12D3KooWpeer' as PeerId, bytes: 4096 },
    code: 'ENOENT',
    left: 0,
  },
  {
    traceId,
    id: new Uint8Array(8).fill(4),
    parentId: undefined,
    kind: 'server',
    name: 'http.GET',
    startAt: 0 as Instant,
    endAt: 5 as Instant,
    facts: { door: 'http', status: 200 },
    code: undefined,
    left: 0,
  },
]

test('spans are what the library of OpenTelemetry makes of them, less what it may leave out', () => {
  const made: unknown = JSON.parse(
    encodeSpans(SPANS, { node: '12D3KooWnode', version: '0.1.0', zeroMs: ZERO_MS }),
  )
  const expected: unknown = JSON.parse(readFileSync(VECTOR, 'utf8'), (key, value: unknown) => {
    // Proto3 leaves out what is zero or empty, and has 64-bit numbers as text.
    if (/^dropped|^events$|^links$|^flags$/.test(key) || value === 0) return undefined
    return key === 'intValue' ? String(value) : value
  })
  assert.deepEqual(made, expected)
})

test('what is left out of a trace is counted', () => {
  const [, root] = SPANS
  assert.ok(root !== undefined)
  const text = encodeSpans([{ ...root, left: 7 }], { node: 'n', version: 'v', zeroMs: ZERO_MS })
  assert.match(text, /\{"key":"shoal\.spans_left_out","value":\{"intValue":"7"\}\}/)
})
