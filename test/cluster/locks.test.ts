// Locks between processes of several machines: real nodes, real mounts, and programs that lock
// files of them.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LEASE_MS } from '../../protocol/locks/claim.ts'
import { skip } from '../mount/mounted.ts'
import { TestCluster, eventually } from './cluster.ts'
import { Locker } from './locker.ts'
import type { TestNode } from './cluster.ts'

/** How often each of two machines counts. */
const ROUNDS = { fcntl: 16, flock: 16 }
/** More than a start, a voter that is silent for a lease, and another lease take. */
const SOON_MS: number = 4 * LEASE_MS

type Three = readonly [TestNode, TestNode, TestNode]

async function started(): Promise<TestCluster> {
  const cluster = await TestCluster.start(3)
  const [a] = cluster.nodes as unknown as Three
  await a.shoal('volume', 'set', 'main', 'locks=strong')
  await cluster.converged()
  for (const node of cluster.nodes) await node.shoal('mount', node.mountFolder)
  await writeFile(join(a.mountFolder, 'file'), '0')
  await cluster.converged()
  return cluster
}

const options = { skip, timeout: 600_000 }

test('file locks between processes on three machines', options, async (t) => {
  await using cluster = await started()
  const [a, b, c] = cluster.nodes as unknown as Three
  {
    await using onA = new Locker(a)
    await using onB = new Locker(b)
    await using onC = new Locker(c)
    const lockers = [onA, onB, onC] as const
    for (const family of ['fcntl', 'flock'] as const)
      await t.test(`increments under ${family} on two machines are counted once each`, async () => {
        await writeFile(join(a.mountFolder, 'file'), '0')
        await cluster.converged()
        await countOnTwo(lockers, family)
      })
    await t.test('byte ranges, shared locks, waits and interrupts work between machines', () =>
      lockRanges(lockers),
    )
  }

  await t.test(
    'after the kill of a lock holder another node gets the lock and sees its writes',
    async () => {
      await using onA = new Locker(a)
      await using onB = new Locker(b)
      assert.equal(await onA.ask('try', 'fcntl', 'exclusive', '0', '0'), 'ok')
      assert.equal(await onA.ask('write', 'by a'), 'ok')
      assert.equal(await onB.ask('try', 'fcntl', 'shared', '0', '0'), 'EAGAIN')
      // What was synced but not sent when it was killed comes when it is back.
      await cluster.converged()
      await a.kill('SIGKILL')
      const begunMs = performance.now()
      assert.equal(await onB.ask('wait', 'fcntl', 'exclusive', '0', '0'), 'ok')
      const tookMs = performance.now() - begunMs
      assert.ok(tookMs < LEASE_MS + 3000, `${tookMs} ms`)
      assert.equal(await readFile(join(b.mountFolder, 'file'), 'utf8'), 'by a')
      await a.start()
      await a.shoal('mount', a.mountFolder)
      await cluster.connected()
    },
  )

  await t.test(
    'a node stopped for longer than a lease loses its locks, and its writes fail',
    async () => {
      await using onA = new Locker(a)
      await using onB = new Locker(b)
      assert.equal(await onA.ask('wait', 'fcntl', 'exclusive', '0', '0'), 'ok')
      assert.equal(await onA.ask('write', 'before'), 'ok')
      process.kill(a.pid, 'SIGSTOP')
      assert.equal(await onB.ask('wait', 'fcntl', 'exclusive', '0', '0'), 'ok')
      assert.equal(await onB.ask('write', 'by b'), 'ok')
      onA.tell('write', 'too late')
      process.kill(a.pid, 'SIGCONT')
      assert.equal(await onA.hear(), 'EIO')
      assert.equal(await onA.ask('read'), 'EIO')
      assert.equal(await onA.ask('try', 'fcntl', 'exclusive', '0', '0'), 'EAGAIN')
      assert.equal(await onB.ask('unlock', 'fcntl', '0', '0'), 'ok')
      await cluster.connected()
      await using again = new Locker(a)
      assert.equal(await again.ask('wait', 'fcntl', 'exclusive', '0', '0'), 'ok')
      assert.equal(await again.ask('read'), 'by b')
    },
  )

  await t.test(
    'one node of three alone gets no lock, loses those it has, and logs it',
    async () => {
      await using onC = new Locker(c)
      assert.equal(await onC.ask('wait', 'flock', 'exclusive'), 'ok')
      await a.kill('SIGKILL')
      await b.kill('SIGKILL')
      assert.equal(await onC.ask('try', 'fcntl', 'exclusive', '0', '0'), 'ENOLCK')
      assert.equal(await onC.ask('wait', 'fcntl', 'shared', '0', '0'), 'ENOLCK')
      await eventually('its locks are lost', async () => (await onC.ask('read')) === 'EIO', SOON_MS)
      assert.match(await readFile(join(c.home, 'logs', 'node.log'), 'utf8'), /locks are lost/)
      await b.start()
      await using again = new Locker(c)
      assert.equal(await again.ask('wait', 'flock', 'exclusive'), 'ok')
    },
  )
})

