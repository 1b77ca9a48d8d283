// The latest changes of a volume, or of all, the newest first.
import { all } from '../client.ts'
import { shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

export interface Line {
  readonly key: string
  readonly text: string
  readonly by: string
  readonly timeMs: number
}

export function Changes({
  volumes,
  limit,
}: {
  readonly volumes: Shown['status']['volumes']
  readonly limit: number
}): JSX.Element {
  const readable = volumes.filter(({ role }) => role !== 'keeper')
  const key = readable.map(({ id, heads }) => `${id} ${heads.join()}`).join()
  const names = readable.map(({ name }) => name)
  const { value, error, isLoading } = useLoaded(() => load(names, limit), [key, limit])
  if (error !== undefined) return <p class="bad">{error.message}</p>
  if (value === undefined && isLoading) return <p>{TEXT.loading}</p>
  if (value === undefined || value.length === 0) return <p>{TEXT.changes.none}</p>
  return (
    <ul class="list changes">
      {value.map(({ key: id, text, by, timeMs }) => (
        <li key={id}>
          <span>{text}</span>
          <span class="quiet">{TEXT.changes.by(by, timeMs)}</span>
        </li>
      ))}
    </ul>
  )
}

async function load(names: readonly string[], limit: number): Promise<readonly Line[]> {
  const lists = await Promise.all(
    names.map(async (name) => {
      const entries = await all('readLog', { path: `${name}:/`, limit }, limit)
      const prefix = names.length > 1 ? `${shown(name)}: ` : ''
      return entries.flatMap((entry) =>
        entry.kind === 'entry'
          ? entry.changes.map(({ text, note }, at) => ({
              key: `${entry.id} ${at}`,
              text: prefix + shown(note === undefined ? text : `${text} (${note})`),
              by: shown(entry.author),
              timeMs: entry.timeMs,
            }))
          : [],
      )
    }),
  )
  return lists
    .flat()
    .toSorted((a, b) => b.timeMs - a.timeMs)
    .slice(0, limit)
}
