// The pages of the console, in the order of their list, and which of them an address names.
import { Cold } from './pages/cold.tsx'
import { Files } from './pages/files.tsx'
import { Jobs } from './pages/jobs.tsx'
import { Log } from './pages/log.tsx'
import { MachinesPage } from './pages/machines.tsx'
import { Overview } from './pages/overview.tsx'
import { Settings } from './pages/settings.tsx'
import { Volumes } from './pages/volumes.tsx'
import { TEXT } from './texts.ts'
import type { ComponentType } from 'preact'
import type { Shown } from './live.ts'

export interface PageProps {
  readonly seen: Shown
  /** The parts of the address after the page's name, decoded. */
  readonly rest: readonly string[]
}

export interface Page {
  readonly path: string
  readonly name: string
  readonly Page: ComponentType<PageProps>
}

const OVERVIEW: Page = { path: '', name: TEXT.nav.home, Page: Overview }

export const PAGES: readonly Page[] = [
  OVERVIEW,
  { path: 'files', name: TEXT.nav.files, Page: Files },
  { path: 'machines', name: TEXT.nav.machines, Page: MachinesPage },
  { path: 'volumes', name: TEXT.nav.volumes, Page: Volumes },
  { path: 'cold', name: TEXT.nav.cold, Page: Cold },
  { path: 'jobs', name: TEXT.nav.jobs, Page: Jobs },
  { path: 'log', name: TEXT.nav.log, Page: Log },
  { path: 'settings', name: TEXT.nav.settings, Page: Settings },
]

/** hash: as the address has it, '#/files/main/docs'. */
export function pageOf(hash: string): { readonly page: Page; readonly rest: readonly string[] } {
  const { path, rest } = routeOf(hash)
  const page = PAGES.find((one) => one.path === path)
  return page === undefined ? { page: OVERVIEW, rest: [] } : { page, rest }
}

/** The name of a page and what follows it, decoded, of an address as above. */
export function routeOf(hash: string): { readonly path: string; readonly rest: readonly string[] } {
  const [path = '', ...rest] = hash.replace(/^#\/?/, '').split('/').map(decode)
  return { path, rest: rest.filter(Boolean) }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // it names nothing then, and that is said
  }
}
