// The commands of docs/getting-things-back.md do what the page says, one after the other.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { walkPage, whyNoMount } from './readme-walk.ts'

test('docs/getting-things-back.md works as printed', { skip: whyNoMount() }, async () => {
  await walkPage('docs/getting-things-back.md', async (machines) => {
    const kept = await machines.shell('anna', 'npx shoal --json versions /docs/plan.txt')
    assert.ok((JSON.parse(kept) as readonly unknown[]).length > 0)
    assert.equal(await machines.shell('anna', 'cat ~/plan-as-it-was.txt'), 'all of it\n')
    assert.equal(
      await machines.shell('anna', 'cat ~/Shoal/docs-as-they-were/plan.txt'),
      'all of it\n',
    )
  })
})
