// Alerts that are raised, the worst first, each with its next step.
import { shown } from '../format.ts'
import { Card } from './card.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

const SHOWN_MAX = 8
/** The pages on which something can be done about a condition. */
const PLACES: Readonly<Record<string, 'machines' | 'volumes' | 'cold' | 'jobs'>> = {
  'backup-failed': 'jobs',
  'backup-late': 'jobs',
  'cold-failing': 'cold',
  'cold-untrusted': 'cold',
  'disk-full': 'jobs',
  'disk-low': 'jobs',
  'garbage-stuck': 'jobs',
  'mass-loss': 'volumes',
  'peer-gone': 'machines',
  'peer-late': 'machines',
  'repair-throttled': 'machines',
  'same-zone': 'machines',
  'stripes-lost': 'machines',
  'ticket-ending': 'machines',
  'versions-shortened': 'volumes',
}

export function Alerts({
  alerts,
  count,
}: {
  readonly alerts: Shown['alerts']
  readonly count: number
}): JSX.Element | null {
  if (count === 0) return null
  const words = TEXT.alerts
  const some = alerts.slice(0, SHOWN_MAX)
  return (
    <Card title={words.title} wide>
      <ul class="list">
        {some.map(({ name, subject, severity, message, next, sinceMs }) => (
          <li key={`${name} ${subject}`}>
            <span class={`tag ${severity}`}>{words.levels[severity]}</span>
            <div>
              <p>
                {shown(message)} <span class="quiet">{words.since(sinceMs)}</span>
              </p>
              <p>
                {words.next} {name === 'conflicts' ? words.conflicts : shown(next)}{' '}
                <Place of={name} />
              </p>
            </div>
          </li>
        ))}
      </ul>
      {count > some.length && <p class="quiet">{words.more(count - some.length)}</p>}
    </Card>
  )
}

/** Leads to the page for a condition, where there is one. */
function Place({ of: name }: { readonly of: string }): JSX.Element | null {
  const page = Object.hasOwn(PLACES, name) ? PLACES[name] : undefined
  if (page === undefined) return null
  return <a href={`#/${page}`}>{TEXT.alerts.here(TEXT.nav[page])}</a>
}
