// The door to DAG-CBOR: bounded, never throws anything but malformed, and strict where replicas
// agree on bytes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { Fields, decodeCanonicalCbor, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../protocol/limits.ts'
import { assertRefusal } from './hostile.ts'

const MALFORMED = { code: 'malformed' }
const leaf = fc.oneof(
  fc.integer(),
  fc
    .bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n })
    .filter((n) => n > 2n ** 53n || n < -(2n ** 53n)),
  fc.string(),
  fc.uint8Array({ maxLength: 40 }),
  fc.boolean(),
  fc.constant(null),
)
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value')),
    fc.dictionary(fc.string(), tie('value')),
  ),
}))

describe('cbor', () => {
  test('a value comes back as it was, from bytes that are canonical', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = encodeCbor(value)
        assert.equal(toHex(encodeCbor(decodeCbor(bytes, 'value'))), toHex(bytes))
        assert.equal(toHex(encodeCbor(decodeCanonicalCbor(bytes, 'value'))), toHex(bytes))
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  test('keys are sorted by length, then bytes; integers and lengths are as short as can be', () => {
    const bytes = encodeCbor({ bb: 1, a: 2, c: 24n, B: new Uint8Array(24) })
    assert.equal(
      toHex(bytes),
      `a46142581800${'00'.repeat(23)}616102616318186262 6201`.replace(' ', ''),
    )
  })

  test('bytes that are not DAG-CBOR are malformed', () => {
    for (const [what, hex] of Object.entries({
      nothing: '',
      'two values': '0101',
      'a cut string': '6261',
      'indefinite length': '9f01ff',
      'a length longer than need be': '1801',
      'a key twice': 'a2616101616102',
      'a key that is a number': 'a10101',
      NaN: 'fb7ff8000000000000',
      infinity: 'fb7ff0000000000000',
      'a simple value': 'f8ff',
      'a big number': 'c249010000000000000000',
      'a date': 'c11a514b67b0',
      'an array of 2^63 items': '9b8000000000000000',
      'bytes of 2^40 length': '5b0000010000000000',
    })) {
      assert.throws(() => decodeCbor(fromHex(hex), what), MALFORMED, what)
    }
  })

  test('where replicas must agree on bytes, every other form of a value is malformed', () => {
    for (const [what, hex] of Object.entries({
      'keys out of order': 'a2616201616101',
      'a long key first': 'a262616101616202',
      'a half float': 'f93c00',
      'a float that is an integer': 'fb3ff0000000000000',
      undefined: 'f7',
      'text that is not UTF-8': '61ff',
    })) {
      decodeCbor(fromHex(hex), what)
      assert.throws(() => decodeCanonicalCbor(fromHex(hex), what), MALFORMED, what)
    }
  })

  test('nesting and items are bounded', () => {
    const nested = (depth: number): Uint8Array => fromHex(`${'81'.repeat(depth)}00`)
    decodeCbor(nested(CBOR_DEPTH_MAX + 1), 'as deep as may be')
    for (const depth of [CBOR_DEPTH_MAX + 2, 1000, 1_000_000]) {
      assert.throws(() => decodeCbor(nested(depth), 'nested'), MALFORMED)
    }
    decodeCbor(encodeCbor(zeros(CBOR_ITEMS_MAX)), 'as many as may be')
    assert.throws(() => decodeCbor(encodeCbor(zeros(CBOR_ITEMS_MAX + 1)), 'list'), MALFORMED)
    const spread = Array.from({ length: 300 }, () => zeros(CBOR_ITEMS_MAX / 256))
    assert.throws(() => decodeCbor(encodeCbor(spread), 'lists'), MALFORMED)
  })

  test('random bytes are a value or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assertRefusal(() => decodeCbor(bytes, 'random'), ['malformed'])
        assertRefusal(() => decodeCanonicalCbor(bytes, 'random'), ['malformed'])
      }),
      { seed: 2, numRuns: 2000 },
    )
  })

  test('a key named like something of JavaScript is just a key', () => {
    const value = decodeCbor(fromHex('a1695f5f70726f746f5f5fa1616101'), 'map') as object
    assert.deepEqual(Object.keys(value), ['__proto__'])
    assert.ok(!new Fields(value, 'map').has('a'))
  })
})

describe('fields', () => {
  const f = new Fields(
    {
      text: 'abc',
      bytes: new Uint8Array(3),
      int: 7,
      float: 1.5,
      flag: true,
      list: [1, 2],
      map: { x: 1 },
      none: null,
    },
    'example',
  )

  test('a field of the right type and size is given', () => {
    assert.equal(f.text('text', 3), 'abc')
    assert.equal(f.bytes('bytes', 3, 3).length, 3)
    assert.equal(f.integer('int', 7, 7), 7)
    assert.equal(f.boolean('flag'), true)
    assert.deepEqual(f.list('list', 2), [1, 2])
    assert.equal(f.fields('map').integer('x'), 1)
    assert.ok(f.has('int') && !f.has('none') && !f.has('other'))
    assert.equal(f.raw('float'), 1.5)
  })

  test('a field that is missing, of another type or out of bounds is malformed, and named', () => {
    const bad: Record<string, () => unknown> = {
      text: () => f.text('text', 2),
      bytes: () => f.bytes('bytes', 2),
      'bytes ': () => f.bytes('bytes', 9, 4),
      int: () => f.integer('int', 8),
      'int ': () => f.integer('int', 0, 6),
      float: () => f.integer('float'),
      flag: () => f.text('flag', 9),
      list: () => f.list('list', 1),
      none: () => f.bytes('none', 9),
      other: () => f.boolean('other'),
    }
    for (const [name, run] of Object.entries(bad)) {
      assert.throws(run, { code: 'malformed', message: new RegExp(`example.*"${name.trim()}"`) })
    }
    assert.throws(() => f.fields('text'), MALFORMED)
    for (const value of [null, 1, 'x', [], new Uint8Array(1)]) {
      assert.throws(() => new Fields(value, 'example'), MALFORMED)
    }
  })
})

function zeros(length: number): number[] {
  return Array.from({ length }, () => 0)
}
