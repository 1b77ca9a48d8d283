// The console: a page that asks this door what programs ask it, too. It is served as it was built,
// a fixed list of files, and loads, runs and sends nothing but what is here.
import { readFile } from 'node:fs/promises'
import { ShoalError } from '../../../protocol/errors.ts'
import { begin, sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'

/** By path, the name of the file and its type. */
const FILES: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/console.js', ['console.js', 'text/javascript; charset=utf-8']],
  ['/console.css', ['console.css', 'text/css; charset=utf-8']],
  ['/icon.svg', ['icon.svg', 'image/svg+xml']],
])

const HEADERS: Headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
}

/** Beside the bundle, or where sources run, as it was built last. */
const FOLDERS: readonly URL[] = [
  new URL('console/', import.meta.url),
  new URL('../../../dist/console/', import.meta.url),
]

/** Answers a request for a part of the page. returns false for any other. */
export async function serveConsole(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  path: string,
): Promise<boolean> {
  const { method } = request
  const [file, type] = FILES.get(path) ?? []
  if (file === undefined || type === undefined || (method !== 'GET' && method !== 'HEAD'))
    return false
  const body = await readBuilt(file)
  const headers = { ...HEADERS, 'content-type': type, 'content-length': body.byteLength }
  if (method === 'HEAD') sendNothing(response, 200, headers)
  else {
    begin(response, 200, headers)
    response.end(body)
  }
  return true
}

async function readBuilt(file: string): Promise<Uint8Array> {
  for (const folder of FOLDERS) {
    try {
      return await readFile(new URL(file, folder))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw new ShoalError('unsupported', 'the console is not built: run "node scripts/setup.mjs"')
}
