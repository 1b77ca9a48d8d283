// The cold tiers of all volumes, in short.
import { call } from '../client.ts'
import { shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { TierLine } from './tier-line.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

export function ColdTiers({
  volumes,
}: {
  readonly volumes: Shown['status']['volumes']
}): JSX.Element {
  const names = volumes.filter(({ role }) => role !== 'keeper').map(({ name }) => name)
  const { value, error } = useLoaded(
    async () =>
      (
        await Promise.all(
          names.map(async (volume) =>
            (await call('listTiers', { volume })).map((tier) => ({ volume, tier })),
          ),
        )
      ).flat(),
    [names.join('/')],
  )
  if (error !== undefined) return <p class="bad">{error.message}</p>
  if (value === undefined) return <p>{TEXT.loading}</p>
  if (value.length === 0) return <p>{TEXT.cold.none}</p>
  return (
    <ul class="list tall">
      {value.map(({ volume, tier }) => (
        <li key={`${volume} ${tier.name}`}>
          {names.length > 1 && <p class="quiet">{shown(volume)}</p>}
          <TierLine tier={tier} />
        </li>
      ))}
    </ul>
  )
}
