// Text for names of any bytes: nothing is lost, and what is UTF-8 stays as it is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  ESCAPE_CHARS,
  byteText,
  escapedBytes,
  plainText,
  shownText,
  textBytes,
  textOfPlain,
} from '../../protocol/byte-text.ts'
import { toByteString, utf8 } from '../../protocol/bytes.ts'

/** Bytes, their text, and whether that is what they are in UTF-8. */
const EXAMPLES: readonly (readonly [readonly number[], string, boolean])[] = [
  [[0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x90, 0x9f], 'aé🐟', true],
  [[0xff], '\\xff', false],
  [[0xe9, 0x2e, 0xc3, 0xa9], '\\xe9.é', false],
  // An overlong slash, half a surrogate, past the last character, and one cut short.
  [[0xc0, 0xaf, 0x20, 0xed, 0xa0, 0x80], '\\xc0\\xaf \\xed\\xa0\\x80', false],
  [[0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82], '\\xf4\\x90\\x80\\x80\\xe2\\x82', false],
  [[...utf8('a\\b\\x')], 'a\\b\\x', true],
  [[...utf8('\\xff \\x5Cx00')], '\\x5cxff \\x5cx5Cx00', false],
  [[0x5c, 0xff, 0x78], '\\\\xffx', false],
  [[...utf8('\ufeff\ufffd\n')], '\ufeff\ufffd\n', true],
]

/** Bytes of which many make escapes, or parts of UTF-8. */
const bytes = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x5c, 0x78, 0x66, 0xc3, 0xa9)))
  .map((all) => toByteString(Uint8Array.from(all)))

describe('byte text', () => {
  test('well-formed UTF-8 is as it is, other bytes and misleading backslashes are escaped', () => {
    for (const [given, text, isSame] of EXAMPLES) {
      const name = toByteString(Uint8Array.from(given))
      assert.equal(byteText(name), text)
      assert.equal(textBytes(text), name)
      assert.equal(escapedBytes(text), isSame ? undefined : Buffer.from(given).toString('hex'))
    }
  })

  test('all bytes come back from their text', () => {
    fc.assert(
      fc.property(bytes, (name) => {
        const text = byteText(name)
        assert.equal(textBytes(text), name)
        assert.ok(text.length <= ESCAPE_CHARS * name.length)
        const plain = plainText(text)
        if (plain !== undefined) assert.equal(textOfPlain(plain), text)
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('text that is shown stands for the same bytes', () => {
    const text = 'a\n\u202e\\xff\u001b[2J'
    assert.equal(shownText(text), 'a\\x0a\\xe2\\x80\\xae\\xff\\x1b[2J')
    assert.equal(textBytes(shownText(text)), textBytes(text))
  })
})
