// The index of decisions is complete: one line for each, under its number, in order.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './sources.ts'

const FOLDER = join(root, 'docs', 'decisions')
const INDEX = 'README.md'

test('the index has each decision once, and nothing else', () => {
  const files = readdirSync(FOLDER).filter((name) => name !== INDEX)
  const index = readFileSync(join(FOLDER, INDEX), 'utf8')
  const lines = Array.from(index.matchAll(/^- \[(\d+)\]\(([^)]+)\): \S/gm), ([, number, file]) => [
    Number(number),
    file,
  ])
  const expected = files.toSorted().map((name) => [Number(name.slice(0, 4)), name])
  assert.deepEqual(lines, expected)
})

test('each decision has a number of its own, which its title says', () => {
  const numbers = readdirSync(FOLDER)
    .filter((name) => name !== INDEX)
    .map((name) => {
      const number = Number(/^(\d{4})-[a-z0-9-]+\.md$/.exec(name)?.[1])
      const [title = ''] = readFileSync(join(FOLDER, name), 'utf8').split('\n')
      assert.ok(title.startsWith(`# ${number}. `), `${name}: ${title}`)
      return number
    })
  assert.equal(new Set(numbers).size, numbers.length)
})
