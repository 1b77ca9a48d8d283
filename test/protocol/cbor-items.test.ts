// Records written item by item are the bytes of the one DAG-CBOR form, and reading throws nothing
// but 'corrupt'.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CborReader, CborWriter } from '../../protocol/cbor-items.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { hasCode } from '../../protocol/errors.ts'

type Item = null | number | bigint | Uint8Array | readonly Item[]

const item: fc.Arbitrary<Item> = fc.letrec<{ item: Item }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 300 }),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('item'), { maxLength: 30 }),
  ),
})).item

function write(w: CborWriter, value: Item): void {
  if (value === null) w.null()
  else if (typeof value === 'number') w.integer(value)
  else if (typeof value === 'bigint') w.bigint(value)
  else if (value instanceof Uint8Array) w.byteString(Buffer.from(value).toString('latin1'))
  else {
    w.list(value.length)
    for (const inner of value) write(w, inner)
  }
}

function read(r: CborReader, like: Item): Item {
  if (like === null) return r.null() ? null : -1
  if (typeof like === 'number') return r.integer()
  if (typeof like === 'bigint') return r.bigint()
  if (like instanceof Uint8Array) return r.bytes()
  const count = r.list()
  assert.equal(count, like.length)
  return like.map((inner) => read(r, inner))
}

describe('CBOR items', () => {
  test('have the bytes that the encoder of whole values gives, and are read back', () => {
    const w = new CborWriter()
    fc.assert(
      fc.property(item, (value) => {
        write(w, value)
        const bytes = w.finish()
        assert.deepEqual(Buffer.from(bytes), Buffer.from(encodeCbor(value)))
        assert.deepEqual(read(new CborReader(bytes, 'a test'), value), value)
      }),
      { numRuns: 500 },
    )
  })

  test('bytes are written alike from bytes, a byte string and hexadecimal', () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index)
    const forms = [
      (w: CborWriter) => w.bytes(bytes),
      (w: CborWriter) => w.byteString(Buffer.from(bytes).toString('latin1')),
      (w: CborWriter) => w.hex(Buffer.from(bytes).toString('hex')),
    ].map((form) => {
      const w = new CborWriter()
      form(w)
      return Buffer.from(w.finish())
    })
    for (const form of forms) assert.deepEqual(form, Buffer.from(encodeCbor(bytes)))
    const [form = Buffer.alloc(0)] = forms
    assert.equal(new CborReader(form, 'a test').hex(), Buffer.from(bytes).toString('hex'))
  })

  test('bytes cut short, of another kind or that claim too much are corrupt', () => {
    const reads: readonly ((r: CborReader) => unknown)[] = [
      (r) => r.integer(),
      (r) => r.bigint(),
      (r) => r.bytes(),
      (r) => r.hex(),
      (r) => r.list(),
    ]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.constantFrom(...reads), (bytes, one) => {
        const r = new CborReader(bytes, 'a test')
        try {
          for (let i = 0; i < 4; i++) one(r)
        } catch (error) {
          assert.ok(hasCode(error, 'corrupt'))
        }
      }),
      { numRuns: 2000 },
    )
    assert.throws(() => new CborReader(Buffer.from('9affffffff', 'hex'), 'a test').list(), {
      code: 'corrupt',
    })
  })
})
