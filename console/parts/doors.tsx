// The doors that are open, and who uses them.
import { call } from '../client.ts'
import { useLoaded } from '../live.ts'
import type { JSX } from 'preact'

export function Doors(): JSX.Element {
  const { value = [], error } = useLoaded(() => call('listDoors'), [])
  if (error !== undefined) return <p class="bad">{error.message}</p>
  return (
    <ul class="plain-list">
      {value.map(({ kind, url }) => (
        <li key={url}>
          {kind}: {url}
        </li>
      ))}
    </ul>
  )
}
