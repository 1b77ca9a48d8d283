// The commands of docs/getting-things-back.md do what the page says, one after the other.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Machines, readBlocks, whyNoMount } from './readme-walk.ts'

const PAGE = join(import.meta.dirname, '../docs/getting-things-back.md')

test('docs/getting-things-back.md works as printed', { skip: whyNoMount() }, async () => {
  const text = readFileSync(PAGE, 'utf8')
  const blocks = readBlocks(text)
  // None is left out: each block of the page names the machine that it runs on.
  assert.equal(blocks.length, [...text.matchAll(/^```sh/gm)].length)
  const machines = new Machines()
  try {
    await machines.start('anna', 'npm start')
    for (const block of blocks) await machines.run(block)
    const kept = await machines.shell('anna', 'npx shoal --json versions /docs/plan.txt')
    assert.ok((JSON.parse(kept) as readonly unknown[]).length > 0)
    assert.equal(await machines.shell('anna', 'cat ~/plan-as-it-was.txt'), 'all of it\n')
    assert.equal(
      await machines.shell('anna', 'cat ~/Shoal/docs-as-they-were/plan.txt'),
      'all of it\n',
    )
    await machines.stopAll()
  } finally {
    await machines.end()
  }
})
