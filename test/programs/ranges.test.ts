// The space that files take, case by case, on the mount of a real node. The cases of ranges.py run
// on the file system of the temporary folder too, which shows that they are right about POSIX.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../cluster/cluster.ts'
import { run, skip } from '../mount/mounted.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { need, needAll } from './need.ts'

need('python3')
needAll(skip)

const SCRIPT = fileURLToPath(new URL('./ranges.py', import.meta.url))

interface Case {
  readonly name: string
  readonly says: string
  readonly isElsewhere: boolean
}

const cases = readCases()

let cluster: TestCluster
let node: TestNode
let elsewhere: string

describe('ranges of files on a mount', { timeout: 300_000 }, () => {
  before(async () => {
    elsewhere = await mkdtemp(join(tmpdir(), 'shoal-ranges-'))
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(async () => {
    await cluster[Symbol.asyncDispose]()
    await rm(elsewhere, { recursive: true })
  })

  for (const { name, says, isElsewhere } of cases) {
    test(says, async () => {
      if (isElsewhere) await run('python3', SCRIPT, name, elsewhere)
      await run('python3', SCRIPT, name, node.mountFolder)
    })
  }
})

function readCases(): readonly Case[] {
  const { stdout, status } = spawnSync('python3', [SCRIPT], { encoding: 'utf8' })
  assert.equal(status, 0)
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', says = '', where] = line.split('\t')
      return { name, says, isElsewhere: where === 'True' }
    })
}
