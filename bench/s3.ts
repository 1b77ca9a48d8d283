// `node bench/s3.ts --rounds 3`: the S3 door beside Ceph's radosgw on the same disk, by turns: one
// large object, the same in parts, and many small ones, by several connections that stay open.
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { scopeText, sign, signingKey, stringToSign } from '../node/doors/s3/sigv4.ts'
import { MIB } from '../protocol/units.ts'
import { S3Server } from '../test/cold/s3-server.ts'
import { withS3Door } from '../test/cli/with-s3.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { CONNECTIONS, compareByTurns, forEachOf, smallFile } from './by-turns.ts'
import type { Contestant, Work } from './by-turns.ts'
import type { IncomingMessage } from 'node:http'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '3' },
    layout: { type: 'string', default: 'path' },
  },
})
const mebibytes = Number(values.mib)
const fileCount = Number(values.files)
const PART_MIB = 16
const UNSIGNED = 'UNSIGNED-PAYLOAD'

interface Server extends Contestant {
  readonly url: URL
  readonly id: string
  readonly secret: string
  readonly region: string
  readonly agent: Agent
}

/** Bytes, or a part of a file. */
type Body = Buffer | { readonly file: string; readonly start: number; readonly length: number }

interface Asked {
  readonly method: string
  readonly path: string
  readonly query?: readonly (readonly [string, string])[]
  readonly body?: Body | undefined
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
const big = join(folder, 'big')
await writeRandomFile(big, mebibytes)
try {
  await using radosgw = await S3Server.start()
  const layout = values.layout === 'flat' ? 'flat' : 'path'
  await withS3Door(layout, async ({ url, token, json }) => {
    const { node } = (await json('status')) as { readonly node: { readonly pid: number } }
    const agent = (): Agent => new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    const own: Server = {
      name: 'shoal',
      pid: node.pid,
      url,
      id: 'owner',
      secret: token,
      region: 'us-east-1',
      agent: agent(),
    }
    const other: Server = {
      name: 'radosgw',
      pid: Number(await readFile(join(radosgw.folder, 'rgw.pid'), 'utf8')),
      url: new URL(radosgw.endpoint),
      id: radosgw.accessKey,
      secret: radosgw.secretKey,
      region: radosgw.region,
      agent: agent(),
    }
    for (const server of [own, other]) await exchange(server, { method: 'PUT', path: '/bench' })
    await compareByTurns(`S3 (${layout})`, [own, other], Number(values.rounds), (server, round) =>
      worksOf(server, `/bench/round${round}`),
    )
  })
} finally {
  await rm(folder, { recursive: true })
}

function* worksOf(server: Server, at: string): Generator<Work> {
  const ask = (method: string, path: string, body?: Body): Promise<Answer> =>
    exchange(server, { method, path: `${at}${path}`, body })
  const each = (run: (path: string, i: number) => Promise<unknown>): Promise<void> =>
    forEachOf(fileCount, (i) => run(`/small/${i}`, i))
  const whole = { file: big, start: 0, length: mebibytes * MIB }
  yield [`put ${mebibytes} MiB`, () => ask('PUT', '/big', whole)]
  yield [`get ${mebibytes} MiB`, () => ask('GET', '/big')]
  yield [`put ${mebibytes} MiB in parts`, () => upload(server, `${at}/parts`)]
  yield [`put ${fileCount} small`, () => each((path, i) => ask('PUT', path, smallFile(i)))]
  yield [`get ${fileCount} small`, () => each((path) => ask('GET', path))]
  yield [`look at each`, () => each((path) => ask('HEAD', path))]
  const prefix = `${at.slice('/bench/'.length)}/small/`
  const query = [
    ['list-type', '2'],
    ['prefix', prefix],
  ] as const
  yield ['list 1,000', () => exchange(server, { method: 'GET', path: '/bench', query })]
  yield ['remove each', () => each((path) => ask('DELETE', path))]
}

async function upload(server: Server, path: string): Promise<void> {
  const begun = await exchange(server, { method: 'POST', path, query: [['uploads', '']] })
  const [, id = ''] = /<UploadId>([^<]*)</.exec(begun.text) ?? []
  const count = mebibytes / PART_MIB
  const etags: string[] = []
  await forEachOf(count, async (i) => {
    const body = { file: big, start: i * PART_MIB * MIB, length: PART_MIB * MIB }
    const query = [
      ['partNumber', `${i + 1}`],
      ['uploadId', id],
    ] as const
    etags[i] = (await exchange(server, { method: 'PUT', path, query, body })).etag
  })
  const parts = etags.map(
    (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  )
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  await exchange(server, { method: 'POST', path, query: [['uploadId', id]], body })
}

interface Answer {
  readonly etag: string
  readonly text: string
}

async function exchange(
  { url, id, secret, region, agent }: Server,
  { method, path, query = [], body = Buffer.alloc(0) }: Asked,
): Promise<Answer> {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = { date: time.slice(0, 8), region, service: 's3' }
  const signed = { host: url.host, 'x-amz-content-sha256': UNSIGNED, 'x-amz-date': time }
  const headers = Object.entries(signed)
  const text = stringToSign({ method, path, query, headers, payload: UNSIGNED }, scope, time)
  const signature = sign(signingKey(secret, scope), text)
  const names = Object.keys(signed).join(';')
  const search = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  const sent = request({
    host: url.hostname,
    port: url.port,
    method,
    path: search === '' ? path : `${path}?${search}`,
    agent,
    headers: {
      ...signed,
      'content-length': body.length,
      authorization:
        `AWS4-HMAC-SHA256 Credential=${id}/${scopeText(scope)}, SignedHeaders=${names}, ` +
        `Signature=${signature}`,
    },
  })
  if (Buffer.isBuffer(body)) sent.end(body)
  else
    createReadStream(body.file, { start: body.start, end: body.start + body.length - 1 }).pipe(sent)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
  })
  const isText = Number(answer.headers['content-length'] ?? 0) < MIB
  let content = ''
  for await (const part of answer as AsyncIterable<Buffer>)
    if (isText) content += part.toString('latin1')
  if ((answer.statusCode ?? 0) >= 400)
    throw new Error(`${method} ${path}: ${answer.statusCode} ${content}`)
  return { etag: answer.headers.etag ?? '', text: content }
}
