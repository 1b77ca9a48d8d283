// Whole nodes on simulated machines, one of which silently loses shards from its store: it notices
// when others request them, or the others find out by audits; and the shards are rebuilt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalBytes } from '../../../protocol/bytes.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { STRIPE_DATA_TARGET } from '../../../protocol/limits.ts'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { scrubKey } from '../../../node/store/keys.ts'
import { Store } from '../../../node/store/store.ts'
import { Cluster } from '../../../simulations/cluster.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import type { StripeId } from '../../../protocol/ids.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

const NODES = 4
/** The size of full stripes, which nobody packs anew. */
const FILE_BYTES: number = 3 * STRIPE_DATA_TARGET
/** How it is told in a log: by itself, when it was asked, and by who asked. */
const FOUND = ['scrub.missing', 'audit.shard-missing', 'read.shard-missing']
/**
 * Three failed challenges take two rounds of half an hour between them; then another node repairs.
 */
const FOUND_MS: number = 6 * HOUR_MS

test('shards lost silently by a node are found by audits, and rebuilt', async () => {
  const scheduler = new Scheduler('silent dropper')
  const logged: string[] = []
  const cluster = new Cluster(scheduler, {
    nodeCount: NODES,
    beaconMs: 2 * MINUTE_MS,
    log: (line) => logged.push(line),
  })
  const [admin, ...others] = cluster.nodes as [ClusterNode, ...ClusterNode[]]
  const dropper = others.at(-1) ?? assert.fail()

  const work = async (): Promise<void> => {
    await admin.start()
    await admin.ask((api) => api.createVolume({ name: 'main', settings: { class: 'rs2+1' } }))
    for (const node of others) {
      await node.start()
      const { ticket } = await admin.ask((api) => api.invite({ uses: 1 }))
      await node.ask((api) => api.join(ticket))
    }
    const content = xorshiftBytes(1, FILE_BYTES)
    await admin.ask((api) => api.writeFile('/file', once(content), {}, { ack: 'placed' }))
    await until(cluster, 'all is whole at first', async () => (await lacking(cluster)) === 0)
    const dropped = await dropShards(dropper)
    assert.ok(dropped.length > 0)
    await until(cluster, 'each was found missing, and is held again', async () => {
      const found = logged.filter((line) => FOUND.some((text) => line.includes(text)))
      const isFound = dropped.every((id) => found.some((line) => line.includes(id)))
      return isFound && (await lacking(cluster)) === 0
    })
    const read = await admin.ask((api) => api.readFile('/file'))
    assert.ok(equalBytes(await whole(read.content), content))
    await cluster.stop()
  }
  await scheduler.finish(work(), 2 * FOUND_MS)
})

/**
 * Delete every shard of a node while it is down, and make it believe that it has just looked at all
 * it stores.
 */
async function dropShards(node: ClusterNode): Promise<StripeId[]> {
  await node.stop()
  const { machine } = node
  await machine.restart('killed')
  const { disk, kv } = machine
  const { clock } = machine.world
  const store = await Store.open({ disk, kv, clock })
  const dropped: StripeId[] = []
  for await (const { stripe, index } of store.shards.scan()) {
    store.shards.delete(stripe, index)
    dropped.push(stripe)
  }
  const started = Math.floor(clock.wall())
  const value = encodeCbor({ started, done: 0, phase: '', after: '' })
  await store.commit([{ kind: 'put', key: scrubKey(), value }])
  machine.kill('killed')
  await node.start()
  return dropped
}

/** Stripes that lack a shard, as any node sees it. */
async function lacking({ nodes }: Cluster): Promise<number> {
  let count = 0
  for (const node of nodes) {
    for (const { stripes } of await node.ask((api) => api.listVolumes())) {
      count += stripes.full === 0 ? 1 : stripes.degraded + stripes.atRisk + stripes.lost
    }
  }
  return count
}

async function until(cluster: Cluster, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = cluster.clock.now() + FOUND_MS
  while (!(await isSo())) {
    assert.ok(cluster.clock.now() < end, `not in time: ${what}`)
    await cluster.clock.sleep(MINUTE_MS)
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function whole(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const part of parts) all.push(part)
  return Buffer.concat(all)
}
