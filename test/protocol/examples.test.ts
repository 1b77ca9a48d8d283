// The pages on formats agree with the program: the vectors they quote are those of test/vectors/
// (which the tests of each format compare with the program), their table of bounds is
// protocol/limits.ts, their links lead somewhere.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import * as limits from '../../protocol/limits.ts'

const root = join(import.meta.dirname, '../..')
const PAGES = [
  'log',
  'tree',
  'membership',
  'sync',
  'strong',
  'locks',
  'checkpoint',
  'cold',
  'backup',
  'security-log',
].map((name) => `docs/formats/${name}.md`)
const DECISIONS = ['0001-entries-in-cbor-frames-not-car', '0002-stripe-ops-clear']

const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')
const vectorsOf = (file: string): unknown => JSON.parse(textOf(`test/vectors/${file}.json`))

describe('documents', () => {
  for (const page of PAGES) {
    test(`${page} quotes the golden vectors`, () => {
      const quotes = [...textOf(page).matchAll(/^```vector (\S+)\n([^`]*)```/gm)]
      assert.ok(quotes.length > 0)
      for (const [, path = '', body = ''] of quotes) {
        const [file = '', ...keys] = path.split('/')
        let value = vectorsOf(file)
        for (const key of keys) value = (value as Readonly<Record<string, unknown>>)[key]
        assert.equal(body.replace(/#.*|\s/g, ''), value, path)
      }
    })
  }

  test('every op and message of the vectors is quoted', () => {
    const all = PAGES.map(textOf).join('\n')
    for (const name of Object.keys(vectorsOf('ops') as object))
      assert.ok(all.includes(`vector ops/${name}/bytes\n`), name)
    for (const file of [
      'entry',
      'batch',
      'ticket',
      'genesis',
      'epoch-key',
      'join',
      'log-message',
      'gossip',
      'session',
      'strong',
      'locks',
      'checkpoint',
      'pack',
      'security',
      'backup-head',
    ]) {
      assert.ok(all.includes(`vector ${file}/`), file)
    }
  })

  test('docs/formats/tree.md shows the conflict names of the vectors', () => {
    const page = textOf('docs/formats/tree.md')
    const names = vectorsOf('names') as readonly { readonly shown: string }[]
    for (const { shown } of names)
      assert.ok(page.includes(shown.slice(shown.indexOf('.conflict-'))), shown)
  })

  test('docs/formats.md has every bound with its value, and no other', () => {
    const rows = textOf('docs/formats.md').matchAll(/^\| ([A-Z][A-Z_]+) +\| (\d+) +\|/gm)
    const shown = Object.fromEntries(
      Array.from(rows, ([, name = '', value]) => [name, Number(value)]),
    )
    assert.deepEqual(shown, { ...limits })
  })

  test('links between the pages lead to a page and to a heading in it', () => {
    for (const page of [
      'docs/formats.md',
      ...PAGES,
      ...DECISIONS.map((name) => `docs/decisions/${name}.md`),
    ]) {
      for (const [link, target = '', heading = ''] of textOf(page).matchAll(
        /\]\((?!https?:)([^)#]*)#?([^)]*)\)/g,
      )) {
        const path = target === '' ? page : join(dirname(page), target)
        assert.ok(existsSync(join(root, path)), `${page}: ${link}`)
        if (heading !== '') assert.ok(headingsOf(path).includes(heading), `${page}: ${link}`)
      }
    }
  })
})

/** Anchors of a page's headings, as they are made for Markdown. */
function headingsOf(path: string): string[] {
  return Array.from(textOf(path).matchAll(/^#+ (.*)$/gm), ([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
