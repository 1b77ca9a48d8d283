// The handling of an answer to a joiner's ticket (docs/formats/membership.md#joining).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Tickets } from '../../../node/peers/tickets.ts'
import { Joining } from '../../../node/peers/join.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { JOIN_PROTOCOL, encodeJoinReply } from '../../../protocol/wire/join.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { Cluster } from '../../../simulations/cluster.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { Replica } from '../log/replicas.ts'
import { channelPair, networkOf } from '../log/wires.ts'
import type { VolumeId } from '../../../protocol/ids.ts'
import type { Ticket } from '../../../protocol/membership/ticket.ts'
import type { JoinReply } from '../../../protocol/wire/join.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Clock } from '../../../node/world/world.ts'

/** More entries than a node keeps beside a checkpoint. */
const FOLDERS = 40

describe('joining', () => {
  test('a used ticket lets the same peer ask again, nobody else, and no removed peer', async () => {
    const scheduler = new Scheduler(1)
    const cluster = new Cluster(scheduler, { nodeCount: 3 })
    const conduct = async (): Promise<void> => {
      await Promise.all(cluster.nodes.map((node) => node.start()))
      const [founder, joiner, other] = cluster.nodes
      assert(founder !== undefined && joiner !== undefined && other !== undefined)
      const { ticket } = await founder.ask((api) => api.invite({ uses: 1 }))
      const join = async (node: ClusterNode): Promise<unknown> =>
        await node.ask((api) => api.join(ticket))
      await join(joiner)
      const refused = { code: 'unreachable', message: /used up/ }
      await assert.rejects(join(other), refused)
      await join(joiner)
      await founder.ask((api) => api.removePeer(joiner.peer))
      await assert.rejects(join(joiner), refused)
      // While another ticket is out, it is told which of the reasons it is.
      await founder.ask((api) => api.invite({ uses: 1 }))
      await assert.rejects(join(other), { code: 'ticket-used' })
      await cluster.stop()
    }
    await scheduler.finish(conduct(), HOUR_MS)
  })

  test('a joiner by an admin whose clock is hours ahead can write at once', async () => {
    await joinedBy(2 * HOUR_MS, async (joiner) => {
      await joiner.ask((api) => api.makeFolder('/mine'))
    })
  })

  test('a joiner by an admin whose clock is days ahead is told that it has no rights yet', async () => {
    await joinedBy(2 * DAY_MS, async (joiner, clock) => {
      const make = (): Promise<void> => joiner.ask((api) => api.makeFolder('/mine'))
      await assert.rejects(make(), { code: 'ESTALE', message: /has joined.*try again later/ })
      joiner.machine.wallError.jump(2 * DAY_MS)
      await clock.sleep(2 * MINUTE_MS)
      await make()
    })
  })

  test('one that gets neither the log nor a checkpoint is told so, and may ask again at once', async () => {
    const scheduler = new Scheduler(3)
    const checkpoints = { entries: 16, everyMs: HOUR_MS }
    const cluster = new Cluster(scheduler, { nodeCount: 2, checkpoints })
    const conduct = async (): Promise<void> => {
      const [founder, joiner] = cluster.nodes
      assert(founder !== undefined && joiner !== undefined)
      await Promise.all(cluster.nodes.map((node) => node.start()))
      const { ticket } = await founder.ask((api) => api.invite({ uses: 1 }))
      for (let n = 0; n < FOLDERS; n++) {
        await founder.ask((api) => api.makeFolder(`/${n}`))
        await cluster.clock.sleep(MINUTE_MS)
      }
      // Its log is dropped by then.
      await cluster.clock.sleep(3 * HOUR_MS)
      const { random } = founder.machine.world
      random.unlucky = (site) => site === 'checkpoint.refused'
      const join = async (): Promise<unknown> => await joiner.ask((api) => api.join(ticket))
      const refused = { code: 'unreachable', message: /no checkpoint.*join again/ }
      for (let asks = 0; asks < 3; asks++) await assert.rejects(join(), refused)
      random.unlucky = () => false
      await join()
      let count = 0
      await joiner.ask(async (api) => {
        for await (const page of api.list('/')) count += page.length
      })
      assert.equal(count, FOLDERS)
      await cluster.stop()
    }
    await scheduler.finish(conduct(), 10 * HOUR_MS)
  })

  test('an answer for another volume than that of the ticket is refused', async () => {
    const admin = await Replica.founder('admin')
    const joiner = await Replica.open('joiner')
    const reply = await admin.volumes.admit(admin.volume.id, joiner.identity.peer, 'writer')
    const ask = async (volume: VolumeId): Promise<JoinReply> => {
      const [here, there] = channelPair(joiner.identity.peer, admin.identity.peer, JOIN_PROTOCOL)
      await there.send([encodeJoinReply(reply)], { signal: new AbortController().signal })
      const network = networkOf(joiner.identity.peer, {
        dial: async () => admin.identity.peer,
        open: async () => here,
        disconnect: async () => undefined,
      })
      const { clock } = joiner
      const world = { clock, network, random: new SeededRandom(1, 'j') }
      const joining = new Joining({
        world,
        tickets: new Tickets({ kv: MemoryKv.open(), clock }),
        record: () => undefined,
        admit: () => Promise.reject(new Error('it asks, and is not asked')),
        isMember: () => false,
        wasRemoved: () => false,
      })
      const ticket: Ticket = {
        volume,
        addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${admin.identity.peer}`],
        role: 'writer',
        expires: (clock.wall() + 1000) as WallTime,
        uses: 1,
        secret: new Uint8Array(16),
      }
      return (await joining.ask(ticket)).reply
    }
    await assert.rejects(ask('ab'.repeat(32) as VolumeId), { code: 'malformed' })
    assert.deepEqual(encodeJoinReply(await ask(admin.volume.id)), encodeJoinReply(reply))
  })
})

/** A node joins by an admin whose clock is ahead by this much. */
async function joinedBy(
  aheadMs: number,
  run: (joiner: ClusterNode, clock: Clock) => Promise<void>,
): Promise<void> {
  const scheduler = new Scheduler(2)
  const cluster = new Cluster(scheduler, { nodeCount: 2 })
  const conduct = async (): Promise<void> => {
    await Promise.all(cluster.nodes.map((node) => node.start()))
    const [founder, joiner] = cluster.nodes
    assert(founder !== undefined && joiner !== undefined)
    const { ticket } = await founder.ask((api) => api.invite({ expiresInMs: 7 * DAY_MS }))
    founder.machine.wallError.jump(aheadMs)
    await joiner.ask((api) => api.join(ticket))
    await run(joiner, cluster.clock)
    await cluster.stop()
  }
  await scheduler.finish(conduct(), HOUR_MS)
}
