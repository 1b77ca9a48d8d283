// The blame for a loss: the checks of the storage simulation see the losses they are for.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodePointers, shardKey } from '../../node/store/keys.ts'
import { stripeIdFromCid, encodeCid, CODEC_DAG_CBOR, MULTIHASH_BLAKE3 } from '../../protocol/ids.ts'
import { Truth } from '../../simulations/storage/truth.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'

const HOUR = 3_600_000
const PEERS = ['a', 'b', 'c', 'd', 'e', 'f'] as PeerId[]
const [A, B, C, D, E] = PEERS as [PeerId, PeerId, PeerId, PeerId, PeerId]
const STRIPE = stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, new Uint8Array(32)))

/**
 * A stripe of 3+2 on five of six machines, losses of which are repaired within ten hours, at worst.
 */
class Case {
  nowMs = 0
  isAscribed = true
  readonly breaches: string[] = []
  readonly lost: StripeId[] = []
  readonly truth = new Truth({
    nowMs: () => this.nowMs,
    repairMs: () => 10 * HOUR,
    isAscribed: () => this.isAscribed,
    onLost: (stripe) => this.lost.push(stripe),
    onBreach: ({ invariant }) => this.breaches.push(invariant),
    onMoved: () => undefined,
  })

  constructor() {
    for (const peer of PEERS) this.truth.addMachine(peer)
    this.truth.addStripe(STRIPE, { k: 3, m: 2 })
    for (const [index, peer] of PEERS.slice(0, 5).entries()) this.holds(peer, [index])
    this.truth.promise(STRIPE)
  }

  /** Sets the entries of the stripe in a machine's index. */
  holds(peer: PeerId, indices: readonly number[], segment = 1): void {
    const value = encodePointers(
      indices.map((index) => ({
        index,
        address: { segment, offset: 100 * index, length: 50 },
        prefixBytes: 10,
      })),
    )
    const key = shardKey(STRIPE)
    this.truth.written(peer, [
      indices.length > 0 ? { kind: 'put', key, value } : { kind: 'delete', key },
    ])
  }

  after(hours: number, what: () => void): void {
    this.nowMs += hours * HOUR
    what()
  }
}

describe('the truth about shards', () => {
  test('the loss of three of five within the time of a repair is excused', () => {
    const it = new Case()
    it.truth.died(A)
    it.after(4, () => it.truth.died(B))
    assert.deepEqual(it.truth.missing(STRIPE), [0, 1])
    it.after(5, () => it.truth.died(C))
    assert.deepEqual([it.lost, it.breaches], [[STRIPE], []])
    assert.deepEqual([it.truth.lostCount, it.truth.promised()], [1, []])
  })

  test('the loss of three is a breach if the first should have been repaired', () => {
    const it = new Case()
    it.truth.died(A)
    it.after(11, () => it.truth.died(B))
    it.after(1, () => it.truth.died(C))
    assert.deepEqual(it.breaches, ['placed stripes are lost only with more than m shards at once'])
  })

  test('a rebuilt shard is not lost, wherever it lies', () => {
    const it = new Case()
    it.truth.died(A)
    it.after(11, () => it.holds('f' as PeerId, [0]))
    it.truth.died(B)
    it.truth.died(C)
    assert.deepEqual([it.lost, it.breaches, it.truth.missing(STRIPE)], [[], [], [1, 2]])
  })

  test('a shard that is damaged, or at a liar, is missing', () => {
    const it = new Case()
    it.truth.damage(D, STRIPE, 3)
    it.truth.lies(E)
    assert.deepEqual(it.truth.missing(STRIPE), [3, 4])
    it.holds(E, [4, 0])
    assert.deepEqual([...it.truth.holders(STRIPE, 0)], [A], 'what a liar is given it does not have')
    it.truth.died(A)
    assert.equal(it.truth.lostCount, 1)
  })

  test('a damaged shard stays damaged through compaction, until it is found so and mended', () => {
    const it = new Case()
    it.truth.damage(D, STRIPE, 3)
    it.holds(D, [3], 2)
    assert.deepEqual(it.truth.missing(STRIPE), [3])
    it.truth.mend(D, STRIPE, 3)
    assert.deepEqual(it.truth.missing(STRIPE), [])
  })

  test('the only copy of a shard is not dropped, unless the map is about to ascribe it', () => {
    const it = new Case()
    it.holds(A, [])
    assert.deepEqual(it.breaches, [])
    it.isAscribed = false
    it.holds(B, [])
    assert.deepEqual(it.breaches, ['nothing is dropped before its replacement is durable'])
  })

  test('a copy is dropped when another peer holds it, and any copy when nobody needs it', () => {
    const it = new Case()
    it.isAscribed = false
    it.holds('f' as PeerId, [0])
    it.holds(A, [])
    it.truth.release(STRIPE)
    it.holds(B, [])
    assert.deepEqual([it.breaches, it.truth.promised()], [[], []])
  })
})
