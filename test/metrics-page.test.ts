// The table of docs/metrics.md is the list of metrics, and the files in monitoring/ are made of
// that and of the conditions of alerts. With UPDATE=1 in the environment they are written anew.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { METRICS } from '../node/metrics/definitions.ts'
import { dashboard } from './monitoring/dashboard.ts'
import { alertRules } from './monitoring/alert-rules.ts'
import { checkTable } from './page-table.ts'

test('the table is the list of metrics, each with a name of its own', async () => {
  const names = METRICS.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const rows = METRICS.map(({ name, type, labels, help }) => {
    return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), help]
  })
  await checkTable('docs/metrics.md', [['metric', 'type', 'labels', 'is'], ...rows])
})

const FILES = {
  'prometheus-alerts.yml': alertRules,
  'grafana-dashboard.json': dashboard,
} as const

for (const [name, make] of Object.entries(FILES)) {
  test(`monitoring/${name} is made of the lists`, async () => {
    const path = join(import.meta.dirname, '..', 'monitoring', name)
    if (process.env['UPDATE'] !== undefined) await writeFile(path, make())
    assert.equal(await readFile(path, 'utf8'), make())
  })
}
