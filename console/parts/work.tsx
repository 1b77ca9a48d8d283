// Long work that the node tells of while it does it: it is started, seen to its end, or broken off.
import { useEffect, useRef, useState } from 'preact/hooks'
import { items } from '../client.ts'
import { tellFailure } from './notices.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'

type Call = Parameters<typeof items>[0]

/** Any event of such calls: some tell how far they are. */
interface Event {
  readonly kind?: string | undefined
  readonly doneBytes?: number | undefined
  readonly totalBytes?: number | undefined
  readonly done?: number | undefined
  readonly total?: number | undefined
  readonly wantedBytes?: number | undefined
  readonly actualBytes?: number | undefined
}

export interface WorkProps {
  readonly name: Call
  readonly fields?: Readonly<Record<string, unknown>>
  readonly button: string
  readonly label?: string
  /** The text for an event; undefined: none. */
  readonly lineOf?: (event: never) => string | undefined
  readonly onEnd?: () => void
}

const LINES_MAX = 50

export function Work({ name, fields, button, label, lineOf, onEnd }: WorkProps): JSX.Element {
  const words = TEXT.work
  const [lines, setLines] = useState<readonly string[]>([])
  const [state, setState] = useState<'idle' | 'running' | 'done'>('idle')
  const [progress, setProgress] = useState<number>()
  const stop = useRef<AbortController>(undefined)
  useEffect(() => () => stop.current?.abort(), [])
  const run = async (): Promise<void> => {
    const { signal } = (stop.current = new AbortController())
    setState('running')
    setLines([])
    setProgress(undefined)
    try {
      for await (const event of items(name, fields, { signal }) as AsyncIterable<Event>) {
        setProgress(partOf(event))
        const line = lineOf?.(event as never)
        if (line !== undefined) setLines((before) => [...before, line].slice(-LINES_MAX))
      }
      setState('done')
      onEnd?.()
    } catch (error) {
      setState('idle')
      if (!signal.aborted) tellFailure(error)
    }
  }
  return (
    <div>
      <p class="row tight">
        <button
          type="button"
          aria-label={label}
          disabled={state === 'running'}
          onClick={() => void run()}
        >
          {button}
        </button>
        {state === 'running' && (
          <>
            <progress
              max={1}
              {...(progress !== undefined && { value: progress })}
              aria-label={button}
            />
            <button type="button" onClick={() => stop.current?.abort()}>
              {words.stop}
            </button>
          </>
        )}
        <span role="status">{state === 'done' && lines.length === 0 && TEXT.done}</span>
      </p>
      {lines.length > 0 && (
        <ul class="plain-list" role="log">
          {lines.map((line, at) => (
            <li key={at}>{line}</li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** How much of it is done, from 0 to 1; undefined: nobody can tell. */
function partOf(event: Event): number | undefined {
  const done = event.doneBytes ?? event.done ?? event.actualBytes
  const total = event.totalBytes ?? event.total ?? event.wantedBytes
  if (done === undefined || total === undefined || total === 0) return undefined
  return Math.min(1, done / total)
}
