// Consistency levels between real processes: sessions that move from node to node, and strong calls
// while nodes die.
import assert from 'node:assert/strict'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'

const ROUNDS = 12

type Three = readonly [TestNode, TestNode, TestNode]

test('sessions that move between nodes', async (t) => {
  await using cluster = await TestCluster.start(2)
  const [a, b] = cluster.nodes as [TestNode, TestNode]

  await t.test('a session reads on one node at once its writes on another', async () => {
    await withClients([a, b], async ([onA, onB]) => {
      let session: string | undefined
      const options = () => ({ session, onSession: (token: string) => void (session = token) })
      for (let round = 0; round < ROUNDS; round++) {
        const [one, other] = round % 2 === 0 ? [onA, onB] : [onB, onA]
        await one.writeFile('/file', textParts(String(round)), {}, { ack: 'none', ...options() })
        const { content } = await other.readFile('/file', options())
        assert.equal(await textOf(content), String(round))
      }
    })
    const file = join(cluster.folder, 'session')
    for (let round = 0; round < 2; round++) {
      await a.shoal('mkdir', `/made ${round}`, '--session', file)
      await b.shoal('stat', `/made ${round}`, '--session', file)
      await b.shoal('rm', `/made ${round}`, '--session', file)
      assert.doesNotMatch(await a.shoal('ls', '/', '--session', file), /made/)
    }
    assert.match(await readFile(file, 'utf8'), /^shoals1[a-z2-7]{10,200}\n$/)
  })

  await t.test(
    'a read that needs writes of an offline node names it in seconds, or waits for it',
    async () => {
      const file = join(cluster.folder, 'another session')
      await a.shoal('mkdir', '/away')
      await cluster.converged()
      await b.kill('SIGTERM')
      await a.shoal('mkdir', '/away/by a', '--session', file)
      await a.kill('SIGKILL')
      await b.start()
      const startMs = performance.now()
      const { code, stderr } = await b.run('ls', '/away', '--session', file)
      assert.equal(code, 1)
      assert.match(stderr, /lacks writes that the session has seen.*missing: writes of n1;/)
      assert.ok(performance.now() - startMs < 15_000)
      const eventual = ['--consistency', 'eventual', '--session', file]
      assert.equal(await b.shoal('ls', '/away', ...eventual), '')
      const waiting = b.run('ls', '/away', '--session', file)
      await a.start()
      assert.equal((await waiting).stdout, 'by a/\n')
    },
  )
})

test('strong volume: one winner per name, minority refused, nothing lost to kill -9', async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const nodes = cluster.nodes as unknown as Three
  const [a, b, c] = nodes
  await a.shoal('volume', 'set', 'main', 'consistency=strong')

  await t.test('of three nodes that make a name at once, exactly one succeeds', async () => {
    await withClients(nodes, async (clients) => {
      for (let round = 0; round < ROUNDS; round++) {
        const made = await Promise.all(clients.map((client) => isMade(client, `/name ${round}`)))
        assert.equal(made.filter((won) => won).length, 1, `round ${round}`)
      }
      const names = await Promise.all(clients.map((client) => namesIn(client, '/')))
      assert.deepEqual(names[1], names[0])
      assert.deepEqual(names[2], names[0])
      assert.equal(names[0]?.length, ROUNDS)
    })
  })

  await t.test('O_EXCL holds between mounts of several machines', () => openExclusively(nodes))

  await t.test('acknowledged writes survive the kill of their writer', async () => {
    for (let round = 0; round < 2; round++) {
      if (!a.isRunning) await a.start()
      await withClients(nodes, async ([onA, onB, onC]) => {
        const acknowledged: string[] = []
        const writing = (async () => {
          for (let at = 0; ; at++) {
            const path = `/kill ${round} ${at}`
            await onA.makeFolder(path)
            acknowledged.push(path.slice(1))
            if (at === 3 + round) void a.kill('SIGKILL')
          }
        })()
        await assert.rejects(writing, ShoalError)
        for (const client of [onB, onC]) {
          const names = new Set(await namesIn(client, '/'))
          for (const name of acknowledged) assert.ok(names.has(name), name)
        }
        await onB.makeFolder(`/after ${round}`)
      })
    }
    await a.start({ mount: a.mountFolder })
    assert.deepEqual(await a.shoal('ls', '/'), await b.shoal('ls', '/'))
  })

  await t.test('one voter of three refuses, and names the missing voters', async () => {
    await b.kill('SIGKILL')
    await c.kill('SIGKILL')
    for (const words of [
      ['mkdir', '/alone'],
      ['ls', '/'],
      ['put', '--', import.meta.filename, '/'],
    ]) {
      const { code, stderr } = await a.run(...words)
      assert.equal(code, 1)
      assert.match(
        stderr,
        /1 of 3 voters answered.*missing:(?=.* n2 \()(?=.* n3 \()/,
        words.join(' '),
      )
    }
    const { code, stderr } = await a.run('mkdir', '/alone', '--consistency', 'eventual')
    assert.equal(code, 1)
    assert.match(stderr, /accepts only strong writes/)
    assert.doesNotMatch(await a.shoal('ls', '/', '--consistency', 'eventual'), /alone/)
  })

  await t.test(
    'the mount of a node without a quorum refuses writes, and still serves reads',
    async () => {
      const moved = join(a.mountFolder, 'moved')
      await assert.rejects(writeFile(join(a.mountFolder, 'alone'), 'x'), { code: 'EAGAIN' })
      await assert.rejects(rm(moved), { code: 'EAGAIN' })
      await stat(moved)
      await b.start()
      await a.shoal('mkdir', '/two of three')
    },
  )
})

/** One of three makes each file. The first is renamed to "moved". */
async function openExclusively([a, b, c]: Three): Promise<void> {
  for (let round = 0; round < 6; round++) {
    const made = await Promise.allSettled(
      [a, b, c].map(({ name, mountFolder }) =>
        writeFile(join(mountFolder, `lock ${round}`), name, { flag: 'wx' }),
      ),
    )
    const failed = made.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []))
    assert.equal(failed.length, 2, `round ${round}`)
    for (const error of failed) assert.match(error.message, /^EEXIST/)
    const [winner] = [a, b, c].filter((_, at) => made[at]?.status === 'fulfilled')
    assert.equal(await b.shoal('cat', `/lock ${round}`), winner?.name)
  }
  await rename(join(a.mountFolder, 'lock 0'), join(a.mountFolder, 'moved'))
  const there = join(b.mountFolder, 'moved')
  await eventually('the rename shows there', async () => await isThere(there))
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function withClients<const Nodes extends readonly TestNode[]>(
  nodes: Nodes,
  use: (clients: { readonly [At in keyof Nodes]: Client }) => Promise<void>,
): Promise<void> {
  const clients = nodes.map(({ home }) => openClient({ home }))
  try {
    await use(clients as unknown as { readonly [At in keyof Nodes]: Client })
  } finally {
    for (const client of clients) client.close()
  }
}

async function isMade(client: Client, path: string): Promise<boolean> {
  try {
    await client.makeFolder(path)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

async function namesIn(client: Client, path: string): Promise<string[]> {
  const names: string[] = []
  for await (const page of client.list(path)) names.push(...page.map(({ name }) => name))
  return names
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

async function* textParts(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text)
}
