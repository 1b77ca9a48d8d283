// The same log, come in another order, makes the same tree (check 3), and entries that come twice
// change nothing (4).
import { DAY_MS } from '../protocol/units.ts'
import { VirtualClock, WallClockError, instant } from './clock.ts'
import { CheckError } from './check-error.ts'
import { SimulatedProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'
import { checkTree } from './tree-check.ts'
import { rebuild } from '../node/checkpoint/rebuild.ts'
import { hearAttestation, recount } from '../node/replica/attestations.ts'
import { Volume } from '../node/log/volume.ts'
import { MemoryKv } from '../node/store/memory-kv.ts'
import { checkSame } from './checkers.ts'
import { pastLines } from './past-check.ts'
import type { SeededRandom } from './random.ts'
import type { Attestation } from '../protocol/log/attestation.ts'
import type { Entry } from '../protocol/log/entry.ts'
import type { Identity } from '../protocol/signed.ts'

/** The key of a volume's record: see node/log/volumes.ts. */
const TAG = '\0\x01'

/**
 * Make the volume anew from its entries, in this order and with some of them twice, as a founder
 * would. throws CheckError when that gives another tree than `expected`.
 */
export async function checkReplay(
  {
    genesis,
    identity,
    entries,
    attestations,
  }: {
    genesis: Uint8Array
    identity: Identity
    entries: readonly Entry[]
    attestations: readonly Attestation[]
  },
  random: SeededRandom,
  expected: readonly string[],
): Promise<void> {
  const kv = MemoryKv.open()
  // No clock of any node was further ahead.
  const ahead = new WallClockError({ offsetMs: 365 * DAY_MS })
  const clock = new VirtualClock(new SimulatedProcess(new Scheduler('replay'), 'replay'), ahead)
  const volume = await Volume.open(
    {
      world: { clock, random },
      store: { kv, commit: (writes) => kv.write(writes, { sync: true }) },
      identity,
    },
    genesis,
    TAG,
  )
  for (const entry of entries) {
    const verdict = volume.receive(entry)
    if (verdict !== 'applied')
      throw new CheckError('3 the order of arrival does not matter', `an entry is ${verdict}`)
    if (!random.chance(0.2)) continue
    const again = volume.receive(
      random.chance(0.5) ? entry : random.pick(entries.slice(0, entries.indexOf(entry) + 1)),
    )
    if (again !== 'known')
      throw new CheckError('4 entries twice change nothing', `an entry that came again is ${again}`)
  }
  await volume.commit()
  for (const attestation of attestations) hearAttestation(volume, attestation)
  recount(volume)
  // An entry that came before one that makes it void, or a cut that makes it late.
  while (volume.forks.areWaiting || !volume.cuts.areJudged)
    await rebuild({ volume, clock: instant(clock), random }, undefined, {
      signal: new AbortController().signal,
    })
  await volume.close()
  const { lines } = await checkTree('a replay', volume.view, volume.authorName)
  const { replica } = volume
  const all = [...lines, ...(await pastLines(replica))]
  checkSame(['the nodes', expected], ['a replay', all], '3 the order of arrival does not matter')
}
