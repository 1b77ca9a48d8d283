// The frame of all pages: their list, the page that the address names, and notices.
import { useEffect, useRef, useState } from 'preact/hooks'
import { endSession } from './client.ts'
import { Notices } from './parts/notices.tsx'
import { TEXT } from './texts.ts'
import type { ComponentChildren, JSX } from 'preact'

export interface FrameProps {
  /** The name of what is shown: of the node, or of the volume of an account. */
  readonly name: string
  readonly pages: readonly { readonly path: string; readonly name: string }[]
  readonly current: { readonly path: string; readonly name: string }
  readonly children: ComponentChildren
}

export function Frame({ name, pages, current, children }: FrameProps): JSX.Element {
  const content = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${current.name} – ${name}`
    // Whoever listens to the page hears where it is now.
    if (!isFirst.current) content.current?.focus()
    isFirst.current = false
  }, [current])
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={(event) => focusInstead(event, content.current)}>
        {TEXT.skip}
      </a>
      <header class="side">
        <p class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>{name}</span>
        </p>
        <nav aria-label={TEXT.nav.label}>
          <ul>
            {pages.map((one) => (
              <li key={one.path}>
                <a href={`#/${one.path}`} aria-current={one === current ? 'page' : undefined}>
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
        {children}
      </main>
      <Notices />
    </div>
  )
}

/** The part of the address after '#', from now on. */
export function useRoute(): string {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const read = (): void => setHash(location.hash)
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return hash
}

function focusInstead(event: Event, target: HTMLElement | null): void {
  event.preventDefault()
  target?.focus()
}
