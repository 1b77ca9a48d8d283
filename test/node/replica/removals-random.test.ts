// Admins and writers who write, grant, remove each other and meet at random: every replica that
// receives all of it has one state, in whatever order it came. A seed that failed is run alone with
// SHOAL_SEED=<seed>.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SeededRandom } from '../../../simulations/random.ts'
import { assertSame, beacons, meet, meetAll } from '../log/machines.ts'
import { castOf, entriesOf, later, tell } from './removal-cast.ts'
import type { Machine } from '../log/machines.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import type { Op } from '../../../protocol/op/op.ts'
import { tries } from '../../effort.ts'

const ALONE = process.env['SHOAL_SEED']
const SEED = ALONE === undefined ? 20261121 : Number(ALONE)
const MACHINES = 5

const machine = fc.nat({ max: MACHINES - 1 })
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), by: machine }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unlink' as const), by: machine }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('remove' as const), by: machine, whom: machine }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('grant' as const),
      by: machine,
      whom: machine,
      role: fc.constantFrom('admin' as const, 'writer' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('meet' as const), by: machine, whom: machine }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('later' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('checkpoint' as const), by: machine, whom: machine }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

test('all orders of one history of removals give one state', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 40 }),
      fc.nat(),
      async (steps, seed) => {
        const { a, b, c, w, x, strangers } = await castOf(3)
        const cast = [a, b, c, w, x]
        for (const [index, one] of steps.entries())
          if (one.kind !== 'checkpoint') await act(cast, one, index)
        const told = entriesOf(...cast)
        const random = new SeededRandom(seed, 'orders')
        for (const stranger of strangers) await tell(stranger, shuffled(told, random))
        await assertSame(strangers)
        // Those who made the history judge it as those who were told.
        const witness = strangers[0] ?? assert.fail()
        for (const one of cast) await tell(one, told)
        await tell(witness, entriesOf(...(await settled(cast))))
        await assertSame([witness, ...cast])
      },
    ),
    { numRuns: tries(2), seed: SEED },
  )
})

let checkpoints = 0

test('all orders of one history of removals give one state, with checkpoints between', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), async (steps) => {
      const { a, b, c, w, x } = await castOf(0)
      const cast = [a, b, c, w, x]
      for (const [index, one] of steps.entries()) await act(cast, one, index)
      await assertSame(await settled(cast))
    }),
    { numRuns: tries(3), seed: SEED },
  )
})

async function act(cast: readonly Machine[], step: Step, index: number): Promise<void> {
  if (step.kind === 'later') return later(...cast)
  if (step.kind === 'checkpoint') {
    // One is out of reach: it may have been removed, and go on beside that.
    const others = cast.filter((one) => one !== pick(cast, step.whom))
    await meetAll(others)
    beacons(others)
    await pick(cast, step.by).makeCheckpoint()
    checkpoints += pick(cast, step.by).volume.checkpoint === undefined ? 0 : 1
    return
  }
  const by = pick(cast, step.by)
  const whom = 'whom' in step ? pick(cast, step.whom) : by
  const { peer } = whom.replica.identity
  if (step.kind === 'meet') return by === whom ? undefined : meet(by, whom)
  try {
    if (step.kind === 'write') by.replica.write(`of ${index}`, 'x')
    else if (step.kind === 'unlink') await unlinkAny(by, index)
    // Whoever may remove nobody may go.
    else if (step.kind === 'remove' || by !== whom) by.volume.submit(opOf(step, peer))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EACCES')) throw error
  }
  await by.volume.commit()
}

function opOf(
  step: Extract<Step, { kind: 'remove' | 'grant' }>,
  peer: Extract<Op, { kind: 'member' }>['peer'],
): Op {
  if (step.kind === 'remove') return { kind: 'remove-member', peer }
  return { kind: 'member', peer, role: step.role, keys: [] }
}

async function unlinkAny({ replica }: Machine, index: number): Promise<void> {
  const names = await replica.names()
  const name = names[index % names.length]
  if (name !== undefined) replica.namespace.unlink(ROOT, nameFromText(name))
}

/** They meet until nobody has anything to say again. */
async function settled(cast: readonly Machine[]): Promise<readonly Machine[]> {
  for (let round = 0; round < 3; round++) await meetAll(cast)
  return cast
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): readonly Item[] {
  return items
    .map((item) => ({ item, at: random.number() }))
    .sort((one, two) => one.at - two.at)
    .map(({ item }) => item)
}

function pick(cast: readonly Machine[], index: number): Machine {
  return cast[index] ?? assert.fail()
}
