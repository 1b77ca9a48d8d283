// Requests of an owner on volumes are carried out, or nothing is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECOND_MS } from '../../../protocol/units.ts'
import { withMembers } from './members.ts'

const ROOT_INODE = 1
const MAKER = { uid: 0, gid: 0, umask: 0 }

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

test('heads tell of all that was closed in a mount, also before it is committed', async () => {
  await withMembers(1, 2, async ({ nodes: [node], clock }) => {
    const heads = async (): Promise<unknown> =>
      (await node.ask((api) => api.status())).volumes[0]?.heads
    await node.askMount(async (mount) => {
      for (const name of ['a', 'b', 'c']) {
        const { handle } = await mount.create(ROOT_INODE, name, 0o600, MAKER)
        await mount.write(handle, 0, Buffer.from(name))
        await mount.flush(handle)
        await mount.release(handle)
      }
    })
    const before = await heads()
    await clock.sleep(2 * SECOND_MS)
    assert.deepEqual(await heads(), before)
  })
})
