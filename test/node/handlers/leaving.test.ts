// A node that leaves a volume: nothing is lost by it, nothing of it goes on, it can come back for a
// week, and then nothing is left, on simulated machines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster } from '../../../simulations/cluster.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { ClusterNode, Death } from '../../../simulations/cluster.ts'
import { namesIn, put, textOf, withMembers } from './members.ts'

/** Too much for an op, and nothing makes it shorter. */
const textNo = (seed: number): string => Buffer.from(xorshiftBytes(seed, 200_000)).toString('hex')
const [MAIN, OTHER, LATER] = [textNo(1), textNo(2), textNo(3)]
const RUN_LIMIT_MS = 100 * DAY_MS
const ROOT_INODE = 1
const MAKER = { uid: 0, gid: 0, umask: 0 }
/** Keys of the states of volumes, and of all records of the store of data. */
const STATES = { from: 'n', to: 'o' }
const RECORDS = { from: 'V', to: 'W' }

async function keysIn(
  { machine }: ClusterNode,
  range: { from: string; to: string },
): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of machine.kv.scan(range)) keys.push(key)
  return keys
}

async function volumeNames(node: ClusterNode): Promise<string[]> {
  return (await node.ask((api) => api.listVolumes())).map(({ name }) => name)
}

async function leftNames(node: ClusterNode): Promise<string[]> {
  return (await node.ask((api) => api.listLeftVolumes())).map(({ name }) => name)
}

async function heldBytes(node: ClusterNode): Promise<number> {
  const { usedBytes, reclaimableBytes, trashBytes } = (await node.ask((api) => api.status())).node
  return usedBytes - reclaimableBytes - trashBytes
}

/** One node with volumes `main` and `other`, and a file in each; `main` is the first. */
async function withTwoVolumes(
  seed: number,
  run: (node: ClusterNode, cluster: Cluster) => Promise<void>,
  options: Partial<ConstructorParameters<typeof Cluster>[1]> = {},
): Promise<void> {
  const scheduler = new Scheduler(seed)
  const cluster = new Cluster(scheduler, { nodeCount: 1, beaconMs: HOUR_MS, ...options })
  const conduct = async (): Promise<void> => {
    const [node] = cluster.nodes
    assert.ok(node !== undefined)
    await node.start()
    await node.ask((api) => put(api, '/file', MAIN))
    await node.ask((api) => api.createVolume({ name: 'other' }))
    await node.ask((api) => put(api, 'other:/file', OTHER))
    await run(node, cluster)
    await cluster.stop()
  }
  await scheduler.finish(conduct(), RUN_LIMIT_MS)
}

/** Writes and closes files in a mount of `main`, which its journal has then. */
async function closeInMount(node: ClusterNode): Promise<void> {
  await node.ask((api) => api.mount('/mount', { volume: 'main' }))
  await node.askMount(async (mount) => {
    // The first is committed, and its journal begins with the next.
    for (const name of ['one', 'two']) {
      const { handle } = await mount.create(ROOT_INODE, name, 0o644, MAKER)
      await mount.write(handle, 0, Buffer.from(name))
      await mount.flush(handle)
      await mount.release(handle)
    }
  })
  await node.ask((api) => api.unmount('/mount'))
  assert.notDeepEqual(await node.machine.world.disk.list('journal'), [])
}

async function assertGone(node: ClusterNode): Promise<void> {
  const tags = new Set((await keysIn(node, STATES)).map((key) => key.slice(1, 3)))
  assert.equal((await keysIn(node, RECORDS)).length, 1, 'one volume has a record')
  assert.equal(tags.size, 1, 'one volume has a state')
  const [kept] = [...tags].map((tag) => Buffer.from(tag, 'latin1').toString('hex'))
  const journals = await node.machine.world.disk.list('journal')
  assert.deepEqual(
    journals.filter((name) => !name.startsWith(`${kept}-`)),
    [],
    'no other volume has a journal',
  )
  assert.equal(await node.ask((api) => textOf(api, 'other:/file')), OTHER)
}

