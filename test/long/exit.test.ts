// Commands that have worked hard end by themselves: none is held up by a thread of V8 that compiles
// (nodejs/node#54918; cli/main.ts).
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { TestCluster } from '../cluster/cluster.ts'

const RUNS = 150
const FILE_BYTES: number = 256 * MIB
const TIMEOUT_MS: number = 90 * 60_000

test(`${RUNS} times put and get of 256 MiB end`, { timeout: TIMEOUT_MS }, async () => {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes
  assert.ok(node)
  const [from, to] = ['from', 'to'].map((name) => join(cluster.folder, name)) as [string, string]
  const part = randomBytes(FILE_BYTES)
  for (let run = 0; run < RUNS; run++) {
    part.writeUInt32LE(run)
    await writeFile(from, part)
    await node.shoal('put', from, '/file')
    await node.shoal('get', '/file', to)
    await rm(to)
  }
})
