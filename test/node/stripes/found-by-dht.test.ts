// A reader whose shard map names no holder at all finds a chunk through the DHT alone: with one
// holder and among fifty simulated nodes, among real ones, and whether stripes are announced one by
// one or by placement group.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, equalBytes } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { KIB, MINUTE_MS } from '../../../protocol/units.ts'
import { ProviderAnnouncer } from '../../../node/stripes/provider-announcer.ts'
import { ChunkFetcher } from '../../../node/stripes/chunk-fetcher.ts'
import { ShardServer } from '../../../node/peers/shard-protocol-server.ts'
import { ShardClient } from '../../../node/peers/shards.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { SimulatedNetwork } from '../../../simulations/network.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { Machine } from '../../../simulations/world.ts'
import { clock, deadline, startNetwork, temporaryFolder, until } from '../network/started.ts'
import { PlainMap } from '../repair/plain-map.ts'
import { signAnything } from '../peers/shard-swarm.ts'
import { VOLUME, stripeOf } from '../peers/shard-swarm.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { Kv } from '../../../node/store/kv.ts'
import type { Clock, Disk, Network } from '../../../node/world/world.ts'

const STRIPE = stripeOf(1, 900 * KIB, 4, 2)
const COPIES = stripeOf(2, 200 * KIB, 1, 1)

/** A node that serves shards. */
interface Peer {
  readonly network: Network
  readonly clock: Clock
  readonly store: Store
}

describe('a chunk found by the DHT alone', () => {
  for (const stripesMax of [1000, 0]) {
    const how = stripesMax === 0 ? 'placement groups' : 'stripes'
    test(`a chunk is found by the DHT from one holder that announces ${how}`, () =>
      simulate(COPIES, 2, stripesMax))
    test(`a chunk is found by the DHT among fifty nodes, where holders announce ${how}`, () =>
      simulate(STRIPE, 50, stripesMax))
  }

  test('a chunk that nobody has announced is unavailable, and the error says so', async () => {
    const reading = simulate(COPIES, 2, undefined)
    await assert.rejects(reading, (error) => hasCode(error, 'chunk-unavailable'))
  })

  test('a chunk is found by the DHT among real nodes', async (t) => {
    const peers: Peer[] = []
    for (let n = 0; n < 1 + STRIPE.shards.length; n++) {
      const disk = new SystemDisk(await temporaryFolder(t))
      const network = await startNetwork(t, `peer ${n}`)
      const peer = await serve({ network, clock, disk, kv: MemoryKv.open() })
      t.after(() => peer.store.close())
      peers.push(peer)
    }
    await connect(peers)
    const [reader, ...holders] = peers
    assert.ok(reader !== undefined)
    const announcers = await hold(holders, STRIPE, 1000)
    // Until all have found each other, some are told nothing.
    await until(deadline(), async () => {
      for (const announcer of announcers) announcer.add(STRIPE.id)
      return isFound(reader, STRIPE).catch(() => false)
    })
  })
})

/**
 * Have the last of `count` nodes hold and announce the shards of a stripe, and the first read a
 * chunk of it.
 */
async function simulate(
  stripe: CodedStripe,
  count: number,
  stripesMax: number | undefined,
): Promise<void> {
  const scheduler = new Scheduler(`${count} ${stripesMax}`)
  const network = new SimulatedNetwork(scheduler)
  const machines = Array.from(
    { length: count },
    (_, n) => new Machine({ scheduler, network }, { name: `node ${n}` }),
  )
  const work = async (): Promise<void> => {
    const peers: Peer[] = []
    for (const { world, disk, kv } of machines) {
      peers.push(await serve({ ...world, disk, kv }))
      await world.network.start()
    }
    await connect(peers)
    const [reader, ...others] = peers
    assert.ok(reader !== undefined)
    const announcers = await hold(others.slice(-stripe.shards.length), stripe, stripesMax)
    if (stripesMax !== undefined) for (const announcer of announcers) announcer.add(stripe.id)
    await new Promise<void>((resolve) => void scheduler.after(MINUTE_MS, 'test', resolve))
    assert.ok(await isFound(reader, stripe))
  }
  await scheduler.finish(work(), 60 * MINUTE_MS)
}

async function serve(parts: {
  readonly network: Network
  readonly clock: Clock
  readonly disk: Disk
  readonly kv: Kv
}): Promise<Peer> {
  const { network, clock } = parts
  const store = await Store.open(parts, { reserveBytes: 0 })
  const hooks = { accessTo: () => new PlainMap(), sign: signAnything }
  await new ShardServer({ network, clock, store }, hooks).start()
  return { network, clock, store }
}

/** Each with the one that a heap has above it, so that all are connected by way of others. */
async function connect(peers: readonly Peer[]): Promise<void> {
  const { signal } = new AbortController()
  for (const [n, { network }] of peers.entries()) {
    const above = peers[Math.floor((n - 1) / 2)]
    if (above !== undefined) await network.dial(above.network.addresses(), { signal })
  }
}

/** Give each a shard. returns who announces them. */
async function hold(
  holders: readonly Peer[],
  { id, header, headerBytes, shards }: CodedStripe,
  stripesMax = 1000,
): Promise<ProviderAnnouncer[]> {
  const map = new PlainMap()
  map.add(
    { id, header, headerBytes, shards },
    holders.map(({ network }) => [network.self]),
  )
  for (const [index, { store }] of holders.entries()) {
    await store.shards.put(id, index, headerBytes, shards[index] ?? assert.fail())
    await store.commit([])
  }
  return holders.map(
    (peer) =>
      new ProviderAnnouncer({ ...peer, map, volume: VOLUME, log: () => undefined }, { stripesMax }),
  )
}

/** Read the first chunk by a map that knows the stripe, and nobody who holds it. */
async function isFound(reader: Peer, stripe: CodedStripe): Promise<boolean> {
  const { network, clock } = reader
  const map = new PlainMap()
  map.add(
    stripe,
    stripe.shards.map(() => []),
  )
  const fetcher = new ChunkFetcher({
    ...reader,
    map,
    random: new SeededRandom(1, 'reader'),
    client: new ShardClient({ network, clock }, { volume: VOLUME }),
    volume: VOLUME,
    isOnline: (peer) => network.peers().includes(peer),
    onBadShard: () => undefined,
  })
  const [chunk] = stripe.header.chunks
  assert.ok(chunk !== undefined)
  const { signal } = new AbortController()
  const read = await fetcher.fetch(chunk.id, { hints: [], signal })
  const data = concatBytes(stripe.shards.slice(0, stripe.header.k))
  return equalBytes(read, data.subarray(0, chunk.length))
}
