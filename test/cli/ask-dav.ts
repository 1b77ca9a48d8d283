// Asks a WebDAV door as clients do, and takes its answers apart.
import { after, before } from 'node:test'
import { asked } from './ask-http.ts'
import { withDoor } from './with-door.ts'
import type { Answer, Ask } from './ask-http.ts'
import type { OpenDoor } from './with-door.ts'

export interface DavDoor extends OpenDoor {
  /** A request with the account of the owner, whose path is sent as it is. */
  readonly dav: (method: string, path: string, options?: DavAsk) => Promise<Answer>
}

export interface DavAsk extends Omit<Ask, 'method'> {
  /** The header Depth. */
  readonly depth?: string
  /** Tokens of locks, for the header If. */
  readonly tokens?: readonly string[]
}

export async function withDavDoor(use: (door: DavDoor) => Promise<void>): Promise<void> {
  await withDoor('{ webdav: "127.0.0.1:0" }', async (door) => {
    const { url, token } = door
    const dav: DavDoor['dav'] = (method, path, { headers = {}, depth, tokens, ...rest } = {}) =>
      asked(url, path, {
        ...rest,
        method,
        headers: {
          authorization: basic('owner', token),
          ...(depth !== undefined && { depth }),
          ...(tokens !== undefined && { if: `(${tokens.map((one) => `<${one}>`).join(' ')})` }),
          ...headers,
        },
      })
    await use({ ...door, dav })
  })
}

/** One door for the tests of a file, one after the other: each finds its folder empty. */
export function oneDavDoor(): (use: (door: DavDoor) => Promise<void>) => Promise<void> {
  const opened = Promise.withResolvers<DavDoor>()
  const ended = Promise.withResolvers<void>()
  let running: Promise<void> = Promise.resolve()
  before(async () => {
    running = withDavDoor(async (door) => {
      opened.resolve(door)
      await ended.promise
    })
    await Promise.race([opened.promise, running])
  })
  after(async () => {
    ended.resolve()
    await running
  })
  return async (use) => {
    const door = await opened.promise
    await use(door)
    const { text } = await door.dav('PROPFIND', '/', { depth: '1' })
    for (const href of hrefsIn(text).slice(1)) await door.dav('DELETE', href)
  }
}

export function basic(login: string, password: string): string {
  return `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}`
}

export function lockInfo(scope: 'exclusive' | 'shared'): string {
  return (
    `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope>` +
    '<D:locktype><D:write/></D:locktype><D:owner><D:href>me &amp; you</D:href></D:owner></D:lockinfo>'
  )
}

/** The token that LOCK gave. */
export function tokenOf({ headers }: Answer): string {
  return String(headers['lock-token']).replaceAll(/[<>]/g, '')
}

/** The content of each element of that name, in a document whose prefix for DAV: is D. */
export function inEach(xml: string, name: string): readonly string[] {
  const all = new RegExp(`<D:${name}(?:/>|>(.*?)</D:${name}>)`, 'gs')
  return Array.from(xml.matchAll(all), ([, content = '']) => content)
}

export function hrefsIn(xml: string): readonly string[] {
  return inEach(xml, 'response').map((response) => inEach(response, 'href')[0] ?? '')
}

/** The content of a file, or the status if there is none. */
export async function textAt({ dav }: DavDoor, path: string): Promise<string> {
  const { status, text } = await dav('GET', path)
  return status === 200 ? text : String(status)
}

/** The status of each of some requests, one after the other. */
export async function statuses(
  { dav }: DavDoor,
  requests: readonly (readonly [string, string, Parameters<DavDoor['dav']>[2]?])[],
): Promise<readonly number[]> {
  const found: number[] = []
  for (const [method, path, options] of requests)
    found.push((await dav(method, path, options)).status)
  return found
}

/** The body of a PROPFIND. */
export function prop(...names: readonly string[]): string {
  return `<D:propfind xmlns:D="DAV:"><D:prop>${names.map((name) => `<D:${name}/>`).join('')}</D:prop></D:propfind>`
}
