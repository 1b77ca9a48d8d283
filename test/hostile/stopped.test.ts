// An entry that one node alone cannot apply, by a bug or for want of memory: its volume stops there
// and says so, other volumes go on, nothing diverges, and however often the node is started it
// comes up.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { LogStatus } from '../../node/control/status.ts'

const BREAKING = new URL('./breaking.ts', import.meta.url)
const breaking = (how: 'throw' | 'end'): string => `${BREAKING.href}?${how}`
/** Unclean starts after which a node is careful, and what it takes to be sure of an entry. */
const STARTS_MAX = 8
const UP_MS = 10_000

/** An admin that breaks at "boom", and a writer that makes it. */
let cluster: TestCluster
let anna: TestNode
let ben: TestNode

before(async () => {
  cluster = await TestCluster.create()
  anna = cluster.node('anna')
  ben = cluster.node('ben')
  await anna.start({ preload: breaking('throw') })
  await ben.start({ ticket: await anna.invite('--role', 'writer') })
  for (const path of ['/before', '/later']) await ben.shoal('mkdir', path)
  await cluster.converged()
})
after(() => cluster[Symbol.asyncDispose]())

async function logOf(node: TestNode): Promise<LogStatus> {
  return (await node.volume()).log
}

test('a bug stops one volume at one entry, until it is mended', async () => {
  await anna.shoal('volume', 'create', 'other')
  await ben.shoal('mkdir', '/boom')
  await ben.shoal('mkdir', '/boom/after')
  await eventually('anna says where she stopped', async () => {
    const { stoppedAt, isHalted } = await logOf(anna)
    return isHalted && stoppedAt?.author === 'ben' && /a bug/.test(stoppedAt.reason)
  })
  assert.match(await anna.shoal('status'), /stopped: at an entry of ben .*shoal volume retry main/)
  const refused = await anna.run('mkdir', '/mine')
  assert.match(refused.stderr, /restarted/)
  await anna.shoal('mkdir', 'other:/goes-on')
  assert.match(await anna.shoal('ls', '/'), /before/)
  // What anna had, ben still gets, and the other way round once she has started anew.
  await anna.kill('SIGKILL')
  await anna.start({ preload: breaking('throw') })
  await anna.shoal('mkdir', '/mine')
  await eventually('ben sees what anna makes', async () => /mine/.test(await ben.shoal('ls', '/')))
  const { stoppedAt, isHalted } = await logOf(anna)
  assert.ok(stoppedAt?.author === 'ben' && !isHalted)
  assert.doesNotMatch(await anna.shoal('ls', '/'), /boom/)
  await anna.kill('SIGTERM')
  await anna.start()
  await anna.shoal('volume', 'retry', 'main')
  await cluster.converged()
  assert.match(await anna.shoal('ls', '/boom'), /after/)
  assert.equal((await logOf(anna)).stoppedAt, undefined)
})

test('an entry that ends the process ends it a few times, and then no more', async () => {
  await anna.kill('SIGTERM')
  await anna.start({ preload: breaking('end') })
  await cluster.connected()
  await ben.shoal('mkdir', '/later/boom')
  await eventually('anna is gone', async () => !anna.isRunning)
  let starts = 0
  while (!anna.isRunning) {
    assert.ok(++starts <= STARTS_MAX, `anna ends at each of ${starts} starts`)
    await anna.start({ preload: breaking('end') }).catch(() => undefined)
    const until = Date.now() + UP_MS
    while (anna.isRunning && Date.now() < until) {
      const stopped = await logOf(anna).catch(() => undefined)
      if (stopped?.stoppedAt !== undefined) break
      await sleep(200)
    }
  }
  assert.match((await logOf(anna)).stoppedAt?.reason ?? '', /more memory/)
  await anna.shoal('mkdir', '/hers')
  await eventually('ben sees what anna makes', async () => /hers/.test(await ben.shoal('ls', '/')))
  await anna.kill('SIGTERM')
  await anna.start()
  await anna.shoal('volume', 'retry', 'main')
  await cluster.converged()
  assert.match(await anna.shoal('ls', '/later'), /boom/)
})
