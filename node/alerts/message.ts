// The message about alerts that a target gets: a line, a text for people, and the events for
// programs.
import type { AlertEvent } from '../control/observe/alerts.ts'
import type { AlertMessage } from '../world/targets/alert-targets.ts'
import { many, timeText } from './wording.ts'

const SIGNS = { raised: '!', cleared: 'ok' } as const

/** total: how many there are in all, where not all are told. */
export function messageOf(
  node: string,
  events: readonly AlertEvent[],
  total: number = events.length,
): AlertMessage {
  const [first] = events
  const raised = events.filter(({ state }) => state === 'raised')
  const what =
    first !== undefined && total === 1
      ? `${first.state === 'cleared' ? 'over: ' : ''}${first.message}`
      : `${many(raised.length, 'alert')} raised, ${events.length - raised.length} over`
  const left = total - events.length
  const lines = events.map(
    ({ state, severity, name, message, next, atMs }) =>
      `${SIGNS[state]} ${timeText(atMs)} ${severity} ${name}: ${message}` +
      (state === 'raised' ? `\n  What to do: ${next}.` : ''),
  )
  const more = left > 0 ? [`and ${left} earlier ones; see "shoal alerts --history"`] : []
  return {
    title: `Shoal ${node}: ${what}`,
    text: [...more, ...lines].join('\n'),
    events: events.map(({ sinceMs, atMs, ...event }) => ({
      node,
      ...event,
      since: timeText(sinceMs),
      at: timeText(atMs),
    })),
  }
}
