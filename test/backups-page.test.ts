// The commands of docs/backups.md do what the page says, one after the other.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Machines, readBlocks, whyNoMount } from './readme-walk.ts'

const PAGE = join(import.meta.dirname, '../docs/backups.md')

test('docs/backups.md works as printed', { skip: whyNoMount() }, async () => {
  const text = readFileSync(PAGE, 'utf8')
  const blocks = readBlocks(text)
  // None is left out: each block of the page names the machine that it runs on.
  assert.equal(blocks.length, [...text.matchAll(/^```sh/gm)].length)
  const machines = new Machines()
  try {
    await machines.start('anna', 'npm start')
    for (const block of blocks) await machines.run(block)
    const plan = 'all of it\nand more\n'
    assert.equal(await machines.shell('anna', 'cat ~/restored/plan.txt'), plan)
    for (const older of ['before/plan.txt', 'only-the-plan.txt'])
      assert.equal(await machines.shell('anna', `cat ~/${older}`), 'all of it\n')
    const jobs = await machines.shell('anna', 'npx shoal --json backup ls')
    const [job] = JSON.parse(jobs) as readonly { readonly keep: Readonly<Record<string, number>> }[]
    assert.deepEqual(job?.keep, { daily: 7, weekly: 4 })
    await machines.stopAll()
  } finally {
    await machines.end()
  }
})