type Lockers = readonly [Locker, Locker, Locker]

async function countOnTwo([onA, onB, onC]: Lockers, family: keyof typeof ROUNDS): Promise<void> {
  const rounds = ROUNDS[family]
  // Both run before one counts.
  await Promise.all([onA.ask('read'), onB.ask('read')])
  const counted = [onA, onB].map((locker) => locker.ask('count', family, String(rounds)))
  const turns = await Promise.all(counted)
  assert.equal(await onC.ask('read', family), String(2 * rounds))
  // Neither had to wait until the other was done.
  for (const changes of turns) assert.ok(Number(changes) > rounds / 8, changes)
}

async function lockRanges([onA, onB, onC]: Lockers): Promise<void> {
  assert.equal(await onA.ask('try', 'fcntl', 'exclusive', '0', '10'), 'ok')
  assert.equal(await onB.ask('try', 'fcntl', 'exclusive', '10', '10'), 'ok')
  assert.equal(await onB.ask('try', 'fcntl', 'shared', '9', '1'), 'EAGAIN')
  assert.equal(await onC.ask('who', 'fcntl', 'shared', '5', '5'), 'exclusive 0 10')
  assert.equal(await onC.ask('who', 'fcntl', 'shared', '20', '10'), 'nobody')
  assert.equal(await onA.ask('try', 'fcntl', 'shared', '0', '10'), 'ok')
  assert.equal(await onC.ask('try', 'fcntl', 'shared', '0', '10'), 'ok')
  assert.equal(await onA.ask('try', 'fcntl', 'exclusive', '0', '10'), 'EAGAIN')
  // flock knows nothing of these.
  assert.equal(await onB.ask('try', 'flock', 'exclusive'), 'ok')
  assert.equal(await onC.ask('try', 'flock', 'shared'), 'EAGAIN')

  onC.tell('wait', 'flock', 'exclusive')
  onA.tell('wait', 'fcntl', 'exclusive', '0', '10')
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.ok(!onA.hasSaid && !onC.hasSaid)
  onA.interrupt()
  assert.equal(await onA.hear(), 'EINTR')
  assert.equal(await onB.ask('unlock', 'flock'), 'ok')
  assert.equal(await onC.hear(), 'ok')
  assert.equal(await onB.ask('try', 'flock', 'exclusive'), 'EAGAIN')

  // A close of any descriptor, and a death, unlock what the process had.
  assert.equal(await onC.ask('reopen'), 'ok')
  assert.equal(await onA.ask('wait', 'fcntl', 'exclusive', '0', '10'), 'ok')
  assert.equal(await onB.ask('try', 'fcntl', 'exclusive', '0', '10'), 'EAGAIN')
  await onA[Symbol.asyncDispose]()
  assert.equal(await onB.ask('wait', 'fcntl', 'exclusive', '0', '10'), 'ok')
}
