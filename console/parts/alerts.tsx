// Alerts that are raised, the worst first, each with its next step.
import { shown } from '../format.ts'
import { Card } from './card.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'

const SHOWN_MAX = 8

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
                {words.next} {shown(next)}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {count > some.length && <p class="quiet">{words.more(count - some.length)}</p>}
    </Card>
  )
}
