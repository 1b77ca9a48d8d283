// The header If as RFC 4918 has it: what it says is read as it was meant, and all else is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { DavError } from '../../../../node/doors/webdav/dav-error.ts'
import { parseIf, tokensIn } from '../../../../node/doors/webdav/if-header.ts'
import type { IfCondition, IfList } from '../../../../node/doors/webdav/if-header.ts'

const url = fc.stringMatching(/^[a-z]{1,8}:[\w./%:-]{0,20}$/)
const condition: fc.Arbitrary<IfCondition> = fc.oneof(
  fc.record({ isNot: fc.boolean(), kind: fc.constant('token'), token: url }),
  fc.record({
    isNot: fc.boolean(),
    kind: fc.constant('etag'),
    etag: fc.stringMatching(/^(W\/)?"[\w ()<>-]{0,12}"$/),
  }),
)
const conditions = fc.array(condition, { minLength: 1, maxLength: 4 })
const untagged = fc.array(fc.record({ resource: fc.constant(undefined), conditions }), {
  minLength: 1,
  maxLength: 4,
})
const tagged = fc.array(fc.record({ resource: url, conditions }), { minLength: 1, maxLength: 4 })

function written(lists: readonly IfList[], space: string): string {
  return lists
    .map(({ resource, conditions: all }) => {
      const parts = all.map((one) => {
        const text = one.kind === 'token' ? `<${one.token}>` : `[${one.etag}]`
        return one.isNot ? `Not ${text}` : text
      })
      return `${resource === undefined ? '' : `<${resource}>${space}`}(${parts.join(space)})`
    })
    .join(space)
}

/** Records of fast-check have no prototype. */
function plain(lists: readonly IfList[]): unknown {
  return JSON.parse(JSON.stringify(lists))
}

describe('the header If', () => {
  test('what is written is read, with and without spaces', () => {
    fc.assert(
      fc.property(fc.oneof(untagged, tagged), fc.constantFrom('', ' ', '  \t'), (lists, space) => {
        assert.deepEqual(plain(parseIf(written(lists, space))), plain(lists))
      }),
    )
  })

  test('anything is read, or refused as malformed', () => {
    const piece = fc.constantFrom('(', ')', '<', '>', '[', ']', '"', 'Not ', 'W/', 'a:b', ' ', 'x')
    const near = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.oneof(near, fc.string()), (text) => {
        try {
          assert.ok(parseIf(text).every(({ conditions: all }) => all.length > 0))
        } catch (error) {
          assert.ok(error instanceof DavError && error.status === 400, String(error))
        }
      }),
    )
  })

  test('a header of the greatest length is read in no time', () => {
    for (const text of ['(', '<a:b> ', '(Not ', '([" ', '(<a:b>', 'Not'].map((one) =>
      one.repeat(5000),
    ))
      assert.throws(() => parseIf(text), { status: 400 })
    assert.equal(parseIf('(<a:b>)'.repeat(2300)).length, 2300)
  })

  test('the examples of RFC 4918 mean what it says', () => {
    const [first, second] = parseIf('(<urn:uuid:1> ["I am an ETag"]) (["I am another ETag"])')
    assert.deepEqual(first?.conditions, [
      { isNot: false, kind: 'token', token: 'urn:uuid:1' },
      { isNot: false, kind: 'etag', etag: '"I am an ETag"' },
    ])
    assert.equal(second?.conditions.length, 1)
    assert.deepEqual([...tokensIn(parseIf('(Not <urn:uuid:1> <urn:uuid:2>)'))], ['urn:uuid:2'])
    assert.deepEqual(
      parseIf('</a> (<a:1>) (Not <a:2>) <http://h/b> (<a:3>)').map(({ resource }) => resource),
      ['/a', '/a', 'http://h/b'],
    )
    for (const wrong of ['', '()', '(<a:1>', '(<a:1>) x', '</a>', '(<a:1>) </a> (<a:2>)', '(a)'])
      assert.throws(() => parseIf(wrong), { status: 400 }, wrong)
  })
})
