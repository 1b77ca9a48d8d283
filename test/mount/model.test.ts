// Files of a mount and a model of them do not differ, whatever is done. 100,000 steps are in
// test/long/model.test.ts. The same steps on the file system of the temporary folder show that the
// model is right about POSIX. After these, what such steps have found.
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { tries } from '../effort.ts'
import { ModelRun } from './model.ts'
import { skip } from './mounted.ts'
import { Mapping } from './system-calls.ts'

const SEED = 5
const STEPS: number = tries(1000)
/** Several chunks of the usual size. */
const SIZE_MAX = 700_000

test('the model agrees with another file system', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-model-'))
  try {
    const remount = (): Promise<void> => Promise.resolve()
    const options = {
      seed: SEED,
      sizeMax: SIZE_MAX,
      turnEvery: STEPS / 2,
      hasDirect: false,
      remount,
    }
    await new ModelRun([folder], options).run(STEPS)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('files on a mount', { skip, timeout: 300_000 }, () => {
  let cluster: TestCluster
  let node: TestNode

  before(async () => {
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(() => cluster[Symbol.asyncDispose]())

  test(`${STEPS} random steps match the model`, async () => {
    const remount = async (mount: string): Promise<void> => {
      await node.shoal('unmount', mount)
      await node.shoal('mount', mount)
    }
    const options = {
      seed: SEED,
      sizeMax: SIZE_MAX,
      turnEvery: STEPS / 2,
      hasDirect: true,
      remount,
    }
    await new ModelRun([node.mountFolder], options).run(STEPS)
  })

  test('a write through a mapping stays in place on a file open for appending', () => {
    const path = join(node.mountFolder, 'appended')
    writeFileSync(path, 'before')
    const fd = openSync(path, 'a+')
    try {
      const mapping = new Mapping(fd, 4096)
      mapping.bytes.set(Buffer.from('be'), 4)
      mapping.sync()
      mapping.unmap()
    } finally {
      closeSync(fd)
    }
    assert.equal(readFileSync(path, 'utf8'), 'befobe')
  })
})