test('a removed volume is hidden at once, kept for a week, and can come back', async () => {
  await withTwoVolumes(1, async (node, { clock }) => {
    const left = await node.ask((api) => api.removeVolume('main'))
    assert.deepEqual([left.name, left.state], ['main', 'kept'])
    assert.equal(left.untilMs - left.leftMs, 7 * DAY_MS)
    assert.deepEqual(await volumeNames(node), ['other'])
    await assert.rejects(
      node.ask((api) => textOf(api, 'main:/file')),
      { code: 'no-such-volume' },
    )
    // The other is collected and scrubbed meanwhile.
    await clock.sleep(2 * DAY_MS)
    await node.ask((api) => api.remove('other:/file'))
    await node.ask((api) => put(api, 'other:/file', OTHER))
    for await (const _ of await node.ask(async (api) => api.collectGarbage()));
    for await (const _ of await node.ask(async (api) => api.scrub()));
    await node.stop()
    await node.start()
    assert.deepEqual([await volumeNames(node), await leftNames(node)], [['other'], ['main']])
    await node.ask((api) => api.rejoinVolume('main'))
    assert.deepEqual([await volumeNames(node), await leftNames(node)], [['main', 'other'], []])
    assert.equal(await node.ask((api) => textOf(api, 'main:/file')), MAIN)
    await node.ask((api) => put(api, 'main:/later', LATER))
    await node.stop()
    await node.start()
    assert.deepEqual(await volumeNames(node), ['main', 'other'])
    assert.deepEqual(await node.ask((api) => namesIn(api, 'main:/')), ['file', 'later'])
  })
})

for (const when of ['while the node runs', 'at its next start'] as const) {
  test(`a removed volume is deleted after a week, ${when}`, async () => {
    await withTwoVolumes(2, async (node, { clock }) => {
      await closeInMount(node)
      const before = await heldBytes(node)
      await node.ask((api) => api.removeVolume('main'))
      if (when === 'at its next start') await node.stop()
      await clock.sleep(7 * DAY_MS + 2 * HOUR_MS)
      if (when === 'at its next start') await node.start()
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await leftNames(node), [])
      await assertGone(node)
      const after = await heldBytes(node)
      assert.ok(after > 0 && after < 0.6 * before, `${after} of ${before} bytes`)
      await assert.rejects(
        node.ask((api) => api.rejoinVolume('main')),
        { code: 'no-such-volume' },
      )
    })
  })
}

test('a volume that is removed now is gone at once, and with it its space', async () => {
  await withTwoVolumes(3, async (node) => {
    const { usedBytes } = (await node.ask((api) => api.status())).node
    await node.ask((api) => api.removeVolume('main'))
    await node.ask((api) => api.createVolume({ name: 'main' }))
    await node.ask((api) => put(api, 'main:/file', LATER))
    assert.equal(
      (await node.ask((api) => api.removeVolume('main', { now: true }))).state,
      'deleted',
    )
    assert.deepEqual(await leftNames(node), ['main'])
    await node.ask((api) => api.removeVolume('main', { now: true }))
    await assertGone(node)
    const after = (await node.ask((api) => api.status())).node.usedBytes
    assert.ok(after < 0.8 * usedBytes, `${after} of ${usedBytes} bytes`)
    await node.ask((api) => api.removeVolume('other', { now: true }))
    assert.deepEqual([await keysIn(node, STATES), await keysIn(node, RECORDS)], [[], []])
    assert.equal(await heldBytes(node), 0)
    await node.ask((api) => put(api, '/again', LATER))
    assert.deepEqual(await volumeNames(node), ['main'])
  })
})

/** Kills the node at its nth write after `arm` is set; returns whether it came so far. */
async function killedAt(nth: number, death: Death): Promise<boolean> {
  let left = Infinity
  let isKilled = false
  let victim: ClusterNode | undefined
  const onWrite = (): void => {
    if (--left > 0 || isKilled) return
    isKilled = true
    victim?.kill(death)
  }
  const run = async (node: ClusterNode, { clock }: Cluster): Promise<void> => {
    victim = node
    left = nth
    await node.ask((api) => api.removeVolume('main', { now: true })).catch(() => undefined)
    left = Infinity
    if (!isKilled) return assertGone(node)
    await node.start()
    assert.equal(await node.ask((api) => textOf(api, 'other:/file')), OTHER)
    const isKept = (await node.ask((api) => api.listLeftVolumes())).some(
      ({ state }) => state === 'kept',
    )
    if (isKept) await node.ask((api) => api.rejoinVolume('main'))
    if ((await volumeNames(node)).includes('main')) {
      assert.equal(await node.ask((api) => textOf(api, 'main:/file')), MAIN)
      await node.ask((api) => put(api, 'main:/later', LATER))
      return
    }
    await clock.sleep(2 * HOUR_MS)
    assert.deepEqual(await leftNames(node), [])
    await assertGone(node)
    assert.deepEqual(await node.ask((api) => namesIn(api, 'other:/')), ['file'])
  }
  await withTwoVolumes(nth, run, { onWrite })
  return isKilled
}

