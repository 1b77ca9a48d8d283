// The commands of docs/logs.md run, and its table is the list of events.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOG_EVENTS } from '../node/observe/log-events.ts'
import { checkTable } from './page-table.ts'
import { walkPage, whyNoMount } from './readme-walk.ts'

test('docs/logs.md works as printed', { skip: whyNoMount() }, async () => {
  await walkPage('docs/logs.md', async (machines) => {
    const lines = await machines.shell('anna', 'npx shoal --json logs')
    const [first] = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    assert.equal(first?.event, 'network.listening')
    assert.match(await machines.shell('anna', 'npx shoal logs level'), /^sync +debug$/m)
  })
})

test('its table is the list of events', async () => {
  const rows = Object.entries(LOG_EVENTS).map(([event, [level, message]]) => {
    return [`\`${event}\``, level, message]
  })
  await checkTable('docs/logs.md', [['event', 'level', 'says'], ...rows])
})
