// The shards that a holder lets go of after a sweep: none that another member says is in use, also
// while the holder looks.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KIB } from '../../../protocol/units.ts'
import { SweptStripes } from '../../../node/gc/swept-stripes.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { peerOf } from '../stripes/peer-group.ts'
import { stripeOf } from '../peers/shard-swarm.ts'
import { PlainMap } from '../repair/plain-map.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { StripeGroup, StripeMap } from '../../../node/shard-map/stripe-map.ts'
import type { SweptStripesParts } from '../../../node/gc/swept-stripes.ts'

const STRIPE = stripeOf(1, 100 * KIB, 1, 1)
const NOW = 1n as Hlc

/** A holder of the stripe, which was swept. returns what it lets go of. */
async function lookedAt(meanwhile: () => void, state: { isSwept: boolean }): Promise<number[]> {
  const plain = new PlainMap()
  plain.add(STRIPE, [[peerOf(1)], [peerOf(2)]])
  const map = {
    groups: (): StripeGroup[] =>
      plain.groups().map((group) => ({ ...group, isSwept: state.isSwept })),
    stripesOf: (group: StripeGroup['id']) => plain.stripesOf(group),
    stripe: () => ({ ...plain.stripe(STRIPE.id), isSwept: state.isSwept }),
  } as unknown as StripeMap
  const trashed: number[] = []
  const parts = {
    map,
    store: {
      shards: { indices: () => [0], trash: (_: unknown, index: number) => trashed.push(index) },
      commit: () => Promise.resolve(),
    },
    dedupCheck: { verified: { forget: () => undefined } },
    clock: new ManualClock(),
    self: peerOf(1),
    references: async () => {
      await Promise.resolve(meanwhile())
      return new Map()
    },
    isTouched: () => false,
    onLive: () => undefined,
    log: {
      stable: () => NOW,
      condemnedAt: () => (state.isSwept ? NOW : undefined),
      sweptBy: () => ({ peer: peerOf(2), at: NOW }),
      mayRead: () => true,
      mayWrite: () => true,
      isElected: () => true,
      keptMs: () => 0,
    },
  }
  await new SweptStripes(parts as unknown as SweptStripesParts).run(new AbortController().signal)
  return trashed
}

describe('a swept stripe', () => {
  test('a swept stripe is let go of when the check finds nothing that needs it', async () => {
    assert.deepEqual(await lookedAt(() => undefined, { isSwept: true }), [0])
  })

  test('a swept stripe is kept when another member records that it is in use', async () => {
    const state = { isSwept: true }
    assert.deepEqual(await lookedAt(() => (state.isSwept = false), state), [])
  })
})
