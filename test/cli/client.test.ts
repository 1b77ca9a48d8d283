// The client and the server of the control socket together: a call there is a call here, with the
// same answers and errors, bodies with backpressure, and an abort that reaches the node.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { CALLS } from '../../node/control/calls.ts'
import { ROUTES } from '../../node/control/routes.ts'
import { serveControl } from '../../node/control/server.ts'
import { SMALL_FILES_MAX, SMALL_FILE_BYTES } from '../../node/control/small-files.ts'
import { REQUEST_BYTES_MAX, socketPathOf } from '../../node/control/wire.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { MemoryNode } from './memory-node.ts'
import type { IncomingMessage } from 'node:http'
import type { CallOptions } from '../../node/control/api.ts'
import type { FileContent, NewFile } from '../../node/control/files.ts'
import type { ControlServer } from '../../node/control/server.ts'

const MIB = 1_048_576

describe('control socket', () => {
  test('every method passes its arguments and its answer', async () => {
    await withClient(async (client, node) => {
      await client.makeFolder('/a/ä 🐟', { parents: true, mode: 0o700, ack: 'none' })
      const written: NewFile = { mode: 0o640, modifiedNs: -1n, sizeBytes: 3 }
      await client.writeFile('/a/ä 🐟/f', partsOf('xyz'), written, { ack: 'none' })
      await client.makeSymlink('/a/l', 'ä 🐟/f', { ack: 'none' })
      await client.setAttributes('/a', { modifiedNs: 1_700_000_000_123_456_789n })
      await client.move('/a/ä 🐟/f', '/a/g')
      for (const path of ['/a', '/a/g', '/a/l', '/'])
        assert.deepEqual(await client.stat(path), definedOf(await node.stat(path)))
      assert.deepEqual(await allOf(client.list('/a')), await allOf(node.list('/a')))
      const range = await client.readFile('/a/g', { offsetBytes: 1, lengthBytes: 5 })
      assert.equal(range.lengthBytes, 2)
      assert.equal(range.stat.modifiedNs, -1n)
      assert.equal(await textOf(range.content), 'yz')
      await client.settle('copied')
      assert.deepEqual(node.settled, ['copied'])
      await client.remove('/a', { recursive: true })
      assert.deepEqual(await client.status(), definedOf(await node.status()))
      assert.equal(await client.pingPeer('shelf'), 1.25)
      await client.mount('/m')
      assert.deepEqual(await client.listMounts(), await node.listMounts())
      await client.unmount('/m', { force: true })
      node.log = [{ kind: 'dropped', beforeMs: undefined }]
      assert.deepEqual(await allOf(client.readLog('/', { limit: 0, all: true })), [[]])
      assert.deepEqual(await allOf(client.readLog('/')), [[{ kind: 'dropped' }]])
      assert.deepEqual(await allOf(client.listConflicts('/')), [[]])
      await assert.rejects(client.showConflict('/x'), { code: 'EINVAL' })
      await assert.rejects(client.keepConflict('/x'), { code: 'EINVAL' })
    })
  })

  test('each call has a route of its own', () => {
    assert.equal(CALLS.size, Object.keys(ROUTES).length)
  })

  test('many small files come in one call, with an error for each unreadable one', async () => {
    await withClient(async (client, node) => {
      await node.makeFolder('/d')
      const paths = Array.from({ length: SMALL_FILES_MAX }, (_, i) => `/ä 🐟 ${i}`)
      for (const [i, path] of paths.entries())
        await node.writeFile(path, partsOf('é'.repeat(20 * i)))
      await node.writeFile('/large', partsOf('x'.repeat(SMALL_FILE_BYTES + 1)))
      await node.writeFile('/most', partsOf('x'.repeat(SMALL_FILE_BYTES)))
      const odd = ['/large', '/none', '/d', '/most', '/ä 🐟 1']
      const files = (await allOf(client.readSmallFiles(paths))).flat()
      assert.deepEqual(
        files.map(({ path }) => path),
        paths,
      )
      for (const [i, file] of files.entries()) {
        assert.ok('bytes' in file)
        assert.equal(Buffer.from(file.bytes).toString(), 'é'.repeat(20 * i))
        assert.deepEqual(file.stat, definedOf(await node.stat(file.path)))
      }
      const found = (await allOf(client.readSmallFiles(odd))).flat()
      assert.deepEqual(
        found.map((file) => ('error' in file ? file.error.code : file.bytes.length)),
        ['EFBIG', 'ENOENT', 'EISDIR', SMALL_FILE_BYTES, 40],
      )
      await assert.rejects(allOf(client.readSmallFiles([])), { code: 'usage' })
      await assert.rejects(allOf(client.readSmallFiles([...paths, '/d'])), { code: 'usage' })
    })
  })

  test('a folder with many entries is listed completely, in pages', async () => {
    await withClient(async (client, node) => {
      for (let i = 0; i < 1234; i++) await node.makeFolder(`/${i}`)
      const pages = await allOf(client.list('/'))
      assert.ok(pages.length > 1)
      assert.equal(pages.flat().length, 1234)
    })
  })

  test('an error keeps its code, its message and whether it is permanent', async () => {
    await withClient(async (client) => {
      await assert.rejects(client.stat('/none'), { code: 'ENOENT', message: '/none is not there' })
      await assert.rejects(client.settle('placed'), { code: 'not-placed', permanent: false })
      await assert.rejects(client.setVolume('x', {}), { code: 'no-such-volume', permanent: true })
    })
  })

  test('invalid arguments are refused before the node sees them', async () => {
    await withClient(async (client) => {
      await assert.rejects(client.mount('relative'), {
        code: 'usage',
        message: /^folder must start with "\/"/,
      })
      await assert.rejects(client.invite({ uses: 0 }), {
        code: 'usage',
        message: /^uses must be at least 1/,
      })
      await assert.rejects(client.stat(''), { code: 'usage' })
      await assert.rejects(client.stat('x'.repeat(REQUEST_BYTES_MAX)), { code: 'malformed' })
      await assert.rejects(client.readFile('/', { offsetBytes: -1 }), { code: 'usage' })
    })
  })

  test('unknown and malformed requests get an error and crash nothing', async () => {
    await withClient(async (client, _node, home) => {
      for (const [method, path, body, code] of [
        ['GET', '/', '', 'unsupported'],
        ['POST', '/v1/nothing', '{}', 'unsupported'],
        ['POST', '/v1/__proto__', '{}', 'unsupported'],
        ['GET', '/v1/status', '', 'unsupported'],
        ['POST', '/v1/stat', '{', 'malformed'],
        ['POST', '/v1/stat', '[]', 'usage'],
        ['POST', '/v1/stat', '{"path":"/","more":1}', 'usage'],
        ['GET', '/v1/file?path=/&offsetBytes=1e3', '', 'usage'],
        ['PUT', '/v1/file', '', 'usage'],
      ] as const)
        assert.equal(await codeOf(home, method, path, body), code, `${method} ${path}`)
      await client.status()
    })
  })

  test('an aborted call rejects at once, and is aborted at the node', async () => {
    const node = new WaitingNode()
    await withClient(async (client) => {
      const controller = new AbortController()
      const call = client.settle('local', { signal: controller.signal })
      await node.asked.promise
      controller.abort(new ShoalError('aborted', 'enough'))
      await assert.rejects(call, { code: 'aborted', message: 'enough' })
      await node.aborted.promise
    }, node)
  })

  test('a write that the node refuses early does not wait for the rest of the body', async () => {
    await withClient(async (client) => {
      async function* endless(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(10)
        await new Promise(() => {})
      }
      await assert.rejects(client.writeFile('/none/x', endless()), { code: 'ENOENT' })
    })
  })

  test('a write whose source fails leaves the old file', async () => {
    await withClient(async (client, node) => {
      await client.writeFile('/x', partsOf('old'))
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(10)
        throw new ShoalError('EIO', 'the disk is gone')
      }
      await assert.rejects(client.writeFile('/x', failing()), {
        code: 'EIO',
        message: 'the disk is gone',
      })
      assert.equal(await textOf((await node.readFile('/x')).content), 'old')
    })
  })

  test('a slow reader holds back what the node sends', async () => {
    const node = new PouringNode()
    await withClient(async (client) => {
      const { content } = await client.readFile('/')
      const iterator = content[Symbol.asyncIterator]()
      await iterator.next()
      // The node comes to rest although 64 MiB wait: what is under way is bounded.
      let before = -1
      while (before !== node.poured) {
        before = node.poured
        for (let i = 0; i < 50; i++) await new Promise(setImmediate)
      }
      assert.ok(node.poured < 16 * MIB, `${node.poured} bytes were on their way`)
      await iterator.return?.()
    }, node)
  })

  test('closing the server ends running calls with "stopped" and removes the socket', async () => {
    const node = new WaitingNode()
    await withClient(async (client, _node, home, server) => {
      const call = client.settle('local')
      await node.asked.promise
      const ended = assert.rejects(call, { code: 'stopped' })
      await server.close()
      await ended
      await assert.rejects(stat(socketPathOf(home)), { code: 'ENOENT' })
      await assert.rejects(client.status(), { code: 'not-running' })
    }, node)
  })

  test('the socket has mode 0600, and a second server on it is refused', async () => {
    await withClient(async (client, node, home) => {
      const socketPath = socketPathOf(home)
      assert.equal((await stat(socketPath)).mode & 0o777, 0o600)
      await assert.rejects(serveControl(node, { socketPath, onError: () => {} }), {
        code: 'already-running',
      })
      await client.status()
    })
  })

  test('a socket path that is too long is refused, with advice to shorten --home', async () => {
    const home = `/${'x'.repeat(120)}`
    const refusal = {
      code: 'usage',
      message: /too long for a Unix socket\. Choose a shorter --home/,
    }
    const place = { socketPath: join(home, 'api.sock'), onError: () => {} }
    await assert.rejects(serveControl(new MemoryNode(), place), refusal)
    const client = openClient({ home })
    await assert.rejects(client.status(), refusal)
    client.close()
  })
})