for (const death of ['killed', 'power loss'] as const) {
  test(`a volume is whole or gone after the node dies as it is removed: ${death}`, async () => {
    let steps = 0
    for (let nth = 1; await killedAt(nth, death); nth++) steps++
    assert.ok(steps >= 5, `${steps} writes`)
  })
}

test('an admin that leaves gives its shards away, and is no member any more', async () => {
  await withMembers(5, 4, async ({ nodes, clock }) => {
    const [founder, writer, leaver] = nodes
    await founder.ask((api) => api.setVolume('main', { class: 'rs2+1' }))
    const { ticket } = await founder.ask((api) => api.invite({ role: 'admin' }))
    await leaver.ask((api) => api.join(ticket))
    await clock.sleep(10 * SECOND_MS)
    for (let file = 0; file < 4; file++)
      await leaver.ask((api) => put(api, `/${file}`, `${file} ${MAIN}`))
    const left = await leaver.ask((api) => api.leaveVolume('main'))
    assert.equal(left.state, 'kept')
    assert.deepEqual([await volumeNames(leaver), await leftNames(leaver)], [[], ['main']])
    await clock.sleep(10 * SECOND_MS)
    for (const node of [founder, writer]) {
      const info = await node.ask((api) => api.volumeInfo('main'))
      assert.equal(info.members.length, 4)
      assert.deepEqual({ ...info.stripes, full: 0 }, { full: 0, degraded: 0, atRisk: 0, lost: 0 })
      assert.equal(info.upkeep.repairedBytes, 0)
    }
    await leaver.stop()
    for (let file = 0; file < 4; file++)
      assert.equal(await writer.ask((api) => textOf(api, `/${file}`)), `${file} ${MAIN}`)
    // Nobody takes the others for strangers, or itself for removed.
    await leaver.start()
    await clock.sleep(MINUTE_MS)
    for (const node of [founder, writer])
      assert.deepEqual((await node.ask((api) => api.status())).notices, [])
    // It can look at the volume again, and leave it again.
    await leaver.ask((api) => api.rejoinVolume('main'))
    assert.equal(await leaver.ask((api) => textOf(api, '/0')), `0 ${MAIN}`)
    await clock.sleep(MINUTE_MS)
    await leaver.ask((api) => api.leaveVolume('main'))
    // By a ticket it is a member again, of the volume that it has.
    const again = await founder.ask((api) => api.invite({}))
    await leaver.ask((api) => api.join(again.ticket))
    await clock.sleep(MINUTE_MS)
    assert.deepEqual([await volumeNames(leaver), await leftNames(leaver)], [['main'], []])
    await leaver.ask((api) => put(api, '/back', 'x'))
    await clock.sleep(MINUTE_MS)
    assert.ok((await founder.ask((api) => namesIn(api, '/'))).includes('back'))
  })
})

for (const role of ['writer', 'reader', 'keeper'] as const) {
  test(`a ${role} leaves by itself, and comes back by a ticket alone`, async () => {
    await withMembers(4, 7, async ({ nodes, clock }) => {
      const [founder, writer, leaver] = nodes
      await founder.ask((api) => api.setVolume('main', { class: 'rs1+1' }))
      if (role !== 'writer') {
        await founder.ask((api) => api.removePeer(leaver.peer))
        await leaver.ask((api) => api.leaveVolume('main', { now: true }))
        const { ticket } = await founder.ask((api) => api.invite({ role }))
        await leaver.ask((api) => api.join(ticket))
        await clock.sleep(MINUTE_MS)
      }
      const by = role === 'writer' ? leaver : writer
      for (let file = 0; file < 6; file++)
        await by.ask((api) => put(api, `/${file}`, `${file} ${MAIN}`, { ack: 'placed' }))
      if (role !== 'reader') assert.ok((await heldBytes(leaver)) > 0)
      await leaver.ask((api) => api.leaveVolume('main'))
      assert.deepEqual([await volumeNames(leaver), await leftNames(leaver)], [[], ['main']])
      await clock.sleep(10 * SECOND_MS)
      for (const node of [founder, writer]) {
        const info = await node.ask((api) => api.volumeInfo('main'))
        assert.deepEqual(info.members.length, 3)
        assert.deepEqual({ ...info.stripes, full: 0 }, { full: 0, degraded: 0, atRisk: 0, lost: 0 })
        assert.equal(info.upkeep.repairedBytes, 0)
      }
      await leaver.stop()
      for (let file = 0; file < 6; file++)
        assert.equal(await founder.ask((api) => textOf(api, `/${file}`)), `${file} ${MAIN}`)
      await leaver.start()
      // Taken back it is no member, and leaves again; with a ticket it is one.
      await leaver.ask((api) => api.rejoinVolume('main'))
      await clock.sleep(MINUTE_MS)
      assert.equal((await founder.ask((api) => api.volumeInfo('main'))).members.length, 3)
      await leaver.ask((api) => api.leaveVolume('main'))
      const again = await founder.ask((api) => api.invite({ role: 'writer' }))
      await leaver.ask((api) => api.join(again.ticket))
      await clock.sleep(MINUTE_MS)
      await leaver.ask((api) => put(api, '/back', 'x'))
      await clock.sleep(MINUTE_MS)
      assert.ok((await founder.ask((api) => namesIn(api, '/'))).includes('back'))
      await leaver.ask((api) => api.leaveVolume('main'))
      await clock.sleep(MINUTE_MS)
      assert.equal((await founder.ask((api) => api.volumeInfo('main'))).members.length, 3)
    })
  })
}

