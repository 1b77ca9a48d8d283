// The pages for people with an account: the files of their volume that they may see, and what they
// may do. All about the machine is for its owner.
import { useEffect, useMemo, useState } from 'preact/hooks'
import { renewSession } from './client.ts'
import { Frame, useRoute } from './frame.tsx'
import { shown } from './format.ts'
import { PAGES, routeOf } from './pages.ts'
import { FilesOf } from './pages/files.tsx'
import { Card } from './parts/card.tsx'
import { WithRights, rightsOf } from './rights.ts'
import { TEXT } from './texts.ts'
import type { JSX } from 'preact'
import type { SignedIn } from './client.ts'

/** A third of what a session lasts by itself. */
const RENEW_MS = 5 * 60_000
/** Whoever is no owner is told of no changes, and looks again. */
const LOOK_MS = 30_000

const FILES = { path: 'files', name: TEXT.nav.files } as const
const MINE = { path: 'account', name: TEXT.nav.account } as const

export function AccountPages({ who, volume = '', grants = [] }: SignedIn): JSX.Element {
  const { path, rest } = routeOf(useRoute())
  const rights = useMemo(() => rightsOf(grants), [grants])
  useRenewal()
  const heads = useLooks()
  const isOwners = PAGES.some((one) => one.path === path && path !== '' && path !== FILES.path)
  const readable = [{ name: volume, isDefault: true, heads: [heads] }]
  return (
    <WithRights value={rights}>
      <Frame name={shown(volume)} pages={[FILES, MINE]} current={path === MINE.path ? MINE : FILES}>
        {isOwners ? (
          <>
            <h1>{PAGES.find((one) => one.path === path)?.name}</h1>
            <p>{TEXT.account.ownersAlone}</p>
          </>
        ) : path === MINE.path ? (
          <Mine {...{ who, volume, grants }} />
        ) : (
          <FilesOf rest={rest} readable={readable} />
        )}
      </Frame>
    </WithRights>
  )
}

function Mine({ who, volume, grants }: Required<Omit<SignedIn, 'isOwner'>>): JSX.Element {
  const words = TEXT.account
  return (
    <>
      <h1>{TEXT.nav.account}</h1>
      <div class="cards">
        <Card title={words.rights}>
          <dl>
            <div>
              <dt>{words.who}</dt>
              <dd>{shown(who)}</dd>
            </div>
            <div>
              <dt>{words.volume}</dt>
              <dd>{shown(volume)}</dd>
            </div>
            {grants.map(({ path, verbs }) => (
              <div key={path}>
                <dt>{shown(path)}</dt>
                <dd>{verbs.map((verb) => words.verbs[verb]).join(', ')}</dd>
              </div>
            ))}
          </dl>
          {grants.length === 0 && <p>{words.nothing}</p>}
          <p class="quiet">{words.ends}</p>
        </Card>
      </div>
    </>
  )
}

/** As long as the page is open, and at once when it is looked at again. */
function useRenewal(): void {
  useEffect(() => {
    const renew = (): void => void renewSession()
    const look = (): void => {
      if (!document.hidden) renew()
    }
    const timer = setInterval(renew, RENEW_MS)
    document.addEventListener('visibilitychange', look)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }, [])
}

/** Another text whenever it is time to look again. */
function useLooks(): string {
  const [looks, setLooks] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setLooks((before) => before + 1)
    }, LOOK_MS)
    return () => clearInterval(timer)
  }, [])
  return String(looks)
}
