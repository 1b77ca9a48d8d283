// A removed member, as nodes and their owners see it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { namesIn, put, withMembers } from './members.ts'
import type { Members } from './members.ts'

async function assertFiles(
  { nodes }: Members,
  count: number,
  files: readonly string[],
): Promise<void> {
  for (const node of nodes.slice(0, count))
    assert.deepEqual((await node.ask((api) => namesIn(api, '/'))).toSorted(), files)
}

test('changes by a removed node show nowhere, though it is connected', async () => {
  await withMembers(3, 1, async (members) => {
    const { nodes, clock } = members
    const [founder, other, quin] = nodes
    await founder.ask((api) => put(api, '/precious.txt', 'kept'))
    await clock.sleep(10 * SECOND_MS)
    await founder.ask((api) => api.removePeer(quin.peer))
    await quin.ask((api) => api.remove('/precious.txt'))
    await quin.ask((api) => put(api, '/evil', 'x'))
    await clock.sleep(10 * MINUTE_MS)
    await assertFiles(members, 2, ['precious.txt'])
    await quin.ask((api) => put(api, '/evil 2', 'x')).catch(() => undefined)
    await other.ask((api) => put(api, '/good', 'x'))
    await clock.sleep(10 * MINUTE_MS)
    await assertFiles(members, 2, ['good', 'precious.txt'])
    const { notices } = await quin.ask((api) => api.status())
    assert.deepEqual(
      notices.map(({ kind, member }) => [kind, ['n0', 'n1'].includes(member)]),
      [['removed', true]],
    )
  })
})

test('changes by a removed node vanish where they were taken before the removal', async () => {
  await withMembers(4, 2, async (members) => {
    const { nodes, clock } = members
    const [founder, other, quin, last] = nodes
    assert.ok(last !== undefined)
    await founder.ask((api) => put(api, '/precious.txt', 'kept'))
    await clock.sleep(10 * SECOND_MS)
    members.network.partition([founder.peer, other.peer], [quin.peer, last.peer])
    await founder.ask((api) => api.removePeer(quin.peer))
    await quin.ask((api) => api.remove('/precious.txt'))
    await quin.ask((api) => put(api, '/evil', 'x'))
    await clock.sleep(MINUTE_MS)
    assert.deepEqual(await last.ask((api) => namesIn(api, '/')), ['evil'])
    members.network.heal()
    await clock.sleep(10 * MINUTE_MS)
    for (const node of [founder, other, last])
      assert.deepEqual(await node.ask((api) => namesIn(api, '/')), ['precious.txt'])
  })
})
