// What a writer says of stripes so that their holders let go of them: that nobody needs them, or that a tier has them.
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { Attack } from '../attack.ts'
import { copiesOf, nothingGone, placed, shownOf, stripesOf, tell } from '../stripes.ts'

/** In which all have looked at what was swept, and let go of what is to go. */
const SWEPT_MS: number = 12 * MINUTE_MS

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
]
