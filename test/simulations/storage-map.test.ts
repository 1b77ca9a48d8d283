// The shard map of the storage simulation says what that of a node says:
// node/shard-map/stripe-table.ts, for the same ops.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertNever } from '../../protocol/errors.ts'
import { makeStamp } from '../../protocol/clock/dot.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../protocol/ids.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import { blake3 } from '../../protocol/hash.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import { StateView } from '../../node/state/state-view.ts'
import { StripeTable } from '../../node/shard-map/stripe-table.ts'
import { MemoryKv } from '../../node/store/memory-kv.ts'
import { SIMULATION_START } from '../../simulations/clock.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { MapLog } from '../../simulations/storage/map-log.ts'
import { MapTable } from '../../simulations/storage/map-table.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { Receipt } from '../../protocol/stripe/receipt.ts'
import type { StripeOp } from '../../node/shard-map/stripe-table.ts'
import type { MapEntry, MapOp } from '../../simulations/storage/map-log.ts'

const PEERS = Array.from({ length: 5 }, (_, i) =>
  peerIdFromPublicKey(new Uint8Array(32).fill(i + 1)),
)
const ACTOR = 'ab'.repeat(16) as ActorId
const random = new SeededRandom(1, 'storage map test')
const STRIPES = Array.from({ length: 4 }, () => {
  const bytes = random.bytes(300)
  const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
  return codeStripe([{ id, bytes }], 2, 1)
})

describe('the shard map of the storage simulation', () => {
  for (const seed of ['1', '2', '3', '4']) {
    test(`agrees with that of a node after each of 300 ops: seed ${seed}`, async () => {
      const chance = new SeededRandom(seed, 'storage map ops')
      const view = new StateView(MemoryKv.open(), 'xx')
      const [real, simulated, log] = [await StripeTable.open(view), new MapTable(), new MapLog()]
      for (let n = 0; n < 300; n++) {
        const op = opOf(chance, simulated, log.clock)
        const entry = log.append(chance.pick(PEERS), n % PEERS.length, op, n)
        for (const said of realOpsOf(entry))
          real.apply(said, makeStamp(hlcOf(entry.stamp), ACTOR, 0))
        simulated.apply(entry)
        for (const { id, header } of STRIPES) {
          const [found, expected] = [simulated.stripe(id), real.get(id)]
          assert.deepEqual(
            found?.holders,
            expected?.holders.map((peers) => peers.toSorted()),
          )
          assert.equal(found?.isCondemned, expected?.isCondemned)
          assert.equal(found?.isSwept, expected?.isSwept)
          const chunk = header.chunks[0]?.id
          assert.ok(chunk !== undefined)
          const places = real.locations(chunk).map(({ stripe, index, ...rest }) => {
            const { class: cls, isCondemned, isSwept } = rest
            return { stripe, index, class: cls, isCondemned, isSwept }
          })
          assert.deepEqual(simulated.locations(chunk), places)
        }
        assert.deepEqual(groupsOf(simulated.groups()), groupsOf(real.groups.all()))
      }
    })
  }

  test('is the same for replicas that receive concurrent entries in another order', () => {
    const chance = new SeededRandom('order', 'storage map ops')
    const logs = PEERS.map(() => new MapLog())
    const tables = PEERS.map(() => new MapTable())
    for (let n = 0; n < 400; n++) {
      const at = n % PEERS.length
      const [log, table, peer] = [logs[at], tables[at], PEERS[at]]
      assert.ok(log !== undefined && table !== undefined && peer !== undefined)
      table.apply(log.append(peer, at, opOf(chance, table, log.clock), n))
      for (const entry of log.pull(chance.pick(logs))) table.apply(entry)
    }
    for (let round = 0; round < 2; round++) {
      for (const [at, log] of logs.entries())
        for (const other of logs) for (const entry of log.pull(other)) tables[at]?.apply(entry)
    }
    const [first, ...others] = tables.map((table) => STRIPES.map(({ id }) => table.stripe(id)))
    for (const other of others) assert.deepEqual(other, first)
  })
})

function opOf(chance: SeededRandom, table: MapTable, clock: number): MapOp {
  const { id: stripe, headerBytes, header } = chance.pick(STRIPES)
  const kind = chance.pick(['stripe', 'shards', 'shards', 'shards', 'condemn', 'sweep'] as const)
  switch (kind) {
    case 'stripe': {
      const holders = header.shardRoots.map((_, index) => {
        return { index, peer: chance.pick(PEERS), ...receiptOf(chance, clock) }
      })
      return { kind, stripe, headerBytes, holders }
    }
    case 'shards': {
      const index = chance.below(header.shardRoots.length)
      const change = { index, peer: chance.pick(PEERS), isHeld: chance.chance(0.6) }
      const receipt = change.isHeld ? receiptOf(chance, clock) : {}
      return { kind, stripe, changes: [{ ...change, ...receipt }] }
    }
    case 'condemn':
      return { kind, stripes: [stripe] }
    case 'sweep':
      return { kind, condemned: table.condemnedAt(stripe) ?? 0, stripes: [stripe] }
    default:
      return assertNever(kind)
  }
}

/** Sometimes one that is older than what was said since. */
function receiptOf(chance: SeededRandom, clock: number): { receipt?: Receipt } {
  if (chance.chance(0.5)) return {}
  const hlc = hlcOf(1 + chance.below(clock + 1))
  return { receipt: { hlc, signature: new Uint8Array(64), position: 0, count: 1, path: [] } }
}

function hlcOf(stamp: number): Hlc {
  return ((BigInt(SIMULATION_START) << 16n) + BigInt(stamp)) as Hlc
}

/** The ops that a node would log. */
function realOpsOf({ op }: MapEntry): StripeOp[] {
  switch (op.kind) {
    case 'stripe':
      return [{ kind: 'stripe', header: op.headerBytes, holders: op.holders }]
    case 'shards':
      return [{ kind: 'shards', stripe: op.stripe, changes: op.changes }]
    case 'condemn':
      return [{ kind: 'condemn', stripes: op.stripes }]
    case 'sweep':
      return [{ kind: 'sweep', condemned: hlcOf(op.condemned), stripes: op.stripes }]
    default:
      return []
  }
}

interface Counted {
  readonly placementGroup: number
  readonly k: number
  readonly m: number
  readonly isCondemned: boolean
  readonly holders: readonly (readonly string[])[]
  readonly count: number
  readonly shardBytes: number
}

function groupsOf(groups: readonly Counted[]): string[] {
  return groups
    .map(({ placementGroup, k, m, isCondemned, holders, count, shardBytes }) => {
      const sorted = holders.map((peers) => peers.toSorted().join('+')).toSorted()
      return JSON.stringify([placementGroup, k, m, isCondemned, sorted, count, shardBytes])
    })
    .toSorted()
}
