// How much of each volume is whole, lacks something, has no spare or cannot be read, and how fast
// that is repaired.
import { duration, rate, shown } from '../format.ts'
import { Bar } from './bar.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

type Volume = Shown['status']['volumes'][number]
type Minutes = Shown['traffic']['minutes']

const STATES = ['full', 'degraded', 'atRisk', 'lost'] as const
/** The rate of repair is of the last minutes. */
const RATE_MINUTES = 3
const SECONDS = 60
const MS = 1000

export function Redundancy({
  volumes,
  minutes,
}: {
  readonly volumes: readonly Volume[]
  readonly minutes: Minutes
}): JSX.Element {
  const words = TEXT.redundancy
  if (volumes.length === 0) return <p>{words.none}</p>
  return (
    <ul class="list tall">
      {volumes.map((volume) => {
        const { id, name, stripes, cold } = volume
        const inTier = cold.copied + cold.only
        const parts = STATES.map((state) => ({ kind: state, value: stripes[state] }))
        const some = STATES.filter((state) => stripes[state] > 0)
        const work = workOf(volume, minutes)
        return (
          <li key={id}>
            <p class="between">
              <strong>{shown(name)}</strong>
              <span class="quiet">{words.class(volume.class)}</span>
            </p>
            <Bar parts={[...parts, { kind: 'cold', value: inTier }]} />
            <p>
              {some.length + inTier === 0 && words.empty}
              {some.map((state) => (
                <span key={state} class={`key ${state}`}>
                  {words.parts(stripes[state])} {words.states[state]}
                </span>
              ))}
              {inTier > 0 && <span class="key cold">{words.cold(inTier)}</span>}
            </p>
            {work.length > 0 && <p class="quiet">{work.join('; ')}</p>}
          </li>
        )
      })}
    </ul>
  )
}

function workOf({ upkeep, waiting, space, stripes }: Volume, minutes: Minutes): readonly string[] {
  const words = TEXT.redundancy
  const { repairing, queued, moving, brake } = upkeep
  const due = repairing + queued + moving
  const recent = minutes.slice(-RATE_MINUTES)
  const repaired = recent.reduce((sum, { repairedBytes }) => sum + repairedBytes, 0)
  const perSecond = repaired / (RATE_MINUTES * SECONDS)
  const all = stripes.full + stripes.degraded + stripes.atRisk + stripes.lost
  // A shard of each stripe: what stripes have on average, in as many shards as there may be.
  const leftBytes = all === 0 ? 0 : (due * space.shardBytes) / all / 2
  const left = perSecond > 0 ? duration((leftBytes / perSecond) * MS) : words.unknownTime
  return [
    ...(due > 0 && perSecond > 0 ? [words.repairing(rate(perSecond), left)] : []),
    ...(due > 0 && perSecond === 0 ? [words.queued(due)] : []),
    ...(waiting.forPeers > 0 ? [words.waiting(waiting.forPeers)] : []),
    ...(waiting.forRoom > 0 ? [words.noRoom(waiting.forRoom)] : []),
    ...(brake ? [words.brake] : []),
  ]
}
