// Paths of the WebDAV door: each name has one URL, and no URL leads out of the folder of the door.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { byteText, textBytes } from '../../../../protocol/byte-text.ts'
import { toByteString } from '../../../../protocol/bytes.ts'
import { DavError } from '../../../../node/doors/webdav/dav-error.ts'
import {
  apiPath,
  davPath,
  hrefOf,
  isSameHost,
  placeKey,
} from '../../../../node/doors/webdav/dav-path.ts'

const part = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map(toByteString),
    fc.string({ minLength: 1 }).map((text) => toByteString(Buffer.from(text))),
    fc.constantFrom('%41', String.raw`\x41`, 'a b', '#', '?', '...', '.snapshots'),
  )
  .filter((bytes) => !/[/\0]/.test(bytes) && bytes !== '.' && bytes !== '..')

describe('paths of the WebDAV door', () => {
  test('a URL leads to the name that it was made for, whatever bytes that has', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.boolean(), (names, slash) => {
        const isFolder = names.length === 0 || slash
        const parts = names.map(byteText)
        const href = hrefOf({ parts, isFolder })
        assert.match(href, /^[\x21-\x7e]+$/)
        assert.deepEqual(davPath(href), { parts, isFolder })
        assert.deepEqual(davPath(`http://h:1${href}?x=/..`), { parts, isFolder })
        assert.deepEqual(parts.map(textBytes), names)
      }),
    )
    assert.equal(hrefOf({ parts: [String.raw`\xff`], isFolder: false }), '/%FF')
    assert.deepEqual(davPath(String.raw`/a\..\b`).parts, [String.raw`a\..\b`])
  })

  test('no URL leads elsewhere', () => {
    for (const url of [
      '/..',
      '/a/../b',
      '/%2e%2e/a',
      '/.%2E/a',
      '/a/./b',
      '/a//b',
      '//',
      '/a%2fb',
      '/a%00',
      '/a%',
      '/a%zz',
      '/a#b',
      'a',
      '*',
      'ftp://h/a',
      '/\u0142',
    ])
      assert.throws(() => davPath(url), { status: 400 }, url)
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('/', '.', '%', '2', 'e', 'f', 'a') }),
        (text) => {
          try {
            const { parts } = davPath(`/${text}`)
            assert.ok(parts.every((one) => one !== '' && !/^\.\.?$|[/\0]/.test(textBytes(one))))
          } catch (error) {
            assert.ok(error instanceof DavError && error.status === 400)
          }
        },
      ),
    )
  })

  test('names that collide have one key, and what is in a folder begins with its key', () => {
    assert.equal(placeKey(['e\u0301']), placeKey(['\u00e9']))
    assert.notEqual(placeKey(['a', 'b']), placeKey(['a b']))
    assert.ok(placeKey(['a', 'b']).startsWith(`${placeKey(['a'])}/`))
    assert.equal(placeKey([]), '')
  })

  test('the API is asked for a path of the volume, below the folder of the door', () => {
    assert.equal(apiPath({ volume: 'main', path: '/' }, []), 'main:/')
    assert.equal(apiPath({ path: '/' }, ['a', 'b']), ':/a/b')
    assert.equal(apiPath({ volume: 'v', path: '/x/y/' }, ['a']), 'v:/x/y/a')
  })

  test('a server has one name in whatever case, with or without the port that is usual', () => {
    assert.ok(isSameHost('/a', 'h'))
    assert.ok(isSameHost('HTTP://LocalHost:80/a', 'localhost'))
    assert.ok(isSameHost('http://me:secret@localhost:1/a', 'localhost:1'))
    assert.ok(!isSameHost('http://localhost:1/a', 'localhost:2'))
    assert.ok(!isSameHost('http://localhost@evil/a', 'localhost'))
  })
})
