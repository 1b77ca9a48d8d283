// Stripes in a cold tier keep as many shards with peers as the volume says, also when the holders
// are gone.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { Repair } from '../../../node/repair/shard-repair.ts'
import type { RepairParts } from '../../../node/repair/shard-repair.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { PackId, PeerId } from '../../../protocol/ids.ts'
import type { PlacePeer } from '../../../protocol/placement/plan.ts'
import type { MappedStripe } from '../../../node/shard-map/stripe-map.ts'
import { stripesOf } from '../cold/packed.ts'

const { signal } = new AbortController()
/** k = 2, m = 1. */
const { stripes, chunks } = stripesOf([[900, 40, 3000]])
const coded = stripes[0] ?? assert.fail()
const [A, B, C] = ['a', 'b', 'c'] as [PeerId, PeerId, PeerId]
const COPY = { tier: 'attic', pack: 'ca'.repeat(16) as PackId, offset: 59, since: 0n as Hlc }

/** Repair the stripe. returns the shards that peers were given, and what was fetched. */
async function repair(
  stripe: Partial<MappedStripe>,
): Promise<{ given: Map<number, Uint8Array>; fetched: number }> {
  const { header, headerBytes } = coded
  const rest = {
    class: undefined,
    isCondemned: false,
    isSwept: false,
    usedAt: 0n as Hlc,
    cold: [COPY],
  }
  const mapped: MappedStripe = { header, headerBytes, holders: [], ...rest, ...stripe }
  const given = new Map<number, Uint8Array>()
  let fetched = 0
  const peers: PlacePeer[] = [A, B, C].map((peer) => {
    return { peer, zone: peer, weight: 1, presence: 'online', isFull: false }
  })
  const parts = {
    map: { stripe: () => mapped, recordShards: async () => undefined },
    clusterView: { take: () => ({ peers, ranked: () => peers }), avoid: () => undefined },
    transfer: {
      readAny: async () => {
        throw new ShoalError('stripe-unrecoverable', 'too few')
      },
      put: async (
        _id: string,
        _s: object,
        { index, shard }: { index: number; shard: Uint8Array },
      ) => void given.set(index, shard),
    },
    fetch: async (id: (typeof header.chunks)[number]['id']) => {
      fetched++
      return chunks.get(id) ?? assert.fail()
    },
    log: () => undefined,
  }
  await new Repair(parts as unknown as RepairParts).run(coded.id, signal)
  return { given, fetched }
}

describe('repair of stripes in a tier', () => {
  test('repair makes shards up to the floor from the tier, if too few are left', async () => {
    const { given, fetched } = await repair({ holders: [[A], [], []], floor: 2 })
    assert.deepEqual([...given.keys()], [1])
    assert.deepEqual(Buffer.from(given.get(1) ?? []), Buffer.from(coded.shards[1] ?? []))
    assert.equal(fetched, 3)
  })

  test('repair makes all shards from the tier, if the floor is all and none are left', async () => {
    const { given } = await repair({ holders: [[], [], []], floor: 3 })
    assert.deepEqual(
      [...given.keys()].toSorted((a, b) => a - b),
      [0, 1, 2],
    )
  })

  test('repair asks the tier if the holders turn out to have nothing', async () => {
    const { given } = await repair({ holders: [[A], [B], []], floor: 3 })
    assert.deepEqual([...given.keys()], [2])
  })

  test('repair fetches nothing from the tier if enough shards are left', async () => {
    for (const floor of [0, 1])
      assert.equal((await repair({ holders: [[A], [], []], floor })).fetched, 0)
  })

  test('repair fails for a stripe in no tier with too few shards', async () => {
    const repairing = repair({ holders: [[A], [B], []], cold: [] })
    await assert.rejects(repairing, { code: 'stripe-unrecoverable' })
  })
})