test('a member leaves only as far as its role and the data of others allow', async () => {
  await withMembers(3, 5, async ({ nodes, network, clock }) => {
    const [founder, writer, other] = nodes
    const refused = (
      node: ClusterNode,
      how: (api: NodeApi) => Promise<unknown>,
      code: string,
      message: RegExp,
    ): Promise<void> => assert.rejects(node.ask(how), { code, message })
    await writer.ask((api) => put(api, '/file', MAIN, { ack: 'placed' }))
    await refused(founder, (api) => api.leaveVolume('main'), 'EPERM', /the only admin/)
    const voters = (...of: readonly ClusterNode[]): Promise<unknown> =>
      founder.ask((api) => api.setVolume('main', { voters: of.map(({ name }) => name).join() }))
    await voters(founder, writer)
    await clock.sleep(MINUTE_MS)
    await refused(
      writer,
      (api) => api.leaveVolume('main'),
      'EPERM',
      /run "shoal volume set main voters=..." on n0/,
    )
    await voters(founder)
    await refused(writer, (api) => api.removeVolume('main'), 'usage', /n0, n2|n2, n0/)
    await refused(writer, (api) => api.leaveVolume('elsewhere'), 'no-such-volume', /elsewhere/)
    assert.deepEqual(await volumeNames(writer), ['main'])
    // An admin takes it out: then it may.
    await founder.ask((api) => api.removePeer(writer.peer))
    await clock.sleep(MINUTE_MS)
    await writer.ask((api) => api.leaveVolume('main', { now: true }))
    assert.deepEqual([await volumeNames(writer), await leftNames(writer)], [[], []])
    assert.equal(await heldBytes(writer), 0)
    // What only it has is not left behind in silence.
    network.partition([founder.peer], [other.peer])
    await founder.ask((api) => api.removePeer(other.peer, { now: true }))
    await other.ask((api) => put(api, '/only here', LATER))
    network.heal()
    await clock.sleep(10 * MINUTE_MS)
    await refused(other, (api) => api.leaveVolume('main'), 'not-placed', /of the changes made here/)
    await other.ask((api) => api.leaveVolume('main', { force: true }))
    await refused(founder, (api) => api.leaveVolume('main'), 'usage', /shoal volume rm main/)
    assert.equal(await founder.ask((api) => textOf(api, '/file')), MAIN)
  })
})

test('what is mounted is unmounted, and what goes on in the volume ends', async () => {
  await withTwoVolumes(6, async (node, { clock }) => {
    await node.ask((api) => api.mount('/mount', { volume: 'main' }))
    await node.ask((api) => api.mount('/other', { volume: 'other' }))
    const writes = Array.from({ length: 20 }, (_, file) =>
      node.ask((api) => put(api, `main:/${file}`, `${file} ${LATER}`)).catch(() => undefined),
    )
    await node.ask((api) => api.removeVolume('main', { now: true }))
    await Promise.all(writes)
    const mounts = await node.ask((api) => api.listMounts())
    assert.deepEqual(
      mounts.map(({ folder }) => folder),
      ['/other'],
    )
    await clock.sleep(DAY_MS)
    await assertGone(node)
  })
})
