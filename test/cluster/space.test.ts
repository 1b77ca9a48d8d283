// The space that the homes of real nodes take on their disks for what was put in.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { diskBytes } from './disk-use.ts'
import { digestFile, writeRandomFile } from './trees.ts'

interface Case {
  readonly nodes: number
  readonly class: string
  readonly mib: number
  /** Times the data that all homes take, at least before copies are released, at most after. */
  readonly before: number
  readonly after: number
  /** Nodes that may be lost. */
  readonly spare: number
}

const CASES: readonly Case[] = [
  { nodes: 2, class: 'copies2', mib: 48, before: 2.9, after: 2.1, spare: 1 },
  { nodes: 6, class: 'rs4+2', mib: 96, before: 2.4, after: 1.6, spare: 2 },
]

for (const one of CASES) {
  const what = `${one.nodes} nodes with ${one.class} take ${one.after} times the data at most`
  test(`${what} once copies are released`, { timeout: 300_000 }, async () => {
    await using cluster = await TestCluster.start(one.nodes)
    const [writer, ...others] = cluster.nodes as [TestNode, ...TestNode[]]
    const source = join(cluster.folder, 'source')
    await writeRandomFile(source, one.mib)
    await writer.shoal('volume', 'set', 'main', `class=${one.class}`)
    await cluster.converged()
    await writer.shoal('put', '--ack', 'placed', source, '/file')
    const timesNow = async (): Promise<number> => (await diskBytes(cluster.nodes)) / (one.mib * MIB)
    assert.ok((await timesNow()) >= one.before)

    await writer.shoal('volume', 'set', 'main', 'keep-local=placed')
    await writer.shoal('gc')
    const times = await timesNow()
    assert.ok(times <= one.after, `${times} times`)
    // What it says is what it takes.
    await eventually('all have said how much they take', async () => {
      const shown = /files take .* on (\d+) nodes: ([\d.]+) times/.exec(
        await writer.shoal('status'),
      )
      return Number(shown?.[1]) === one.nodes && Math.abs(Number(shown?.[2]) - times) < 0.05
    })

    for (const node of others.slice(-one.spare)) await node.kill('SIGKILL')
    await writer.shoal('get', '/file', join(writer.folder, 'got'))
    assert.equal(await digestFile(join(writer.folder, 'got')), await digestFile(source))
  })
}
