// `node bench/webdav.ts --rounds 5`: the WebDAV door beside `rclone serve webdav` of a folder on
// the same disk, by turns: one large file and many small ones, by several connections that stay
// open. What Shoal has acknowledged is on the disk; rclone waits for no disk.
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { basic, withDavDoor } from '../test/cli/ask-dav.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { CONNECTIONS, compareByTurns, forEachOf, smallFile } from './by-turns.ts'
import type { Contestant, Work } from './by-turns.ts'
import type { IncomingMessage } from 'node:http'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
  },
})
const mebibytes = Number(values.mib)
const fileCount = Number(values.files)

interface Server extends Contestant {
  readonly url: URL
  readonly authorization: string
  readonly agent: Agent
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
const big = join(folder, 'big')
await writeRandomFile(big, mebibytes)
try {
  await withDavDoor(async ({ url, token, json }) => {
    const { node } = (await json('status')) as { readonly node: { readonly pid: number } }
    const shoal = serverOf('shoal', url.href, token, node.pid)
    await withRclone(async (rclone) => {
      await compareByTurns('WebDAV', [shoal, rclone], Number(values.rounds), (server, round) =>
        worksOf(server, `/round${round}`),
      )
    })
  })
} finally {
  await rm(folder, { recursive: true })
}

function* worksOf(server: Server, at: string): Generator<Work> {
  const ask = (method: string, path: string, headers = {}, body?: Buffer): Promise<number> =>
    exchange(server, method, `${at}${path}`, headers, body)
  const each = (run: (path: string, i: number) => Promise<unknown>): Promise<void> =>
    forEachOf(fileCount, (i) => run(`/small/${i}`, i))
  yield ['make two folders', async () => [await ask('MKCOL', '/'), await ask('MKCOL', '/small/')]]
  yield [`put ${mebibytes} MiB`, () => exchange(server, 'PUT', `${at}/big`, {}, big)]
  yield [`get ${mebibytes} MiB`, () => ask('GET', '/big')]
  yield [`put ${fileCount} small`, () => each((path, i) => ask('PUT', path, {}, smallFile(i)))]
  yield [`get ${fileCount} small`, () => each((path) => ask('GET', path))]
  yield [`look at each`, () => each((path) => ask('PROPFIND', path, { depth: '0' }))]
  yield [`list them`, () => ask('PROPFIND', '/small/', { depth: '1' })]
  const copy = (path: string): Promise<number> =>
    ask('COPY', path, { destination: `${server.url.origin}${at}${path}-copy` })
  yield [`copy each`, () => each(copy)]
  yield ['remove all', () => ask('DELETE', '/')]
}

/** returns how many bytes were answered; body: what is sent, or the file that has it. */
async function exchange(
  { url, authorization, agent }: Server,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: Buffer | string,
): Promise<number> {
  const sent = request({
    host: url.hostname,
    port: url.port,
    method,
    path,
    agent,
    headers: {
      authorization,
      ...headers,
      ...(typeof body === 'string' && { 'content-length': mebibytes * MIB }),
    },
  })
  if (typeof body === 'string') createReadStream(body).pipe(sent)
  else sent.end(body)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
  })
  let bytes = 0
  for await (const part of answer as AsyncIterable<Uint8Array>) bytes += part.byteLength
  if ((answer.statusCode ?? 0) >= 400) throw new Error(`${method} ${path}: ${answer.statusCode}`)
  return bytes
}

function serverOf(name: string, url: string, password: string, pid: number): Server {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  return { name, url: new URL(url), authorization: basic('owner', password), pid, agent }
}

async function withRclone(use: (server: Server) => Promise<void>): Promise<void> {
  const argv = [
    'serve',
    'webdav',
    folder,
    '--addr',
    '127.0.0.1:0',
    '--user',
    'owner',
    '--pass',
    'x',
  ]
  const child = spawn('rclone', argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    let said = ''
    for await (const text of child.stderr.setEncoding('utf8') as AsyncIterable<string>) {
      said += text
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? []
      if (url === undefined) continue
      await use(serverOf('rclone', url, 'x', child.pid ?? 0))
      return
    }
    throw new Error(said)
  } finally {
    child.kill()
  }
}
