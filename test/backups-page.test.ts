// The commands of docs/backups.md do what the page says, one after the other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { walkPage, whyNoMount } from './readme-walk.ts'

test('docs/backups.md works as printed', { skip: whyNoMount() }, async () => {
  await walkPage('docs/backups.md', async (machines) => {
    const plan = 'all of it\nand more\n'
    assert.equal(await machines.shell('anna', 'cat ~/restored/plan.txt'), plan)
    for (const older of ['before/plan.txt', 'only-the-plan.txt'])
      assert.equal(await machines.shell('anna', `cat ~/${older}`), 'all of it\n')
    const jobs = await machines.shell('anna', 'npx shoal --json backup ls')
    const [job] = JSON.parse(jobs) as readonly { readonly keep: Readonly<Record<string, number>> }[]
    assert.deepEqual(job?.keep, { daily: 7, weekly: 4 })
  })
})
