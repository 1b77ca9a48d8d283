// Attempts of a member to have the log grow without end.
import { encodeCbor } from '../../../protocol/cbor.ts'
import { packBatch } from '../../../protocol/log/batch.ts'
import { growthRateOf } from '../../../protocol/log/growth.ts'
import { KIB } from '../../../protocol/units.ts'
import { disbelieved } from '../attack.ts'
import type { Attack } from '../attack.ts'
import { uselessEntries } from './channels.ts'
import { giveAll } from './ops.ts'

/** The unpacked size of an entry that packs to next to nothing. */
const PLAIN: number = 512 * KIB
/** One op of a kind that nobody knows, of so many bytes. */
const BODY: Uint8Array = packBatch([encodeCbor({ o: 'padding', p: new Uint8Array(PLAIN) })])

export const GROWTH_ATTACKS: readonly Attack[] = [
  {
    name: 'it writes more than all its share, at once',
    rule: 'log-growth-bounded',
    kind: 'lie',
    roles: ['reader'],
    async run(stage) {
      const { liar, victim } = stage
      const { burst } = growthRateOf('reader')
      const count = Math.ceil((2 * burst) / PLAIN)
      const entries = uselessEntries(liar, count, Array<Uint8Array>(count).fill(BODY))
      await giveAll(stage, entries)
      const [hello] = await liar.exchange(victim.peer, [])
      const last = entries.at(-1)?.header
      if (last === undefined || hello?.kind !== 'hello') return undefined
      const { actor, seq } = last
      const held = hello.log.vector.get(actor) ?? 0
      return async () =>
        disbelieved(held < seq, `${victim.name} keeps ${count} entries of ${PLAIN} bytes`)
    },
  },
]
