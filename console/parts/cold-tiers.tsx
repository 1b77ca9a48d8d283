// The cold tiers of volumes, in short.
import { shown } from '../format.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

export function ColdTiers({
  volumes,
}: {
  readonly volumes: Shown['status']['volumes']
}): JSX.Element {
  const some = volumes.filter(({ cold, tiersToTrust, tierFailures = [] }) => {
    return cold.copied + cold.only + tiersToTrust.length + tierFailures.length > 0
  })
  if (some.length === 0) return <p>{TEXT.cold.none}</p>
  return (
    <ul class="plain-list">
      {some.map(({ id, name, cold }) => (
        <li key={id}>
          {shown(name)}: {TEXT.redundancy.cold(cold.copied + cold.only)}
        </li>
      ))}
    </ul>
  )
}
