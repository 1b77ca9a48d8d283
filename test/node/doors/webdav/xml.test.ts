// XML of requests: read with its namespaces, kept so that it means the same elsewhere; what is no
// XML, or is made to harm, is refused.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from '../../../../protocol/errors.ts'
import {
  emptyElement,
  elementsIn,
  parseXml,
  standingAlone,
  textIn,
} from '../../../../node/doors/xml/xml.ts'
import type { XmlElement } from '../../../../node/doors/xml/xml.ts'
import { escapeXml, isXmlText } from '../../../../node/doors/xml/xml-text.ts'

const read = (text: string): XmlElement => parseXml(Buffer.from(text))

/** The meaning of an element: names with their namespaces, and text. */
function meaning({ namespace, name, language, children }: XmlElement): unknown {
  return [
    namespace,
    name,
    language,
    children.map((child) => (typeof child === 'string' ? child : meaning(child))),
  ]
}

const name = fc.constantFrom('a', 'b', 'prop', 'ünï', 'x-y.z')
const namespace = fc.constantFrom('', 'DAV:', 'urn:a&b<"', 'http://x/')
const text = fc.string({ unit: 'grapheme' }).filter((one) => isXmlText(one))
const element: fc.Arbitrary<string> = fc.letrec<{ element: string }>((tie) => ({
  element: fc
    .record({
      name,
      namespace,
      prefix: fc.constantFrom('', 'p', 'q'),
      language: fc.option(fc.constantFrom('en', 'de-AT'), { nil: undefined }),
      children: fc.array(
        fc.oneof({ maxDepth: 4 }, text.map(escapeXml), text.map(inCdata), tie('element')),
        { maxLength: 4 },
      ),
    })
    .map((one) => {
      const prefix = one.namespace === '' ? '' : one.prefix
      const tag = prefix === '' ? one.name : `${prefix}:${one.name}`
      const declared = `xmlns${prefix === '' ? '' : `:${prefix}`}="${escapeXml(one.namespace)}"`
      const language = one.language === undefined ? '' : ` xml:lang='${one.language}'`
      return `<${tag} ${declared}${language}>${one.children.join('')}</${tag}>`
    }),
})).element

function inCdata(plain: string): string {
  return plain.includes(']]>') || plain.includes('<!') ? '' : `<![CDATA[${plain}]]>`
}

describe('XML of requests', () => {
  test('an element that stands alone means what it meant in its document', () => {
    fc.assert(
      fc.property(element, (inner) => {
        const root = read(`<D:root xmlns:D="DAV:" xmlns="urn:d" xml:lang="fr">${inner}</D:root>`)
        const [found] = elementsIn(root)
        assert.ok(found !== undefined)
        const alone = read(standingAlone(found))
        assert.deepEqual(meaning(alone), meaning(found))
        assert.equal(standingAlone(alone), standingAlone(read(standingAlone(alone))))
        const { namespace: same, name: called } = read(emptyElement(found))
        assert.deepEqual([same, called], [found.namespace, found.name])
      }),
    )
  })

  test('text comes through as it is', () => {
    fc.assert(
      fc.property(text, (plain) => {
        assert.equal(textIn(read(`<a>${escapeXml(plain)}</a>`)), plain)
        assert.equal(read(`<a b="${escapeXml(plain)}"/>`).attributes.get('b'), plain)
      }),
    )
    assert.equal(
      textIn(read('<a>&#65;&#x1f41F;&lt;<!-- no --><![CDATA[&amp;<]]></a>')),
      'A🐟<&amp;<',
    )
    assert.equal(escapeXml('a\0\ud800b'), String.raw`a\x00\xefbfbdb`)
  })

  test('anything is read, or refused as malformed', () => {
    const pieces = ['<', '>', '/', 'a', ':', '=', '"', "'", ' ', '&', ';', '#', '!', '--', '[', ']']
    const more = ['<a>', '</a>', '<![CDATA[', ']]>', '<!--', '<?x', '?>', 'xmlns', '<b/>', '&#x']
    const near = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 30 })
    fc.assert(
      fc.property(
        fc.oneof(
          near.map((parts) => Buffer.from(`<a>${parts.join('')}</a>`)),
          near.map((parts) => Buffer.from(parts.join(''))),
          fc.uint8Array({ maxLength: 60 }),
        ),
        (bytes) => {
          try {
            const found = parseXml(bytes)
            assert.deepEqual(meaning(read(standingAlone(found))), meaning(found))
          } catch (error) {
            assert.ok(hasCode(error, 'malformed'), String(error))
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('what is no XML with namespaces is refused', () => {
    for (const wrong of [
      '',
      'x',
      '<a>',
      '<a></b>',
      '<a/><b/>',
      '<a/>x',
      '<a/><![CDATA[x]]>',
      '<p:a/>',
      '<a p:b="1"/>',
      '<a b="1" b="2"/>',
      '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>',
      '<a xmlns:p=""/>',
      '<a xmlns:xml="u"/>',
      '<a xmlns:p="http://www.w3.org/2000/xmlns/"/>',
      '<a>&b;</a>',
      '<a>& </a>',
      '<a>&#0;</a>',
      '<a>&#xd800;</a>',
      '<a>&#x110000;</a>',
      '<a>\u0001</a>',
      '<a>]]></a>',
      '<a b="<"/>',
      '<a:b:c xmlns:a="u"/>',
      '<:a/>',
      '<__proto__/>',
    ])
      assert.throws(() => read(wrong), { code: 'malformed' }, wrong)
    assert.throws(() => parseXml(Buffer.from([0x3c, 0x61, 0xff, 0x2f, 0x3e])), {
      code: 'malformed',
    })
    assert.throws(() => parseXml(Buffer.from('<a/>', 'utf16le')), { code: 'malformed' })
  })

  test('bombs are refused before they are anything', () => {
    const entities = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;</a>'
    const outside = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>'
    const prefixes = Array.from({ length: 100 }, (_, i) => `xmlns:p${i}="u"`).join(' ')
    for (const bomb of [
      entities,
      outside,
      '<!doctype a><a/>',
      `${'<a>'.repeat(100)}${'</a>'.repeat(100)}`,
      `<a>${'<b/>'.repeat(20_000)}</a>`,
      `<a ${prefixes}/>`,
      '<a>'.repeat(80_000),
      '<'.repeat(200_000),
      `<a>${'&'.repeat(200_000)}</a>`,
      `<a ${"b='".repeat(60_000)}`,
    ])
      assert.throws(() => read(bomb), { code: 'malformed' }, bomb.slice(0, 40))
  })
})
