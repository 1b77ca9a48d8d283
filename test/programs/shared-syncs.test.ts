// Many fsyncs at a time cost the node little more than one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { skip } from '../mount/mounted.ts'
import { need, needAll } from './need.ts'

needAll(skip)
need('strace')

const PROCESSES = 64

test(
  `fsyncs of ${PROCESSES} processes share those of the node`,
  {
    timeout: 120_000,
  },
  async (t) => {
    await using cluster = await TestCluster.start(1, { mounts: true })
    const [node] = cluster.nodes as [TestNode]
    const write = async (name: string, count: number): Promise<void> => {
      const file = `of=${join(node.mountFolder, name)}`
      const dd = spawn('dd', ['if=/dev/urandom', file, 'bs=4k', `count=${count}`, 'oflag=sync'], {
        stdio: 'ignore',
      })
      assert.deepEqual(await once(dd, 'exit'), [0, null])
    }
    const alone = await syncsDuring(cluster, () => write('alone', 64))
    const together = await syncsDuring(cluster, async () => {
      await Promise.all(Array.from({ length: PROCESSES }, (_, n) => write(`together ${n}`, 8)))
    })
    t.diagnostic(
      `64 writes, one by one: ${alone} syncs; ${PROCESSES * 8} of ${PROCESSES} processes: ${together}`,
    )
    assert.ok(alone >= 64)
    assert.ok(together < (PROCESSES * 8) / 2, `${together} syncs`)
  },
)

/** How often the node's process syncs a file meanwhile. */
async function syncsDuring(cluster: TestCluster, run: () => Promise<void>): Promise<number> {
  const [node] = cluster.nodes as [TestNode]
  const file = join(cluster.folder, 'syncs')
  const options = ['-f', '-q', '-e', 'trace=fdatasync,fsync', '-o', file, '-p', String(node.pid)]
  const strace = spawn('strace', options, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(strace, 'close')
  try {
    strace.stderr.resume()
    await attached(node.pid)
    await run()
  } finally {
    strace.kill('SIGINT')
    await ended
  }
  return (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes('sync(')).length
}

async function attached(pid: number): Promise<void> {
  while (!/^TracerPid:\s+[1-9]/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) {
    await new Promise(setImmediate)
  }
}
