// All that happened: changes of files, events of security, and what the node reports of itself.
import { useState } from 'preact/hooks'
import { all } from '../client.ts'
import { shown, time } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Card } from '../parts/card.tsx'
import { Changes } from '../parts/changes.tsx'
import { Choice } from '../parts/form.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'

const STEP = 50
const EVENTS = 50
const LINES = 100
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

export function Log({ seen: { status } }: PageProps): JSX.Element {
  const [limit, setLimit] = useState(STEP)
  const words = TEXT.log
  return (
    <>
      <h1>{TEXT.nav.log}</h1>
      <Card title={words.changes}>
        <Changes volumes={status.volumes} limit={limit} />
        <p>
          <button type="button" onClick={() => setLimit(limit + STEP)}>
            {words.more}
          </button>
        </p>
      </Card>
      <Security />
      <Lines />
    </>
  )
}

function Security(): JSX.Element {
  const words = TEXT.log
  const { value, error, reload } = useLoaded(() => all('readSecurity', { limit: EVENTS }), [])
  return (
    <Card title={words.security} actions={<Again onClick={reload} />}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value?.length === 0 && <p>{words.nothing}</p>}
      <ul class="list">
        {value?.toReversed().map(({ number, timeMs, message }) => (
          <li key={number}>
            <span>{shown(message)}</span>
            <span class="quiet">{time(timeMs)}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Lines(): JSX.Element {
  const words = TEXT.log
  const [level, setLevel] = useState('info')
  const load = (): ReturnType<typeof readLines> => readLines(level)
  const { value, error, reload } = useLoaded(load, [level])
  return (
    <Card title={words.node} actions={<Again onClick={reload} />}>
      <Choice
        label={words.level}
        value={level}
        onValue={setLevel}
        options={LEVELS.map((one) => ({ value: one, text: one }))}
      />
      {error !== undefined && <p class="bad">{error.message}</p>}
      <ul class="list">
        {value?.toReversed().map((line, at) => (
          <li key={at}>
            <span>
              <span class={line.level === 'error' ? 'tag critical' : 'tag'}>{line.level}</span>{' '}
              {shown(line.message)} <code class="quiet">{line.event}</code>
              <span class="small"> {detailsOf(line.fields)}</span>
            </span>
            <span class="quiet">{time(line.timeMs)}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function readLines(level: string): Promise<
  readonly {
    readonly timeMs: number
    readonly level: string
    readonly event: string
    readonly message: string
    readonly fields: object
  }[]
> {
  return all('readLogs', { limit: LINES, level })
}

/** All else that a line says. */
function detailsOf(fields: object): string {
  return shown(
    Object.entries(fields)
      .map(
        ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      )
      .join(' '),
  )
}

function Again({ onClick }: { readonly onClick: () => void }): JSX.Element {
  return (
    <button type="button" onClick={onClick}>
      {TEXT.log.again}
    </button>
  )
}
