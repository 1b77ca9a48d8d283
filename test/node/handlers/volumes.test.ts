// Requests of an owner on volumes are carried out, or nothing is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withMembers } from './members.ts'

test('a volume with invalid settings is not created', async () => {
  await withMembers(1, 1, async ({ nodes: [node] }) => {
    const names = async (): Promise<string[]> =>
      (await node.ask((api) => api.listVolumes())).map(({ name }) => name)
    const before = await names()
    for (const settings of [{ class: 'zzz' }, { bogus: '1' }, { voters: 'nobody' }]) {
      const made = node.ask((api) => api.createVolume({ name: 'photos', settings }))
      await assert.rejects(made, { code: 'usage' })
      assert.deepEqual(await names(), before)
    }
    await node.ask((api) => api.createVolume({ name: 'photos', settings: { class: 'rs4+2' } }))
    assert.deepEqual(await names(), [...before, 'photos'])
  })
})
