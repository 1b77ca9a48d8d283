// A member that is removed gives its shards away first, and nothing is lost that need not be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { put, textOf, withMembers } from './members.ts'

/** Too much for copies, and nothing makes it shorter. */
const TEXT: string = Buffer.from(xorshiftBytes(1, 200_000)).toString('hex')

test('an online member that is removed moves its shards, and none are rebuilt', async () => {
  await withMembers(5, 1, async ({ nodes, clock }) => {
    const [founder, leaver] = nodes
    await founder.ask((api) => api.setVolume('main', { class: 'rs2+1' }))
    await clock.sleep(10 * SECOND_MS)
    for (let file = 0; file < 8; file++)
      await founder.ask((api) => put(api, `/${file}`, `${file} ${TEXT}`, { ack: 'placed' }))
    await founder.ask((api) => api.removePeer(leaver.peer))
    await leaver.stop()
    const [volume] = await founder.ask((api) => api.listVolumes())
    assert.deepEqual({ ...volume?.stripes, full: 0 }, { full: 0, degraded: 0, atRisk: 0, lost: 0 })
    assert.equal(volume?.upkeep.repairedBytes, 0)
    for (let file = 0; file < 8; file++)
      assert.equal(await founder.ask((api) => textOf(api, `/${file}`)), `${file} ${TEXT}`)
  })
})

test('a member whose removal would lose stripes stays, unless it must go now', async () => {
  await withMembers(3, 2, async ({ nodes, clock }) => {
    const [founder, other, last] = nodes
    await founder.ask((api) => api.setVolume('main', { class: 'rs2+1' }))
    await clock.sleep(10 * SECOND_MS)
    await founder.ask((api) => put(api, '/file', TEXT, { ack: 'placed' }))
    await other.stop()
    await clock.sleep(2 * MINUTE_MS)
    const removal = founder.ask((api) => api.removePeer(last.peer))
    await assert.rejects(removal, { code: 'not-placed', message: /cannot be read without n2/ })
    const info = await founder.ask((api) => api.volumeInfo('main'))
    assert.equal(info.members.length, 3)
    assert.equal((await founder.ask((api) => api.peerInfo(last.peer))).shards, 1)
    await founder.ask((api) => api.removePeer(last.peer, { now: true }))
    assert.equal((await founder.ask((api) => api.volumeInfo('main'))).members.length, 2)
  })
})

test('an offline member is removed only if the owner insists', async () => {
  await withMembers(4, 3, async ({ nodes, clock }) => {
    const [founder, away] = nodes
    await founder.ask((api) => api.setVolume('main', { class: 'copies4' }))
    await clock.sleep(10 * SECOND_MS)
    await founder.ask((api) => put(api, '/file', TEXT, { ack: 'placed' }))
    await away.stop()
    await clock.sleep(2 * MINUTE_MS)
    const removal = founder.ask((api) => api.removePeer(away.peer))
    await assert.rejects(removal, {
      code: 'not-placed',
      message: /n1 holds 1 shards and is offline/,
    })
    await founder.ask((api) => api.removePeer(away.peer, { now: true }))
    assert.equal((await founder.ask((api) => api.volumeInfo('main'))).members.length, 3)
  })
})
