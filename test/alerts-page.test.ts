// docs/alerts.md: its commands run, and its table is the list of conditions. With UPDATE=1 in the
// environment the table is written anew.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import prettier from 'prettier'
import { CONDITIONS } from '../node/alerts/conditions.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../protocol/units.ts'
import { walkPage, whyNoMount } from './readme-walk.ts'

const PAGE = join(import.meta.dirname, '..', 'docs', 'alerts.md')
const TABLE = /(<!-- conditions: .* -->\n)([\s\S]*)(<!-- end -->)/

test('docs/alerts.md works as printed', { skip: whyNoMount() }, async () => {
  await walkPage('docs/alerts.md', async (machines) => {
    const line = await machines.shell('anna', 'npx shoal status --check')
    // The disk of who runs this may be full.
    assert.match(line, /^(OK: nothing is wrong|CRITICAL: .* may store are free)\n$/)
  })
})

test('its table is the list of conditions', async () => {
  const page = await readFile(PAGE, 'utf8')
  const rows = CONDITIONS.map(
    ({ name, severity, afterMs, summary }) =>
      `| \`${name}\` | ${severity} | ${afterText(afterMs)} | ${summary} |`,
  )
  const table = ['| condition | severity | after | true when |', '| - | - | - | - |', ...rows]
  const made = page.replace(TABLE, (_, head: string, __, end: string) => {
    return `${head}\n${table.join('\n')}\n\n${end}`
  })
  const options = await prettier.resolveConfig(PAGE)
  const whole = await prettier.format(made, { ...options, filepath: PAGE })
  if (process.env['UPDATE'] !== undefined) await writeFile(PAGE, whole)
  else assert.equal(page, whole)
})

function afterText(ms: number): string {
  if (ms === 0) return 'at once'
  if (ms >= DAY_MS) return `${ms / DAY_MS} d`
  return ms >= HOUR_MS ? `${ms / HOUR_MS} h` : `${ms / MINUTE_MS} min`
}
