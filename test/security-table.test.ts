// docs/security.md has a row for each check of protocol/trust.ts, and each names a test that is
// there.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('the table of who may state what has a row for each check, and each row a test', () => {
  const rules = [...read('protocol/trust.ts').matchAll(/^ {2}\| '([a-z-]+)'$/gm)].map(
    ([, rule = '']) => rule,
  )
  assert.ok(rules.length > 0)
  const rows = [
    ...read('docs/security.md').matchAll(/^\|.*\| ((?:`[a-z-]+`(?:, )?)+) +\| (`test\/.*`) +\|$/gm),
  ].map(([, named, tests]) => ({ named: quoted(named), tests: quoted(tests) }))
  const checks = rows.flatMap(({ named }) => named)
  for (const rule of rules) assert.ok(checks.includes(rule), `${rule} has a row`)
  for (const check of checks) assert.ok(rules.includes(check), `${check} is a check`)
  for (const { named, tests } of rows)
    for (const path of tests)
      assert.ok(
        existsSync(new URL(`../${path}`, import.meta.url)),
        `${named.join()}: ${path} is there`,
      )
})

/** The texts in backquotes. */
function quoted(text = ''): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([found]) => found.slice(1, -1))
}
