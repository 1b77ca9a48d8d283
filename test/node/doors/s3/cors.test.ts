// Rules of buckets about pages: what an attribute may hold, and which of them a question meets.
import assert from 'node:assert/strict'
import { validateHeaderValue } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  corsHeaders,
  decodeRules,
  encodeRules,
  ruleFor,
} from '../../../../node/doors/s3/pages/cors.ts'

const anyText = fc.oneof(
  fc.constantFrom('GET', '*', 'https://*.example', 'x-*', 'a\r\nb', '**', 'ETag', 'PUT'),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const anyTexts = fc.oneof(fc.array(anyText, { maxLength: 3 }), fc.anything())
const anyRule = fc.record(
  {
    id: fc.oneof(anyText, fc.anything()),
    origins: anyTexts,
    methods: anyTexts,
    headers: anyTexts,
    expose: anyTexts,
    maxAgeSeconds: fc.oneof(fc.integer(), fc.anything()),
  },
  { requiredKeys: [] },
)

test('whatever a member puts into the attribute, no answer has a header that is none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.array(anyRule), fc.anything()), anyText, (value, text) => {
      const json = JSON.stringify(value, (_, one: unknown) =>
        typeof one === 'bigint' ? `${one}` : one,
      )
      for (const setting of [json ?? '', text])
        for (const rule of decodeRules(setting)) {
          const ask = { origin: 'https://a.example', method: 'GET', headers: ['range'] }
          for (const [name, header] of Object.entries(corsHeaders(rule, ask)))
            validateHeaderValue(name, header)
        }
    }),
    { numRuns: 300 },
  )
})

test('what is kept is what was set, and one rule has to allow all of a question', () => {
  const rules = [
    { origins: ['a*z'], methods: ['GET'], headers: ['x-*'], expose: [] },
    { origins: ['*'], methods: ['PUT', 'GET'], headers: [], expose: ['etag'], maxAgeSeconds: 5 },
  ]
  assert.equal(encodeRules(decodeRules(encodeRules(rules))), encodeRules(rules))
  const found = (origin: string, method: string, ...headers: readonly string[]): number =>
    rules.findIndex((rule) => rule === ruleFor(rules, { origin, method, headers }))
  assert.equal(found('az', 'GET'), 0)
  assert.equal(found('a', 'GET'), 1, 'a wildcard is no overlap of what is around it')
  assert.equal(found('a-z', 'GET', 'x-a', 'x-'), 0)
  assert.equal(found('a-z', 'GET', 'x-a', 'y'), -1)
  assert.equal(found('a-z', 'PUT'), 1)
  assert.equal(found('a-z', 'put'), -1)
})
