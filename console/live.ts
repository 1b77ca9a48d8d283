// The state of the node as it comes, for all parts of the page that want it: one stream, only while
// the page can be seen.
import { useEffect, useState } from 'preact/hooks'
import { follow } from './client.ts'
import type { Seen } from '../node/control/observe/watch.ts'
import type { Wire } from './wire.ts'

export type Shown = Wire<Seen>

export interface Live {
  /** Undefined until the first came. */
  readonly seen: Shown | undefined
  readonly isBroken: boolean
}

/** Follow the node as long as the component is there and the page can be seen. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ seen: undefined, isBroken: false })
  useEffect(() => {
    let stop = new AbortController()
    const begin = (): void => {
      stop.abort()
      stop = new AbortController()
      if (document.hidden) return
      void follow<Shown>(
        '/v1/watch',
        {
          onEvent: (seen) => setLive({ seen, isBroken: false }),
          onBroken: () => setLive(({ seen }) => ({ seen, isBroken: true })),
        },
        stop.signal,
      )
    }
    begin()
    document.addEventListener('visibilitychange', begin)
    return () => {
      document.removeEventListener('visibilitychange', begin)
      stop.abort()
    }
  }, [])
  return live
}

export interface Loaded<Value> {
  readonly value: Value | undefined
  readonly error: Error | undefined
  readonly isLoading: boolean
  /** Ask again; what is there stays meanwhile. */
  readonly reload: () => void
}

/** Something that is asked for when the page opens, and whenever one of `on` changes. */
export function useLoaded<Value>(
  load: () => Promise<Value>,
  on: readonly unknown[],
): Loaded<Value> {
  const [asked, setAsked] = useState(0)
  const [result, setResult] = useState<{ value?: Value; error?: Error; isLoading: boolean }>({
    isLoading: true,
  })
  useEffect(() => {
    let isWanted = true
    setResult((before) => ({ ...before, isLoading: true }))
    load().then(
      (value) => isWanted && setResult({ value, isLoading: false }),
      (error: Error) =>
        isWanted &&
        setResult(({ value }) => ({
          ...(value !== undefined && { value }),
          error,
          isLoading: false,
        })),
    )
    return () => {
      isWanted = false
    }
  }, [asked, ...on])
  const { value, error, isLoading } = result
  return { value, error, isLoading, reload: () => setAsked((before) => before + 1) }
}
