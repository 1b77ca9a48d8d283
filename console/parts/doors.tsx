// The doors that are open, and who uses them.
import { call } from '../client.ts'
import { useLoaded } from '../live.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'

export function Doors(): JSX.Element {
  const { value = [], error } = useLoaded(() => call('listDoors'), [])
  if (error !== undefined) return <p class="bad">{error.message}</p>
  return (
    <ul class="plain-list">
      {value.length === 0 && <li>{TEXT.doors.none}</li>}
      {value.map(({ kind, url, sessions, refused = 0, failed = 0 }) => (
        <li key={url}>
          {kind}: {url} <span class="quiet">{TEXT.doors.counts(sessions, refused, failed)}</span>
        </li>
      ))}
    </ul>
  )
}
