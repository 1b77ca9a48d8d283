// Checkpoint fetches from peers that may be wrong, and the leftovers of aborted fetches.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { governedHere } from '../../../node/checkpoint/announcement.ts'
import { setImmediate as turn } from 'node:timers/promises'
import { TreeNodes } from '../../../node/state/checkpoint-view.ts'
import { treeKeys, treesOf } from '../../../node/log/volume-trees.ts'
import { summaryOf } from '../../../node/log/log-summary.ts'
import { Swarm } from '../../../node/sync/swarm.ts'
import { fromHex } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { childrenOf, nodeHash } from '../../../protocol/prolly/prolly.ts'
import { encodeNode, itemBytes } from '../../../protocol/prolly/node.ts'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import {
  CHECKPOINT_PROTOCOL,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../../protocol/wire/checkpoint.ts'
import { encodeLogMessage } from '../../../protocol/wire/log.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, checkpointServer, fetchCheckpoint } from './machines.ts'
import { Replica, forgeOps } from './replicas.ts'
import { channelPair, networkOf } from './wires.ts'
import type { Checkpoint } from '../../../node/replica/kept-checkpoint.ts'
import type { Channel, World } from '../../../node/world/world.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import type { CheckpointMessage } from '../../../protocol/wire/checkpoint.ts'

const options = { signal: new AbortController().signal }

/** One with a checkpoint of some nodes. */
async function holder(): Promise<{ a: Replica; checkpoint: Checkpoint }> {
  const a = await Replica.founder('a')
  for (let n = 0; n < 2000; n++) a.write(`f${n}`, 'x'.repeat(200))
  await a.volume.commit()
  const machine = new Machine(a)
  await machine.makeCheckpoint()
  await machine.checkpoints.stop()
  const { checkpoint } = a.volume
  assert.ok(checkpoint !== undefined, machine.notes.join())
  return { a, checkpoint }
}

/** Serves any node that is asked for out of a map, as of a checkpoint with this root. */
function serveNodes(
  by: Replica,
  root: NodeHash,
  nodes: ReadonlyMap<NodeHash, Uint8Array>,
  asked: NodeHash[],
): (channel: Channel) => Promise<void> {
  const { volume } = by
  const [hlc, vector, governed] = [volume.actors.hlc, volume.actors.vector(), governedHere(volume)]
  const cut = { hlc, vector, held: vector, before: undefined, governed }
  const op = { kind: 'checkpoint', ...cut, clear: root, sealed: undefined } as const
  const announcement = forgeOps(by, [op], true)
  return async (channel) => {
    const send = (message: CheckpointMessage): Promise<void> =>
      channel.send([encodeCheckpointMessage(message)], options)
    await channel.receive(options)
    await send({ kind: 'checkpoint', announcement, attestations: [] })
    for (;;) {
      const message = decodeCheckpointMessage((await channel.receive(options)) ?? new Uint8Array())
      assert.ok(message.kind === 'want')
      asked.push(...message.ids)
      await send({ kind: 'nodes', nodes: message.ids.map((id) => nodes.get(id)) })
    }
  }
}

async function nodesOf({ volume }: Replica): Promise<Set<NodeHash>> {
  const ids = new Set<NodeHash>()
  for (const part of ['clear', 'sealed'] as const)
    for await (const [id] of new TreeNodes(volume.view, part).all()) ids.add(id)
  return ids
}

describe('a checkpoint fetch', () => {
  test('a checkpoint fetch stops at a node that is not one level below its parent', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const key = treeKeys(a.volume).clear
    const nodes = new Map<NodeHash, Uint8Array>()
    // A chain: each node names the one before, all of them of level 1.
    let child = nodeHash(key, Buffer.from('the end'))
    for (let n = 0; n < 200; n++) {
      const value = fromHex(child)
      const bytes = encodeNode(1, ['k'], [value], itemBytes(1, 'k', value))
      child = nodeHash(key, bytes)
      nodes.set(child, bytes)
    }
    const asked: NodeHash[] = []
    await assert.rejects(fetchCheckpoint(b, a, serveNodes(a, child, nodes, asked)), {
      code: 'corrupt',
    })
    assert.equal(asked.length, 2)
  })

  test('an aborted fetch leaves nothing for good, and no node without its children', async () => {
    const { a, checkpoint } = await holder()
    const b = await a.member('b')
    const serve = await checkpointServer(a)
    let answers = 0
    const breaking = (channel: Channel): Promise<void> =>
      serve({
        ...channel,
        peer: channel.peer,
        receive: () => channel.receive(options),
        abort: (error) => channel.abort(error),
        close: () => channel.close(),
        send: async (parts) => {
          if (++answers > 4) throw new ShoalError('unreachable', 'broken off')
          await channel.send(parts, options)
        },
      })
    const take = async (): Promise<boolean> => {
      await fetchCheckpoint(b, a, breaking)
      return true
    }
    await assert.rejects(b.volume.orphanNodes.fetch(take), { code: 'unreachable' })
    await b.volume.commit()
    const left = await nodesOf(b)
    assert.ok(left.size > 0)

    const after = await b.reopen()
    after.clock.advance(a.clock.wall() - after.clock.wall())
    const { volume } = after
    let commits = 0
    const sweep = (commit = (): Promise<void> => volume.commit()): Promise<void> =>
      volume.orphanNodes.sweep({
        trees: treesOf(volume),
        kept: [],
        commit: () => commit().then(() => void commits++),
        clock: instant(after.clock),
        ...options,
      })
    await sweep()
    assert.deepEqual(await nodesOf(after), left, 'another fetch may go on with them')
    after.clock.advance(HOUR_MS)
    await sweep()
    assert.ok(commits > 0)
    assert.equal((await nodesOf(after)).size, 0)
    commits = 0
    await sweep()
    assert.equal(commits, 0, 'there is nothing left to look for')
    await fetchCheckpoint(after, a, serve)
    assert.deepEqual(await nodesOf(after), await nodesOf(a))
    assert.ok(checkpoint.sealed !== undefined)
  })
})

