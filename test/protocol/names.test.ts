// File names: which there can be, which collide, and under which name the loser of a collision
// shows (docs/formats/tree.md).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromByteString, utf8 } from '../../protocol/bytes.ts'
import { NAME_MAX } from '../../protocol/limits.ts'
import { makeStamp } from '../../protocol/clock/dot.ts'
import {
  collisionKey,
  conflictName,
  isLongName,
  nameFromBytes,
  nameFromText,
  nameHash,
  nameText,
  parseName,
  plainNameOf,
} from '../../protocol/op/names.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { Name } from '../../protocol/op/names.ts'
import { anyName } from './arbitraries.ts'
import { BOB_ACTOR, hlcAt, toJson } from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const STAMP = makeStamp(hlcAt(1234), BOB_ACTOR, 3)
const anyAuthor = fc.string({ unit: 'grapheme', maxLength: 30 })

describe('names', () => {
  test('conflict names are those that docs/formats/tree.md shows', () => {
    const name = nameFromText
    const examples = [
      [name('report.txt'), 'laptop', 'a'],
      [name('report.txt'), 'laptop', 'b'],
      [name('archive.tar.gz'), "bob's laptop", 'a'],
      [name('Makefile'), '', 'a'],
      [name('.bashrc'), 'laptop', 'a'],
      [name('ends.'), 'laptop', 'a'],
      [name(`${'é'.repeat(120)}.txt`), 'a-very-long-name-of-a-machine', 'a'],
      [name(`long.${'x'.repeat(40)}`), 'laptop', 'a'],
    ] as const
    checkVectors(
      'names',
      examples.map(([plain, node, unique]) => ({
        name: nameText(plain),
        wallMs: 1_800_000_001_234,
        node,
        unique,
        shown: nameText(conflictName(plain, STAMP, node, unique)),
      })),
    )
  })

  test('a conflict name is a name, keeps the extension, and differs from the plain one', () => {
    fc.assert(
      fc.property(anyName, anyAuthor, fc.string(), (name, author, unique) => {
        const shown = conflictName(name, STAMP, author, unique)
        assert.equal(parseName(shown), shown)
        assert.notEqual(shown, name)
        const dot = name.lastIndexOf('.')
        if (dot > 0 && name.length - dot <= 32) assert.ok(shown.endsWith(name.slice(dot)))
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('text stays text: a cut never splits a character', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 200, maxLength: 255 }),
        anyAuthor,
        (text, author) => {
          const bytes = utf8(text.replace(/[/\0]/g, '_'))
          const whole = new TextDecoder().decode(bytes.subarray(0, NAME_MAX)).replace(/\ufffd$/, '')
          if (whole === '.' || whole === '..' || utf8(whole).length > NAME_MAX) return
          const shown = conflictName(nameFromText(whole), STAMP, author, 'x')
          new TextDecoder('utf-8', { fatal: true }).decode(fromByteString(shown))
        },
      ),
      { seed: 2, numRuns: 300 },
    )
  })

  test('the plain name is found behind a conflict name whose stem was not cut', () => {
    fc.assert(
      fc.property(anyName, anyAuthor, (name, author) => {
        const shown = conflictName(name, STAMP, author, 'unique')
        const plain = plainNameOf(shown)
        if (plain !== undefined && 'hash' in plain) assert.equal(plain.hash, nameHash(name))
        else assert.deepEqual(plain, { name })
        if (plain !== undefined && 'hash' in plain) assert.ok(isLongName(name))
      }),
      { seed: 3, numRuns: 500 },
    )
    for (const plain of [
      'report.txt',
      'a.conflict-b',
      'x.conflict-20270115T080001Z-laptop',
      '.conflict-20270115T080001Z-laptop-17762fde',
    ]) {
      assert.equal(plainNameOf(nameFromText(plain)), undefined)
    }
  })

  test('a conflict of a conflict leads back one step at a time', () => {
    const name = nameFromText('a.txt')
    const first = conflictName(name, STAMP, 'laptop', '1')
    const second = conflictName(first, STAMP, 'desk', '2')
    assert.deepEqual(plainNameOf(second), { name: first })
    assert.deepEqual(plainNameOf(first), { name })
  })

  test('losers with different ids have different names', () => {
    const name = nameFromText('a.txt')
    const shown = new Set(
      Array.from({ length: 1000 }, (_, n) => conflictName(name, STAMP, 'laptop', String(n))),
    )
    assert.equal(shown.size, 1000)
  })

  test('the time in a conflict name is UTC, to the second', () => {
    const at = (ms: number): Stamp => makeStamp(hlcAt(ms), BOB_ACTOR, 0)
    const time = (ms: number): string | undefined =>
      /conflict-(.*)-n-/.exec(conflictName(nameFromText('a'), at(ms), 'n', ''))?.[1]
    assert.equal(time(0), '20270115T080000Z')
    assert.equal(time(999), '20270115T080000Z')
    assert.equal(time(1000), '20270115T080001Z')
  })

  test('names collide when they are equal after NFC, and only then', () => {
    const key = (text: string): string => collisionKey(nameFromText(text))
    assert.equal(key('e\u0301'), key('é'))
    assert.equal(key('\u212b'), key('Å'))
    assert.equal(key('가'), key('\u1100\u1161'))
    for (const [a, b] of [
      ['a', 'A'],
      ['ß', 'ss'],
      ['ﬁ', 'fi'],
      ['а', 'a'],
      ['é', 'e'],
    ] as const) {
      assert.notEqual(key(a), key(b))
    }
  })

  test('the collision key of a key is itself; bytes that are no text collide with themselves only', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const key = collisionKey(name)
        assert.equal(collisionKey(key as Name), key)
      }),
      { seed: 4, numRuns: 300 },
    )
    const latin1 = nameFromBytes(Uint8Array.of(0xe9))
    assert.equal(collisionKey(latin1), latin1)
    const mixed = nameFromBytes(Uint8Array.of(0x65, 0xcc, 0x81, 0xff))
    assert.equal(collisionKey(mixed), mixed)
  })

  test('a byte order mark is part of a name', () => {
    assert.notEqual(collisionKey(nameFromText('\ufeffé')), collisionKey(nameFromText('é')))
  })

  test('a name has 1 to 255 bytes, no slash, no NUL, and is neither . nor ..', () => {
    for (const bad of ['', '.', '..', 'a/b', '\0', 'a\0b']) {
      assert.throws(() => parseName(bad), { code: 'EINVAL' })
    }
    for (const good of ['...', ' ', '-', '\n', '\\', 'x'.repeat(NAME_MAX)])
      assert.equal(parseName(good), good)
    assert.throws(() => parseName('x'.repeat(NAME_MAX + 1)), { code: 'ENAMETOOLONG' })
    assert.throws(() => nameFromText('é'.repeat(128)), { code: 'ENAMETOOLONG' })
  })

  test('hostile bytes are a name or malformed', () => {
    const honest = [utf8('report.txt'), Uint8Array.of(0xff)]
    assertRefusesOnly(nameFromBytes, honest, { codes: ['malformed'], cbor: false })
    fc.assert(
      fc.property(anyName, (name) => {
        assert.equal(nameFromBytes(fromByteString(name)), name)
        assert.equal(typeof toJson(nameText(name)), 'string')
      }),
      { seed: 5, numRuns: 100 },
    )
  })
})
