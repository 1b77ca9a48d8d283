// Notices to members about a home that was copied or restored, from the log alone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { noticesOf } from '../../../node/handlers/observe/notices.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { withMembers } from './members.ts'
import { Machine, meetAll } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'
import type { Notice } from '../../../node/control/status.ts'
import type { WallTime } from '../../../protocol/units.ts'

describe('notices', () => {
  test('are absent where no home was copied', async () => {
    const [anna, ben] = await two()
    for (const replica of [anna, ben]) assert.deepEqual(noticesAt(replica), [])
  })

  test('tell a restored home so for a month, with the time, and nobody else', async () => {
    const [anna, ben] = await two()
    anna.clock.advance(1000)
    ben.clock.advance(1000)
    const startedMs = ben.clock.wall()
    ben.volume.renewIncarnation()
    assert.deepEqual(kinds(noticesAt(ben)), ['restored of ben'])
    ben.write('after', 'x')
    await ben.volume.commit()
    await exchange(anna, ben)
    assert.deepEqual(noticesAt(ben), [
      {
        kind: 'restored',
        timeMs: startedMs,
        volume: ben.volume.id,
        volumeName: 'main',
        member: 'ben',
        isSelf: true,
      },
    ])
    assert.deepEqual(noticesAt(anna), [])
    assert.deepEqual(noticesAt(ben, 31 * DAY_MS), [])
  })

  test('tell each of two copies that write under new identities so', async () => {
    const [anna, ben] = await two()
    const copy = await ben.clone('copy')
    copy.volume.renewIncarnation()
    copy.write('by the copy', 'x')
    ben.clock.advance(1000)
    ben.write('by ben', 'x')
    await exchange(anna, ben, copy)
    for (const replica of [ben, copy])
      assert.deepEqual(kinds(noticesAt(replica)), ['copies of ben'])
    for (const replica of [ben, copy]) replica.write(`${replica.seed} again`, 'x')
    await exchange(anna, ben, copy)
    for (const replica of [ben, copy])
      assert.deepEqual(kinds(noticesAt(replica)), ['copies of ben'])
  })

  test('do not take a strong writer with two identities for a copy', async () => {
    await withMembers(2, 1, async ({ nodes }) => {
      const [anna, ben] = nodes
      await anna.ask((api) => api.setVolume('main', { consistency: 'strong' }))
      for (const node of [anna, ben]) await node.ask((api) => api.makeFolder(`/by ${node.name}`))
      for (const node of [anna, ben]) {
        await node.stop()
        await node.start()
      }
      for (const node of [anna, ben])
        assert.deepEqual((await node.ask((api) => api.status())).notices, [])
    })
  })

  test('tell all members of two copies that wrote under one identity', async () => {
    const [anna, ben] = await two()
    const copy = await ben.clone('copy')
    for (const replica of [ben, copy]) {
      replica.write(`by ${replica.seed}`, 'x')
      await replica.volume.commit()
    }
    await meetAll([anna, ben, copy].map((replica) => new Machine(replica)))
    for (const replica of [anna, ben, copy])
      assert.deepEqual(kinds(noticesAt(replica)), ['copies of ben'])
  })
})

async function two(): Promise<[Replica, Replica]> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben')
  await ben.volumes.describeSelf(ben.volume)
  for (const replica of [anna, ben]) replica.write(`of ${replica.name}`, 'x')
  await exchange(anna, ben)
  return [anna, ben]
}

function noticesAt(replica: Replica, laterMs = 0): Notice[] {
  const { volume } = replica
  const nowMs = (replica.clock.wall() + laterMs) as WallTime
  return noticesOf(
    { name: 'main', volume },
    { nowMs, refusedBy: [], clocksAhead: [], future: new Map() },
  )
}

function kinds(notices: readonly Notice[]): string[] {
  return notices.map(({ kind, member }) => `${kind} of ${member}`)
}
