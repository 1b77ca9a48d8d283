// The holders that a read asks, in which order, and the cost of one that does not answer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, equalBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { KIB } from '../../../protocol/units.ts'
import { HEDGE_MS, StripeRead } from '../../../node/stripes/stripe-read.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { PlainMap } from '../repair/plain-map.ts'
import { VOLUME, stripeOf } from '../peers/shard-swarm.ts'
import { temporaryHome } from '../store/fixtures.ts'
import { ManualClock } from './manual-clock.ts'
import { peerOf } from './peer-group.ts'
import type { TestContext } from 'node:test'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const STRIPE = stripeOf(1, 900 * KIB, 2, 2)
const SELF = peerOf(9)
const [D0, D1, P0, P1] = [peerOf(0), peerOf(1), peerOf(2), peerOf(3)]
const HOLDERS = [[D0], [D1], [P0], [P1]]
const { signal } = new AbortController()

describe('a read of a stripe', () => {
  test('asks only the holders of the data when all answer', async (t) => {
    const swarm = await Swarm.open(t)
    await swarm.read()
    assert.deepEqual(new Set(swarm.asked), new Set([D0, D1]))
  })

  test('asks nobody when k shards are here, be they of data or parity', async (t) => {
    const swarm = await Swarm.open(t)
    await swarm.hold(2)
    await swarm.hold(3)
    await swarm.read()
    assert.deepEqual(swarm.asked, [])
  })

  test('asks a holder that seems away last, and waits for nothing', async (t) => {
    const swarm = await Swarm.open(t)
    swarm.away.add(D0)
    await swarm.read()
    assert.equal(swarm.clock.now(), 0)
    assert.ok(!swarm.asked.includes(D0))
  })

  test('decodes from the holders that answer soonest', async (t) => {
    const swarm = await Swarm.open(t)
    swarm.away.add(D0)
    swarm.expectedMs.set(P0, 200)
    await swarm.read()
    assert.deepEqual(new Set(swarm.asked), new Set([D1, P1]))
  })

  test('takes one hedge for a holder that hangs', async (t) => {
    const swarm = await Swarm.open(t)
    swarm.hung.add(D0)
    const read = swarm.read()
    await swarm.until(() => swarm.asked.length >= 2)
    swarm.clock.advance(HEDGE_MS)
    await read
    assert.equal(swarm.clock.now(), HEDGE_MS)
  })

  test('asks a holder that seems away when nobody else has the bytes', async (t) => {
    const swarm = await Swarm.open(t)
    for (const peer of [D0, D1]) swarm.away.add(peer)
    await swarm.read([[D0], [D1], [], []])
    assert.deepEqual(new Set(swarm.asked), new Set([D0, D1]))
  })

  test('reports a holder that has no such shard, or a damaged one', async (t) => {
    const swarm = await Swarm.open(t)
    swarm.answers.set(D0, 'ENOENT')
    swarm.answers.set(D1, 'corrupt')
    await swarm.read()
    assert.deepEqual(new Set(swarm.bad), new Set([`0 ${D0} absent`, `1 ${D1} wrong`]))
  })
})

/** Four holders of one shard each, and a reader with none. */
class Swarm {
  readonly clock = new ManualClock()
  readonly asked: PeerId[] = []
  readonly bad: string[] = []
  readonly away: Set<PeerId> = new Set()
  /** They never answer. */
  readonly hung: Set<PeerId> = new Set()
  readonly answers: Map<PeerId, ErrorCode> = new Map()
  readonly expectedMs: Map<PeerId, number> = new Map()
  readonly #store: Store

  private constructor(store: Store) {
    this.#store = store
  }

  static async open(t: TestContext): Promise<Swarm> {
    const disk = new SystemDisk(await temporaryHome(t))
    const store = await Store.open({ disk, kv: MemoryKv.open(), clock: new ManualClock() })
    t.after(() => store.close())
    return new Swarm(store)
  }

  /** The reader has a shard itself. */
  async hold(index: number): Promise<void> {
    const shard = STRIPE.shards[index] ?? assert.fail()
    await this.#store.shards.put(STRIPE.id, index, STRIPE.headerBytes, shard)
    await this.#store.commit([])
  }

  /** Read the first chunk, which lies in both data shards, and check it. */
  async read(holders: readonly (readonly PeerId[])[] = HOLDERS): Promise<void> {
    const map = new PlainMap()
    map.add(STRIPE, holders)
    const unused = (): never => assert.fail('not asked for')
    const parts = {
      store: this.#store,
      map,
      network: { self: SELF, peers: () => [D0, D1, P0, P1], find: unused },
      clock: this.clock,
      random: { unlucky: () => false },
      volume: VOLUME,
      isOnline: (peer: PeerId) => !this.away.has(peer),
      onBadShard: (_stripe: string, index: number, holder: PeerId, found: string) =>
        this.bad.push(`${index} ${holder} ${found}`),
      client: {
        have: unused,
        chunk: unused,
        expectedMs: (peer: PeerId) => this.expectedMs.get(peer) ?? 0,
        get: (peer: PeerId, { index, offset, length }: Range) =>
          this.#get(peer, index, offset, length),
      },
    }
    const bytes = await new StripeRead(parts, STRIPE).chunk(0, holders, { proof: false, signal })
    const data = concatBytes(STRIPE.shards.slice(0, 2))
    assert.ok(equalBytes(bytes, data.subarray(0, bytes.length)))
    assert.ok(bytes.length > STRIPE.header.shardBytes)
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
  }

  async #get(
    peer: PeerId,
    index: number,
    offset: number,
    length: number,
  ): Promise<{ bytes: Uint8Array; proof: readonly Uint8Array[] }> {
    this.asked.push(peer)
    if (this.hung.has(peer)) return new Promise(() => undefined)
    const code = this.answers.get(peer)
    if (code !== undefined) throw new ShoalError(code, `${peer} answers`)
    const shard = STRIPE.shards[index] ?? assert.fail()
    return { bytes: shard.subarray(offset, offset + length), proof: [] }
  }
}

interface Range {
  readonly index: number
  readonly offset: number
  readonly length: number
}