/** settle() waits until it is aborted. */
class WaitingNode extends MemoryNode {
  readonly asked = Promise.withResolvers<void>()
  readonly aborted = Promise.withResolvers<void>()

  override async settle(_ack?: unknown, { signal }: CallOptions = {}): Promise<void> {
    assert.ok(signal)
    this.asked.resolve()
    await once(signal, 'abort')
    this.aborted.resolve()
    signal.throwIfAborted()
  }
}

/** Any file is 64 MiB. */
class PouringNode extends MemoryNode {
  poured = 0

  override async readFile(): Promise<FileContent> {
    return { stat: await this.stat('/'), lengthBytes: 64 * MIB, content: this.#pour() }
  }

  async *#pour(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 64; i++) {
      this.poured += MIB
      yield new Uint8Array(MIB)
    }
  }
}

async function withClient(
  use: (client: Client, node: MemoryNode, home: string, server: ControlServer) => Promise<void>,
  node: MemoryNode = new MemoryNode(),
): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-'))
  const unexpected: ShoalError[] = []
  const server = await serveControl(node, {
    socketPath: socketPathOf(home),
    onError: (error) => unexpected.push(error),
  })
  const client = openClient({ home })
  try {
    await use(client, node, home, server)
    assert.deepEqual(unexpected, [])
  } finally {
    client.close()
    await server.close()
    await rm(home, { recursive: true, force: true })
  }
}

async function codeOf(home: string, method: string, path: string, body: string): Promise<string> {
  const sent = request({ socketPath: socketPathOf(home), method, path, agent: false })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { error } = (await json(response)) as { error: { code: string } }
  return error.code
}

/** JSON has no undefined. */
function definedOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(definedOf)
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.map(([key, item]) => [key, definedOf(item)]))
}

async function* partsOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

async function textOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await allOf(parts)).toString('utf8')
}
