// The advice in the error of a call that cannot be carried out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withMembers } from './members.ts'

test('refused calls say who may make them, where, and what to do instead', async () => {
  await withMembers(2, 1, async ({ nodes: [anna, ben] }) => {
    const { ticket } = await anna.ask((api) => api.invite({}))
    await assert.rejects(
      anna.ask((api) => api.join(ticket)),
      { code: 'usage', message: 'this node issued that ticket; use it on the other machine' },
    )
    for (const asked of [
      ben.ask((api) => api.invite({})),
      ben.ask((api) => api.setVolume('main', { ack: 'placed' })),
    ]) {
      const message = new RegExp(`this node is a writer; admins: ${anna.name}$`)
      await assert.rejects(asked, { code: 'EPERM', message })
    }
    const logged = anna.ask(async (api) => {
      for await (const page of api.readLog('/docs/gone.txt')) assert.ok(page)
    })
    await assert.rejects(logged, { code: 'ENOENT' })
    await anna.ask((api) => api.makeFolder('/docs'))
    const gone = anna.ask(async (api) => {
      for await (const page of api.readLog('/docs/gone.txt')) assert.ok(page)
    })
    await assert.rejects(gone, {
      code: 'ENOENT',
      message:
        '/docs/gone.txt: no such file or folder; if it was removed, give the folder that contained it, such as /docs',
    })
  })
})
