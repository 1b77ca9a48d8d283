// Shards that others deny are asked of their holder; those that this node doubts, again once more
// is said.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { KIB } from '../../../protocol/units.ts'
import { Doubts } from '../../../node/repair/doubts.ts'
import { peerOf } from '../stripes/peer-group.ts'
import { scenario, shardOf, stripeOf } from '../peers/shard-swarm.ts'
import { PlainMap } from './plain-map.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { ShardSwarm } from '../peers/shard-swarm.ts'

const STRIPE = stripeOf(1, 600 * KIB, 2, 1)
const LIAR = peerOf(9)

describe('a shard that is denied by a member', () => {
  scenario('and is shown changes nothing, and is known of who said so', async (swarm) => {
    const { doubted, map, refuted, event } = await doubting(swarm)
    assert.equal(doubted.changed(event), true)
    assert.equal(doubted.changed(event), false)
    await doubted.run(swarm.signal)
    assert.deepEqual([map.recorded, refuted], [[], [LIAR]])
  })

  scenario('and is not there does not count any more', async (swarm) => {
    const { doubted, map, refuted, event } = await doubting(swarm)
    swarm.holder.store.shards.delete(STRIPE.id, 0)
    doubted.changed(event)
    await doubted.run(swarm.signal)
    assert.deepEqual([map.stripe(STRIPE.id)?.holders[0], refuted], [[], []])
  })

  scenario('is asked again when something is said of the stripe', async (swarm) => {
    const { doubted, map, refuted } = await doubting(swarm)
    const said = { kind: 'shards', stripe: STRIPE.id } as const
    assert.equal(doubted.changed(said), false)
    map.disbelieve({ stripe: STRIPE.id, index: 0, peer: swarm.self })
    assert.equal(doubted.changed(said), true)
    await doubted.run(swarm.signal)
    assert.deepEqual(map.stripe(STRIPE.id)?.holders[0], [swarm.self])
    assert.deepEqual(refuted, [])
    assert.equal(doubted.changed(said), false)
  })
})

/**
 * A peer with a shard of the stripe that looks into what is said of another, whom the map ascribes
 * the first.
 */
async function doubting(swarm: ShardSwarm): Promise<{
  doubted: Doubts
  map: PlainMap
  refuted: (PeerId | undefined)[]
  event: Parameters<Doubts['changed']>[0]
}> {
  const map = new PlainMap()
  const { client, network, random, clock } = await swarm.asker('doubting', 'writer')
  await client.put(swarm.self, shardOf(STRIPE, 0), { signal: swarm.signal })
  map.add(STRIPE, [[swarm.self], [network.self], []])
  const refuted: (PeerId | undefined)[] = []
  const onRefuted = (by: PeerId | undefined): void => void refuted.push(by)
  const store = { shards: { indices: () => [1] } } as unknown as ShardSwarm['holder']['store']
  const doubted = new Doubts({ map, store, client, network, clock, random, onRefuted })
  const shards = [{ index: 0, peer: swarm.self }]
  return { doubted, map, refuted, event: { kind: 'doubted', stripe: STRIPE.id, shards, by: LIAR } }
}