describe('a sweep of orphan nodes', () => {
  test('a sweep keeps what the checkpoint reaches, and stops when a fetch begins', async () => {
    const { a, checkpoint } = await holder()
    const { volume } = a
    const kept = await nodesOf(a)
    const nodes = new TreeNodes(volume.view, 'sealed')
    const orphans: NodeHash[] = []
    await volume.orphanNodes.fetch(async () => {
      let below = nodeHash(treeKeys(volume).sealed, Buffer.from('none'))
      for (let n = 0; n < 200; n++) {
        const level = n % 60
        const value = level === 0 ? Buffer.from(String(n)) : fromHex(below)
        const bytes = encodeNode(level, ['k'], [value], itemBytes(level, 'k', value))
        below = nodeHash(treeKeys(volume).sealed, bytes)
        nodes.put(below, bytes)
        orphans.push(below)
      }
      return false
    })
    await volume.commit()
    a.clock.advance(HOUR_MS)
    const sweep = (commit: () => Promise<void>): Promise<void> =>
      volume.orphanNodes.sweep({
        trees: treesOf(volume),
        kept: [checkpoint],
        commit,
        clock: instant(a.clock),
        ...options,
      })
    const fetched = Promise.withResolvers<boolean>()
    let fetching: Promise<boolean> | undefined
    await sweep(async () => {
      fetching ??= volume.orphanNodes.fetch(() => fetched.promise)
      await volume.commit()
    })
    const left = orphans.filter((id) => nodes.get(id) !== undefined)
    assert.ok(left.length > 0 && left.length < orphans.length)
    for (const id of left) {
      for (const child of childrenOf(nodes.get(id) ?? new Uint8Array()))
        assert.ok(nodes.get(child) !== undefined, 'all below a node is here')
    }
    fetched.resolve(true)
    await fetching
    await sweep(() => volume.commit())
    assert.ok(
      orphans.some((id) => nodes.get(id) !== undefined),
      'not so soon',
    )
    a.clock.advance(HOUR_MS)
    await sweep(() => volume.commit())
    assert.deepEqual(await nodesOf(a), kept)
    assert.equal((await a.names()).length, 2000)
  })
})

test('a peer whose checkpoint brings nothing new is asked for it ever more rarely', async () => {
  const { a } = await holder()
  const b = await a.member('b')
  const peer = b.identity.peer
  const serve = await checkpointServer(a)
  const opened = { log: 0, checkpoint: 0 }
  const open = async (_peer: unknown, protocol: string): Promise<Channel> => {
    const [here, there] = channelPair(a.identity.peer, peer, protocol)
    if (protocol === CHECKPOINT_PROTOCOL) {
      opened.checkpoint++
      serve(there).catch((error: Error) => there.abort(error))
      return here
    }
    opened.log++
    const log = summaryOf(b.volume)
    const hello = { kind: 'hello', volume: a.volume.id, log } as const
    const rest = [{ kind: 'truncated' }, { kind: 'done' }, { kind: 'durable', log }] as const
    for (const message of [hello, ...rest]) await there.send([encodeLogMessage(message)], options)
    return here
  }
  const world: World = {
    clock: instant(a.clock),
    random: new SeededRandom(1, 'swarm'),
    network: networkOf(a.identity.peer, { open }),
    disk: undefined as never,
    tiers: undefined as never,
  }
  const swarm = new Swarm({
    world,
    volumes: a.volumes,
    joining: { isOpen: () => false } as never,
    detector: { heard: () => undefined, hungUp: () => undefined },
    freeBytes: () => 0,
    beaconMs: 1000,
    checkpoints: { entries: Infinity, everyMs: Infinity },
    onPeersChanged: () => undefined,
    log: () => undefined,
  })
  const sync = async (): Promise<number> => {
    opened.log = opened.checkpoint = 0
    swarm.syncSoon(a.volume, peer)
    for (let n = 0; n < 300; n++) await turn()
    assert.ok(opened.log > 0 && opened.log < 5, `${opened.log} exchanges`)
    return opened.checkpoint
  }
  assert.equal(await sync(), 1)
  assert.equal(await sync(), 0)
  a.clock.advance(MINUTE_MS)
  assert.equal(await sync(), 1)
  a.clock.advance(MINUTE_MS)
  assert.equal(await sync(), 0, 'twice as long now')
  a.clock.advance(MINUTE_MS)
  assert.equal(await sync(), 1)
})
