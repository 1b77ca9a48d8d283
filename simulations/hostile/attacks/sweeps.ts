// False claims of a writer by which holders would let go of stripes: that nobody needs them, or
// that a tier has them.
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { packIdFromBytes } from '../../../protocol/ids.ts'
import type { Op } from '../../../protocol/op/op.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { agreeTo } from '../../cold/trust.ts'
import { statusOf } from '../../checkers.ts'
import { TIER_NAME, TIER_URL } from '../../cluster.ts'
import { disbelieved } from '../attack.ts'
import type { Attack, Look, Stage } from '../attack.ts'
import { beat } from './gossip.ts'
import { giveAll } from './ops.ts'
import { copiesOf, hear, nothingGone, placed, shownOf, stripesOf, tell } from '../stripes.ts'

/** In which all have looked at what was swept, and let go of what is to go. */
const SWEPT_MS: number = 12 * MINUTE_MS

/** In which holders look at what a tier has, and let go of it. */
const COLD_MS: number = 15 * MINUTE_MS
const BEAT_MS: number = 10 * SECOND_MS
const PACK_BYTES = 16
/** Stripes that an appender gives up at once. */
const STRIPES_MAX = 8

/** The volume has a tier, and peers need keep nothing that lies there. */
async function addTier({ founder, honest, liar }: Stage): Promise<void> {
  const tier = { name: TIER_NAME, url: TIER_URL }
  const { id: volume } = await statusOf(founder)
  await founder.ask((api) => api.addTier({ ...tier, volume }))
  await founder.ask((api) => api.setVolume(volume, { keep: 'none' }))
  await agreeTo(tier, honest, liar.clock)
}

/**
 * For a while, say that all that the others have is here, too: what was written becomes stable by
 * that.
 */
async function confirmAll(stage: Stage, forMs: number): Promise<void> {
  const { volume } = stage.liar
  for (let ms = 0; ms < forMs; ms += BEAT_MS) {
    await hear(stage)
    const { hlc } = volume.actors
    await beat(stage.liar, {
      vector: volume.actors.vector(),
      hlc,
      cut: volume.checkpoint?.hlc ?? HLC_ZERO,
    })
    await stage.wait(BEAT_MS)
  }
}

export const SWEEP_ATTACKS: readonly Attack[] = [
  {
    name: 'it sweeps what lives, with garbage in its place',
    rule: 'sweep-confirmed',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { random } = stage
      const stripes = await stripesOf(stage)
      const ids = [...stripes.keys()]
      const before = await shownOf(stage, ids)
      for (const { header } of stripes.values()) {
        // Who has not looked through it cannot tell.
        const chunks = header.chunks.map(({ id, length }) => ({ id, bytes: random.bytes(length) }))
        await tell(stage, [await placed(stage, copiesOf(chunks))])
      }
      const { header } = await tell(stage, [{ kind: 'condemn', stripes: ids }])
      await tell(stage, [{ kind: 'sweep', condemned: header.hlc, stripes: ids }])
      await stage.wait(SWEPT_MS)
      const after = await shownOf(stage, ids)
      return async () => nothingGone(before, after, stripes)
    },
  },
  {
    name: 'it says that a tier holds what it does not',
    rule: 'cold-shown',
    kind: 'lie',
    roles: ['writer'],
    async run(stage) {
      const { random } = stage
      await addTier(stage)
      await hear(stage)
      const pack = packIdFromBytes(random.bytes(PACK_BYTES))
      const places = [...(await stripesOf(stage)).keys()].map((stripe) => ({ stripe, offset: 0 }))
      await tell(stage, [{ kind: 'cold', tier: TIER_NAME, pack, stripes: places }])
      await confirmAll(stage, COLD_MS)
      // What nobody has any more, nobody reads in the end.
      return undefined
    },
  },
  {
    name: 'it gives up what others need, as who may only add',
    rule: 'op-by-role',
    kind: 'lie',
    roles: ['appender'],
    async run(stage): Promise<Look> {
      const { founder, liar } = stage
      const stripes = [...(await stripesOf(stage)).keys()].slice(0, STRIPES_MAX)
      const { hlc: condemned } = liar.volume.actors
      const attempts: Op[] = [
        { kind: 'condemn', stripes },
        { kind: 'sweep', stripes, condemned },
      ]
      for (const op of attempts) await giveAll(stage, [liar.entry([op])])
      const pin = { kind: 'pin', id: ROOT, class: 'copies2' } as const
      await giveAll(stage, [liar.entry([pin], { sealed: true })])
      return async () => {
        const pins = await founder.ask(async (api) => {
          const all: unknown[] = []
          for await (const page of api.listPins()) all.push(...page.filter((one) => 'path' in one))
          return all
        })
        // What others need and was swept, nobody reads in the end.
        disbelieved(pins.length === 0, 'an appender said how few may hold a volume')
      }
    },
  },
]
