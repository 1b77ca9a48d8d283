// The advice in the error of a call that cannot be carried out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withMembers } from './members.ts'
import { pinsOf } from './pins-of.ts'

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

test('paths are told with their volume where there are several, as they can be typed', async () => {
  await withMembers(1, 1, async ({ nodes: [anna] }) => {
    const failing = (path: string): Promise<string[]> =>
      anna.ask((api) =>
        Promise.all(
          [
            api.stat(`${path}/none`),
            api.remove(`${path}/none`),
            api.makeFolder(`${path}/none/deep`),
            api.move(`${path}/none`, `${path}/other`),
            api.readFile(path),
          ].map((asked) =>
            asked.then(
              () => 'done',
              ({ message }: Error) => message.split(': ', 1)[0] ?? '',
            ),
          ),
        ),
      )
    await anna.ask((api) => api.makeFolder('/docs'))
    assert.deepEqual(await failing('/docs'), [
      '/docs/none',
      '/docs/none',
      '/docs/none',
      '/docs/none',
      '/docs',
    ])
    await anna.ask((api) => api.addPin('/docs', { class: 'copies2' }))
    assert.deepEqual((await anna.ask((api) => pinsOf(api)))[0]?.path, '/docs')
    await anna.ask((api) => api.createVolume({ name: 'work' }))
    await anna.ask((api) => api.makeFolder('work:/docs'))
    for (const volume of ['main', 'work']) {
      const folder = `${volume}:/docs`
      const asked = volume === 'main' ? '/docs' : folder
      const none = `${folder}/none`
      assert.deepEqual(await failing(asked), [none, none, none, none, folder])
    }
    assert.deepEqual((await anna.ask((api) => pinsOf(api)))[0]?.path, 'main:/docs')
  })
})
