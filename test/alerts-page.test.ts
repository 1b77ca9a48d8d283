// The commands of docs/alerts.md run, and its table is the list of conditions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONDITIONS } from '../node/alerts/conditions.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../protocol/units.ts'
import { checkTable } from './page-table.ts'
import { walkPage, whyNoMount } from './readme-walk.ts'

test('docs/alerts.md works as printed', { skip: whyNoMount() }, async () => {
  await walkPage('docs/alerts.md', async (machines) => {
    const line = await machines.shell('anna', 'npx shoal status --check')
    // The disk of who runs this may be full.
    assert.match(line, /^(OK: nothing is wrong|CRITICAL: .* may store are free)\n$/)
  })
})

test('its table is the list of conditions', async () => {
  const rows = CONDITIONS.map(({ name, severity, afterMs, summary }) => {
    return [`\`${name}\``, severity, afterText(afterMs), summary]
  })
  await checkTable('docs/alerts.md', [['condition', 'severity', 'after', 'true when'], ...rows])
})

function afterText(ms: number): string {
  if (ms === 0) return 'at once'
  if (ms >= DAY_MS) return `${ms / DAY_MS} d`
  return ms >= HOUR_MS ? `${ms / HOUR_MS} h` : `${ms / MINUTE_MS} min`
}
