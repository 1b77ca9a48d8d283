// The access key of an S3 tier: taken where the owner types the command, kept in the home of the
// node, and seen by nobody else. The server of the test looks at whose key signs each request.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { LevelKv } from '../../node/store/level-kv.ts'
import type { TierStatus } from '../../node/control/cold.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'

const [KEY_ID, SECRET] = ['KEY-OF-THE-OWNER', 'a-secret-of-the-owner']
const EMPTY =
  '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
const REFUSED = '<Error><Code>InvalidAccessKeyId</Code></Error>'

test('cold add keeps the key of its own environment, in the home of the node only', async () => {
  const [signers, server] = await startServer()
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const { port } = server.address() as AddressInfo
  const place = ['s3://bucket/shoal', '--endpoint', `http://127.0.0.1:${port}`]
  const profiles = join(cluster.folder, 'credentials')
  try {
    // The environment of the node, which runs, has none of it.
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = profiles
    const lines = `aws_access_key_id = ${KEY_ID}\naws_secret_access_key = ${SECRET}\n`
    await writeFile(profiles, `[default]\n${lines}`, { mode: 0o600 })
    const added = await node.run('cold', 'add', 'attic', ...place)
    assert.equal(added.code, 0, added.stderr)
    assert.match(added.stderr, /AWS profile "default", is kept in the home of this node/)
    await rm(profiles)
    delete process.env['AWS_SHARED_CREDENTIALS_FILE']

    await node.kill('SIGTERM')
    await node.start()
    signers.length = 0
    const [tier] = await node.json<TierStatus[]>('cold', 'ls')
    assert.equal(tier?.failure, undefined)
    assert.ok(signers.length > 0)
    assert.deepEqual([...new Set(signers)], [KEY_ID])

    const shown = [
      ['cold', 'ls'],
      ['status'],
      ['volume', 'info', 'main'],
      ['log'],
      ['events', '--security'],
    ].map((words) => node.shoal('--json', ...words))
    const texts = [added.stdout, added.stderr, ...(await Promise.all(shown))]
    for (const text of texts) assert.ok(!text.includes(SECRET) && !text.includes(KEY_ID), text)
    await node.kill('SIGTERM')
    for (const { path, mode, content } of await filesIn(node.home)) {
      assert.equal(mode & 0o077, 0, `${path} is for its owner only`)
      assert.ok(path.startsWith('index/') || !content.includes(SECRET), path)
    }
    assert.equal(await isInIndex(node), true)
    const passphrase = join(cluster.folder, 'passphrase')
    await writeFile(passphrase, 'a passphrase of the owner', { mode: 0o600 })
    await node.shoal('key', 'protect', '--passphrase-file', passphrase)
    assert.equal(await isInIndex(node), false)
  } finally {
    delete process.env['AWS_SHARED_CREDENTIALS_FILE']
    server.closeAllConnections()
    server.close()
  }
})

/** An S3 server that lists nothing, and the ids of the keys that have signed requests to it. */
async function startServer(): Promise<[signers: string[], server: Server]> {
  const signers: string[] = []
  const objects = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    const [, signer = ''] = /Credential=([^/]+)/.exec(request.headers.authorization ?? '') ?? []
    signers.push(signer)
    if (signer !== KEY_ID) return void response.writeHead(403).end(REFUSED)
    void buffer(request).then((body) => {
      const { method } = request
      const { pathname, search } = new URL(request.url ?? '/', 'http://127.0.0.1')
      if (method === 'PUT') objects.set(pathname, body)
      const found = objects.get(pathname)
      if (search.includes('list-type') || search.includes('uploads')) return response.end(EMPTY)
      if (method === 'POST') return response.end('<DeleteResult/>')
      if (found === undefined) return response.writeHead(404).end()
      const headers = { etag: '"0"', 'content-length': method === 'PUT' ? 0 : found.length }
      return response.writeHead(200, headers).end(method === 'GET' ? found : undefined)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return [signers, server]
}

/** Can the secret be read from the index of a node that is down? Its files are compressed. */
async function isInIndex(node: TestNode): Promise<boolean> {
  const kv = await LevelKv.open(join(node.home, 'index'))
  try {
    for await (const [, value] of kv.scan({ from: '', to: '\xff' }))
      if (Buffer.from(value).includes(SECRET)) return true
    return false
  } finally {
    await kv.close()
  }
}

interface HomeFile {
  readonly path: string
  readonly mode: number
  readonly content: string
}

async function filesIn(home: string): Promise<readonly HomeFile[]> {
  const paths = await readdir(home, { recursive: true })
  const files = await Promise.all(
    paths.map(async (path): Promise<HomeFile[]> => {
      const found = await stat(join(home, path))
      if (!found.isFile()) return []
      return [{ path, mode: found.mode, content: await readFile(join(home, path), 'latin1') }]
    }),
  )
  return files.flat()
}
