// The frame of all pages: who is signed in, which page the address names, and what the node shows.
import { useEffect, useRef, useState } from 'preact/hooks'
import { beginSession, endSession, hasSession, whenSignedOut } from './client.ts'
import { useLive } from './live.ts'
import { Notices } from './parts/notices.tsx'
import { PAGES, pageOf } from './pages.ts'
import { TEXT } from './texts.ts'
import type { JSX } from 'preact'

type Entry = 'waiting' | 'in' | 'out'

export function App(): JSX.Element {
  const [entry, setEntry] = useState<Entry>('waiting')
  const [failure, setFailure] = useState<string>()
  useEffect(() => {
    whenSignedOut(() => setEntry('out'))
    const enter = (): Promise<void> =>
      beginSession().then(
        () => {
          setFailure(undefined)
          setEntry(hasSession() ? 'in' : 'out')
        },
        (error: Error) => {
          setFailure(error.message)
          setEntry(hasSession() ? 'in' : 'out')
        },
      )
    // A link may be opened where the page is open already.
    const onHash = (): void => {
      if (location.hash.startsWith('#login=')) void enter()
    }
    addEventListener('hashchange', onHash)
    void enter()
    return () => removeEventListener('hashchange', onHash)
  }, [])
  if (entry === 'waiting') return <p class="alone">{TEXT.loading}</p>
  return entry === 'in' ? <Frame /> : <SignIn failure={failure} />
}

function SignIn({ failure }: { readonly failure: string | undefined }): JSX.Element {
  const words = TEXT.signIn
  return (
    <main class="alone">
      <h1>{words.title}</h1>
      {failure !== undefined && (
        <p role="alert" class="bad">
          {words.failed}: {failure}
        </p>
      )}
      <p>{words.explain}</p>
      <pre>{words.command}</pre>
      <p class="quiet">{words.orNpm}</p>
    </main>
  )
}

/** The part of the address after '#', from now on. */
function useRoute(): string {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const read = (): void => setHash(location.hash)
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return hash
}

function Frame(): JSX.Element {
  const live = useLive()
  const { page, rest } = pageOf(useRoute())
  const content = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${page.name} – ${live.seen?.status.node.name ?? TEXT.title}`
    // Whoever listens to the page hears where it is now.
    if (!isFirst.current) content.current?.focus()
    isFirst.current = false
  }, [page])
  const { Page } = page
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={(event) => focusInstead(event, content.current)}>
        {TEXT.skip}
      </a>
      <header class="side">
        <p class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>{live.seen?.status.node.name ?? TEXT.title}</span>
        </p>
        <nav aria-label={TEXT.nav.label}>
          <ul>
            {PAGES.map((one) => (
              <li key={one.path}>
                <a href={`#/${one.path}`} aria-current={one === page ? 'page' : undefined}>
                  {one.name}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <button type="button" class="plain" onClick={() => void endSession()}>
          {TEXT.nav.signOut}
        </button>
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        {live.isBroken && (
          <p role="status" class="banner warning">
            {TEXT.broken}
          </p>
        )}
        {live.seen === undefined ? <p>{TEXT.loading}</p> : <Page seen={live.seen} rest={rest} />}
      </main>
      <Notices />
    </div>
  )
}

function focusInstead(event: Event, target: HTMLElement | null): void {
  event.preventDefault()
  target?.focus()
}
