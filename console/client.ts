// Asks the node what any program may ask it: the same paths, the same rights, no others. A session
// is shown by a cookie that scripts cannot read and by a key that only this origin can.
import { ShoalClient, ShoalProblem } from '../client/client.ts'
import { TEXT } from './texts.ts'
import type { Grant } from '../protocol/accounts/grants.ts'
import type { Asking } from '../client/client.ts'
import type { Calls, LineCalls } from '../client/types.ts'
import type { NodeApi } from '../node/control/api.ts'
import type { Answer, Item } from './wire.ts'

const KEY = 'shoal-page'
const SESSION = '/v1/session'
const PROVIDER = `${SESSION}/provider`
const REFUSED = '#not-signed-in'
const LOGIN = /^#login=([\w-]+)$/
/** After a stream broke off: the first pause, and the longest. */
const RETRY_MS = 500
const RETRY_MS_MAX = 10_000

/** The client of this page: shows its session, and says when there is none. */
class PageClient extends ShoalClient {
  constructor() {
    super({ url: '', headers: pageKey })
  }

  /** throws ShoalProblem, or Error where the node does not answer. */
  override async request(path: string, asked: Asking = {}): Promise<Response> {
    try {
      return await super.request(path, asked)
    } catch (error) {
      if (asked.signal?.aborted === true) throw error
      if (!(error instanceof ShoalProblem)) throw new Error(TEXT.offline, { cause: error })
      // A wrong code says nothing of the session that there may be.
      if (error.problem.status === 401 && !path.startsWith(SESSION)) forgetSession()
      throw error
    }
  }
}

export const client: ShoalClient = new PageClient()

function pageKey(): Readonly<Record<string, string>> {
  const page = localStorage.getItem(KEY)
  return page === null ? {} : { [KEY]: page }
}

/** Called once the node says that there is no session. */
let onSignedOut = (): void => {}

export function whenSignedOut(run: () => void): void {
  onSignedOut = run
}

/** Is there a key of a session? Whether it still holds, the node will say. */
function hasSession(): boolean {
  return localStorage.getItem(KEY) !== null
}

/** Begin the session that the address of this page has a code for, and take the code out of it. */
export async function beginSession(): Promise<void> {
  const [, code] = LOGIN.exec(location.hash) ?? []
  if (code === undefined) return
  history.replaceState(null, '', '/#/')
  const response = await client.request(SESSION, {
    method: 'POST',
    body: JSON.stringify({ code }),
  })
  const { page } = (await response.json()) as { page: string }
  localStorage.setItem(KEY, page)
}

/** Begin the session of an account. throws as client does. */
export async function signIn(login: string, password: string): Promise<void> {
  const body = JSON.stringify({ login, password, page: true })
  const response = await client.request(SESSION, { method: 'POST', body })
  const { page } = (await response.json()) as { page: string }
  localStorage.setItem(KEY, page)
}

/** The provider where people sign in for this node; undefined: there is none. throws Failure. */
export async function askProvider(): Promise<string | undefined> {
  const { provider } = (await (await client.request(`${SESSION}/ways`)).json()) as {
    provider?: string
  }
  return provider
}

/** Leave this page for that of the provider, which sends us back. throws Failure. */
export async function goToProvider(): Promise<void> {
  const { url } = (await (await client.request(PROVIDER, { method: 'POST' })).json()) as {
    url: string
  }
  location.assign(url)
}

/** Has the provider just sent us back without a session? Told once. */
export function wasRefused(): boolean {
  if (location.hash !== REFUSED) return false
  history.replaceState(null, '', '/#/')
  return true
}

/** The owner or the account that is signed in. */
export interface SignedIn {
  readonly who: string
  readonly isOwner: boolean
  /** Undefined, as the grants, for the owner. */
  readonly volume?: string
  readonly grants?: readonly Grant[]
}

/** Ask who is signed in. Undefined: nobody any more. throws as client does. */
export async function askWho(): Promise<SignedIn | undefined> {
  if (!hasSession()) return undefined
  try {
    return (await (await client.request(SESSION)).json()) as SignedIn
  } catch (error) {
    if (!(error instanceof ShoalProblem) || error.code !== 'EACCES') throw error
    forgetSession()
    return undefined
  }
}

/** Have the session of an account go on: it ends by itself where nobody asks for that. */
export async function renewSession(): Promise<void> {
  try {
    await client.request(SESSION, { method: 'PUT' })
  } catch (error) {
    // A node that cannot be reached now is asked again.
    if (error instanceof ShoalProblem && error.code === 'EACCES') forgetSession()
  }
}

export async function endSession(): Promise<void> {
  // A node that cannot be reached ends it by itself, after an hour without requests.
  await client.request(SESSION, { method: 'DELETE' }).catch(() => undefined)
  forgetSession()
}

function forgetSession(): void {
  localStorage.removeItem(KEY)
  onSignedOut()
}

type Fields = Readonly<Record<string, unknown>>

/** The names of calls with one answer. */
type Single = {
  [Name in keyof NodeApi]: NodeApi[Name] extends (...passed: never[]) => Promise<unknown>
    ? Name
    : never
}[keyof NodeApi]

type Paged = Exclude<keyof NodeApi, Single>

/**
 * Make a call that has one answer, of which this page has the very types. throws as client does.
 */
export async function call<Name extends Single & keyof Calls>(
  name: Name,
  fields: Fields = {},
): Promise<Answer<NodeApi[Name]>> {
  const answer = await client.call(name, fields as Calls[Name]['fields'])
  return answer as Answer<NodeApi[Name]>
}

/** Make a call that is answered in pages: its items as they come. throws as client does. */
export async function* items<Name extends Paged & keyof LineCalls>(
  name: Name,
  fields: Fields = {},
  options: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Item<NodeApi[Name]>> {
  const all = client.items(name, fields as LineCalls[Name]['fields'], options)
  for await (const item of all) yield item as Item<NodeApi[Name]>
}

/** All items, or the first of them. */
export async function all<Name extends Paged & keyof LineCalls>(
  name: Name,
  fields: Fields = {},
  limit?: number,
): Promise<readonly Item<NodeApi[Name]>[]> {
  const found: Item<NodeApi[Name]>[] = []
  for await (const item of items(name, fields, limit === undefined ? {} : { limit }))
    found.push(item)
  return found
}

/**
 * Hear server-sent events until the signal aborts; begins anew after a while where it breaks off,
 * and says so.
 */
export async function follow<Event>(
  path: string,
  { onEvent, onBroken }: { onEvent: (event: Event) => void; onBroken: () => void },
  signal: AbortSignal,
): Promise<void> {
  for (let pauseMs = RETRY_MS; !signal.aborted;) {
    try {
      for await (const { data } of await client.events(path, signal)) {
        onEvent(data as Event)
        pauseMs = RETRY_MS
      }
    } catch (error) {
      const isSignedOut = error instanceof ShoalProblem && error.code === 'EACCES'
      if (signal.aborted || isSignedOut) return
    }
    onBroken()
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)
  }
}
