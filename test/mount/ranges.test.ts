// The space that files take, and copies made without reading, on the mount of a real node.
import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { KIB, MIB } from '../../protocol/units.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { run, skip } from './mounted.ts'
import type { TestNode } from '../cluster/cluster.ts'

const BLOCK = 512
/** More than a file's manifest and its entries in the log take. */
const NEARLY_NOTHING: number = 256 * KIB

let cluster: TestCluster
let node: TestNode
let elsewhere: string

test(
  'a copy made without reading its source is read on both nodes',
  { skip, timeout: 300_000 },
  async () => {
    await using two = await TestCluster.start(2, { mounts: true })
    const [one, other] = two.nodes as [TestNode, TestNode]
    const source = join(one.mountFolder, 'source')
    await run('dd', 'if=/dev/urandom', `of=${source}`, 'bs=100k', 'count=40', 'seek=10')
    const local = join(two.nodes[0]?.folder ?? '', 'local')
    await run('cp', source, local)
    await two.converged()
    await run('cp', join(other.mountFolder, 'source'), join(other.mountFolder, 'copy'))
    await rm(join(other.mountFolder, 'source'))
    await two.converged()
    await run('cmp', local, join(one.mountFolder, 'copy'))
    await run('cmp', local, join(other.mountFolder, 'copy'))
  },
)

describe('file ranges on a mount', { skip, timeout: 300_000 }, () => {
  before(async () => {
    elsewhere = await mkdtemp(join(tmpdir(), 'shoal-ranges-'))
    cluster = await TestCluster.start(1, { mounts: true })
    node = cluster.nodes[0] ?? assert.fail('a node')
  })

  after(async () => {
    await cluster[Symbol.asyncDispose]()
    await rm(elsewhere, { recursive: true })
  })

  test('a copy within a volume takes no new space', async () => {
    const source = at('to copy')
    await run('dd', 'if=/dev/urandom', `of=${source}`, 'bs=1M', 'count=16')
    const before = await bytesOf(node.home)
    await run('cp', source, at('a copy'))
    await run('cp', source, at('another'))
    await run('sync', '-f', node.mountFolder)
    assert.ok((await bytesOf(node.home)) - before < 2 * MIB)
    await run('cmp', source, at('another'))
    assert.equal(await bytesOf(at('another')), 16 * MIB)
  })

  test('du, cp and fallocate handle holes', async () => {
    await run('truncate', '-s', '128M', at('hole'))
    assert.equal(await bytesOf(at('hole')), 0)
    await run(
      'dd',
      'if=/dev/urandom',
      `of=${at('hole')}`,
      'bs=1M',
      'count=1',
      'seek=70',
      'conv=notrunc',
    )
    assert.equal(await bytesOf(at('hole')), MIB)
    await run('cp', '--sparse=always', '--reflink=never', at('hole'), at('hole 2'))
    assert.equal(await bytesOf(at('hole 2')), MIB)
    await run('cmp', at('hole'), at('hole 2'))
    await run('fallocate', '--dig-holes', at('hole'))
    await run('fallocate', '--punch-hole', '--offset=70M', '--length=512K', at('hole'))
    assert.equal(await bytesOf(at('hole')), MIB / 2)
    await run('truncate', '-s', '70M', at('hole'))
    assert.equal(await bytesOf(at('hole')), 0)
    await run('fallocate', '-l', '80M', at('hole'))
    assert.equal((await stat(at('hole'))).size, 80 * MIB)
  })

  test('holes of a file survive put and get', async () => {
    const local = join(elsewhere, 'local')
    await writeFile(local, Buffer.alloc(MIB, 'data'))
    await truncate(local, 48 * MIB)
    await writeFile(local, Buffer.alloc(MIB, 'more'), { flag: 'a' })
    const before = await bytesOf(node.home)
    await node.shoal('put', local, '/put')
    await run('cmp', local, at('put'))
    assert.equal(await bytesOf(at('put')), 2 * MIB)
    assert.ok((await bytesOf(node.home)) - before < 2 * MIB + NEARLY_NOTHING)
    const back = join(elsewhere, 'back')
    await node.shoal('get', '/put', back)
    await run('cmp', local, back)
    assert.ok((await bytesOf(back)) <= 2 * MIB)
  })
})

function at(name: string): string {
  return join(node.mountFolder, name)
}

/** The size of a file or folder, as du says. */
async function bytesOf(path: string): Promise<number> {
  const [blocks] = (await run('du', '-s', `--block-size=${BLOCK}`, path)).split('\t')
  return Number(blocks) * BLOCK
}
