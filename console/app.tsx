// The page for who is signed in: the owner of the node, somebody with an account, or nobody yet.
import { useEffect, useState } from 'preact/hooks'
import { AccountPages } from './account.tsx'
import { askWho, beginSession, wasRefused, whenSignedOut } from './client.ts'
import { Frame, useRoute } from './frame.tsx'
import { useLive } from './live.ts'
import { PAGES, pageOf } from './pages.ts'
import { SignIn } from './sign-in.tsx'
import { TEXT } from './texts.ts'
import type { JSX } from 'preact'
import type { SignedIn } from './client.ts'

type Entry = 'waiting' | 'out' | SignedIn

export function App(): JSX.Element {
  const [entry, setEntry] = useState<Entry>('waiting')
  const [failure, setFailure] = useState<string>()
  const fail = (error: Error): void => setFailure(error.message)
  const look = (): Promise<void> =>
    askWho().then(
      (who) => setEntry(who ?? 'out'),
      (error: Error) => {
        fail(error)
        setEntry('out')
      },
    )
  const enter = (): Promise<void> =>
    (wasRefused() ? Promise.reject(new Error(TEXT.signIn.refused)) : beginSession())
      .then(() => setFailure(undefined), fail)
      .then(look)
  useEffect(() => {
    whenSignedOut(() => setEntry('out'))
    // A link may be opened where the page is open already.
    const onHash = (): void => {
      if (location.hash.startsWith('#login=')) void enter()
    }
    addEventListener('hashchange', onHash)
    void enter()
    return () => removeEventListener('hashchange', onHash)
  }, [])
  if (entry === 'waiting') return <p class="alone">{TEXT.loading}</p>
  if (entry === 'out') {
    const onIn = (): void => {
      setFailure(undefined)
      void look()
    }
    return <SignIn failure={failure} onIn={onIn} onFailure={fail} />
  }
  return entry.isOwner ? <OwnerPages /> : <AccountPages {...entry} />
}

function OwnerPages(): JSX.Element {
  const live = useLive()
  const { page, rest } = pageOf(useRoute())
  const { Page } = page
  return (
    <Frame name={live.seen?.status.node.name ?? TEXT.title} pages={PAGES} current={page}>
      {live.isBroken && (
        <p role="status" class="banner warning">
          {TEXT.broken}
        </p>
      )}
      {live.seen === undefined ? <p>{TEXT.loading}</p> : <Page seen={live.seen} rest={rest} />}
    </Frame>
  )
}
