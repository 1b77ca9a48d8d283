// Asks the node what any program may ask it: the same paths, the same rights, no others. A session
// is shown by a cookie that scripts cannot read and by a key that only this origin can.
import { TEXT } from './texts.ts'
import type { Grant } from '../protocol/accounts/grants.ts'
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

/** A failure that the node tells of, or that keeps it from telling. */
class Failure extends Error {
  /** As the API has it; 'offline' where the node does not answer. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
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
  const response = await send(SESSION, { method: 'POST', body: JSON.stringify({ code }) })
  const { page } = (await response.json()) as { page: string }
  localStorage.setItem(KEY, page)
}

/** Begin the session of an account. throws Failure. */
export async function signIn(login: string, password: string): Promise<void> {
  const body = JSON.stringify({ login, password, page: true })
  const response = await send(SESSION, { method: 'POST', body })
  const { page } = (await response.json()) as { page: string }
  localStorage.setItem(KEY, page)
}

/** The provider where people sign in for this node; undefined: there is none. throws Failure. */
export async function askProvider(): Promise<string | undefined> {
  const { provider } = (await (await send(`${SESSION}/ways`)).json()) as { provider?: string }
  return provider
}

/** Leave this page for that of the provider, which sends us back. throws Failure. */
export async function goToProvider(): Promise<void> {
  const { url } = (await (await send(PROVIDER, { method: 'POST' })).json()) as { url: string }
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

/** Ask who is signed in. Undefined: nobody any more. throws Failure. */
export async function askWho(): Promise<SignedIn | undefined> {
  if (!hasSession()) return undefined
  try {
    return (await (await send(SESSION)).json()) as SignedIn
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'EACCES') throw error
    forgetSession()
    return undefined
  }
}

/** Have the session of an account go on: it ends by itself where nobody asks for that. */
export async function renewSession(): Promise<void> {
  try {
    await send(SESSION, { method: 'PUT' })
  } catch (error) {
    // A node that cannot be reached now is asked again.
    if (error instanceof Failure && error.code === 'EACCES') forgetSession()
  }
}

export async function endSession(): Promise<void> {
  // A node that cannot be reached ends it by itself, after an hour without requests.
  await send(SESSION, { method: 'DELETE' }).catch(() => undefined)
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

/** Make a call that has one answer. throws Failure. */
export async function call<Name extends Single>(
  name: Name,
  fields: Fields = {},
): Promise<Answer<NodeApi[Name]>> {
  const response = await post(name, fields)
  return (await response.json()) as Answer<NodeApi[Name]>
}

/** Make a call that is answered in pages: its items as they come. throws Failure. */
export async function* items<Name extends Paged>(
  name: Name,
  fields: Fields = {},
  signal?: AbortSignal,
): AsyncGenerator<Item<NodeApi[Name]>> {
  const response = await post(name, fields, signal)
  for await (const line of linesOf(response, '\n')) {
    if (line === '') continue
    const item = JSON.parse(line) as { readonly problem?: { code: string; detail: string } }
    if (item.problem !== undefined) throw new Failure(item.problem.code, item.problem.detail)
    yield item as Item<NodeApi[Name]>
  }
}

/** All items, or the first of them. */
export async function all<Name extends Paged>(
  name: Name,
  fields: Fields = {},
  countMax: number = Infinity,
): Promise<readonly Item<NodeApi[Name]>[]> {
  const found: Item<NodeApi[Name]>[] = []
  for await (const item of items(name, fields)) {
    if (found.push(item) >= countMax) break
  }
  return found
}

function post(name: string, fields: Fields, signal?: AbortSignal): Promise<Response> {
  return send(`/v1/calls/${name}`, { method: 'POST', body: JSON.stringify(fields), signal })
}

interface Asking {
  readonly method?: string
  readonly body?: BodyInit
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

/** throws Failure. */
export async function send(
  path: string,
  { method = 'GET', body, headers = {}, signal }: Asking = {},
): Promise<Response> {
  const page = localStorage.getItem(KEY)
  const key: Record<string, string> = page === null ? {} : { [KEY]: page }
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: { ...headers, ...key },
      credentials: 'same-origin',
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
    })
  } catch (cause) {
    if (signal?.aborted === true) throw cause
    throw new Failure('offline', TEXT.offline)
  }
  if (response.ok) return response
  // A wrong code says nothing of the session that there may be.
  if (response.status === 401 && !path.startsWith(SESSION)) forgetSession()
  throw await failureOf(response)
}

async function failureOf(response: Response): Promise<Failure> {
  try {
    const { code, detail } = (await response.json()) as { code: string; detail: string }
    return new Failure(code, detail)
  } catch {
    // It is no answer of a node, and the status says all that is known.
    return new Failure('internal', TEXT.noAnswer(response.status))
  }
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
      const response = await send(path, { signal })
      for await (const event of linesOf(response, '\n\n')) {
        const data = event.split('\n').find((line) => line.startsWith('data: '))
        if (data === undefined) continue
        onEvent(JSON.parse(data.slice('data: '.length)) as Event)
        pauseMs = RETRY_MS
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Failure && error.code === 'EACCES')) return
    }
    onBroken()
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)
  }
}

async function* linesOf(response: Response, end: string): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (reader === undefined) return
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      const parts = (rest + (value ?? '')).split(end)
      rest = parts.pop() ?? ''
      yield* parts
      if (done) break
    }
    if (rest !== '') yield rest
  } finally {
    // It fails where the stream has broken already, as whoever reads it was told.
    await reader.cancel().catch(() => undefined)
  }
}
