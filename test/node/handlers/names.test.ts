// Names of machines and volumes, as owners see and change them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '../../../simulations/cluster.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { withMembers } from './members.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

/** The names of all members of the first volume, as a node shows them, by their ids. */
async function namesOn(node: ClusterNode): Promise<Readonly<Record<string, string>>> {
  const { members } = await node.ask((api) => api.volumeInfo('main'))
  return Object.fromEntries(members.map(({ peer, name }) => [peer, name]))
}

test('machines with one host name that join at once have each a name of its own', async () => {
  const scheduler = new Scheduler(7)
  const cluster = new Cluster(scheduler, { nodeCount: 4, called: 'vm' })
  const conduct = async (): Promise<void> => {
    await Promise.all(cluster.nodes.map((node) => node.start()))
    const [founder, ...others] = cluster.nodes
    assert(founder !== undefined)
    const { ticket } = await founder.ask((api) => api.invite({ uses: 3, role: 'admin' }))
    await Promise.all(others.map((node) => node.ask((api) => api.join(ticket))))
    await cluster.clock.sleep(5 * MINUTE_MS)
    const names = await namesOn(founder)
    assert.deepEqual(Object.values(names).toSorted(), ['vm', 'vm-2', 'vm-3', 'vm-4'])
    for (const node of others) assert.deepEqual(await namesOn(node), names)
    assert.equal(names[founder.peer], 'vm')
    // Nothing that is typed means two, and all are found by the name that is shown.
    for (const [peer, name] of Object.entries(names))
      assert.equal((await founder.ask((api) => api.memberInfo(name))).id, peer)
    for (const node of others) {
      const [volume] = await node.ask((api) => api.listVolumes())
      assert.equal(volume?.calledAs, names[node.peer])
      await node.stop()
      await node.start()
    }
    await cluster.clock.sleep(5 * MINUTE_MS)
    assert.deepEqual(await namesOn(founder), names)
    await cluster.stop()
  }
  await scheduler.finish(conduct(), 10 * HOUR_MS)
})

test('a member is renamed by itself or an admin, and keeps that name', async () => {
  await withMembers(3, 2, async ({ nodes, clock }) => {
    const [founder, ben, carl] = nodes
    const refused = ben.ask((api) => api.renamePeer('n2', 'mine'))
    await assert.rejects(refused, { code: 'EPERM' })
    await ben.ask((api) => api.renamePeer('n1', 'ben'))
    await founder.ask((api) => api.renamePeer('n2', 'carl'))
    await clock.sleep(MINUTE_MS)
    for (const [name, code] of [
      ['carl', 'EEXIST'],
      ['CARL', 'EEXIST'],
      [carl.peer.slice(-8), 'EEXIST'],
      [carl.peer, 'EEXIST'],
      ['two words', 'usage'],
      ['\u001b[2J', 'usage'],
      ['x'.repeat(65), 'usage'],
    ] as const)
      await assert.rejects(
        founder.ask((api) => api.renamePeer('ben', name)),
        { code },
      )
    for (const node of [ben, carl]) {
      await node.stop()
      await node.start()
    }
    await clock.sleep(MINUTE_MS)
    const names = { [founder.peer]: 'n0', [ben.peer]: 'ben', [carl.peer]: 'carl' }
    for (const node of nodes) assert.deepEqual(await namesOn(node), names)
  })
})

test('a volume has another name on the node that renames it, also after a restart', async () => {
  await withMembers(2, 3, async ({ nodes }) => {
    const [founder, other] = nodes
    const names = async (node: ClusterNode): Promise<string[]> =>
      (await node.ask((api) => api.listVolumes())).map(({ name }) => name)
    await founder.ask((api) => api.createVolume({ name: 'photos' }))
    await assert.rejects(
      founder.ask((api) => api.renameVolume('main', 'photos')),
      { code: 'EEXIST' },
    )
    await assert.rejects(
      founder.ask((api) => api.renameVolume('main', 'a/b')),
      { code: 'usage' },
    )
    await founder.ask((api) => api.renameVolume('main', 'family'))
    await founder.ask((api) => api.makeFolder('family:/there'))
    await assert.rejects(
      founder.ask((api) => api.stat('main:/there')),
      { code: 'no-such-volume' },
    )
    await founder.stop()
    await founder.start()
    assert.deepEqual(await names(founder), ['family', 'photos'])
    assert.equal((await founder.ask((api) => api.stat('/there'))).kind, 'folder')
    assert.deepEqual(await names(other), ['main'])
  })
})
