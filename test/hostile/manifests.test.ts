// Lists of chunks that lie: nodes that hold one another a thousandfold, so that few of them make a
// file without end, and sizes that nothing stands behind. Whoever looks at all files of a volume
// passes them by, names them, and is done.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { nameFromText } from '../../protocol/op/names.ts'
import { FILE_SIZE_MAX } from '../../protocol/limits.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { confirming } from './beacon.ts'
import { HostileMember } from './hostile-member.ts'
import { bombOf } from './manifest-bomb.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ContentRef, TreeOp } from '../../protocol/op/op.ts'
import type { GarbageReport } from '../../node/control/garbage.ts'
import type { TestNode } from '../cluster/cluster.ts'

/** Without a defence none of what is done here ends in a year. */
const TIMEOUT_MS = 300_000

test(
  'files whose lists of chunks lie hold up nobody who walks all files',
  { timeout: TIMEOUT_MS },
  async () => {
    await using cluster = await TestCluster.start(2)
    const [victim] = cluster.nodes as [TestNode, TestNode]
    await using mallory = await HostileMember.join(victim)
    // Mallory, who says that it has room, takes nothing.
    await victim.shoal('volume', 'set', 'main', 'class=copies2', 'versions=off')
    await plant(mallory, victim)

    for (const name of ['big', 'kept'])
      await victim.shoal('put', '--ack', 'placed', await bigFile(victim, name), '/')
    await victim.shoal('rm', '/big')
    const collecting = victim.json<GarbageReport>('gc', '--volume', 'main')
    const report = await confirming(mallory, victim, collecting)
    assert.ok(
      report.volumes.some(({ swept }) => swept > 0),
      JSON.stringify(report),
    )
    const skipped = report.volumes.flatMap(({ falseFiles }) => falseFiles)
    assert.deepEqual(skipped.map(({ path, author }) => `${path} ${author}`).sort(), [
      '/keyless mallory',
      '/later mallory',
      '/liar mallory',
    ])
    assert.match(await victim.shoal('status'), /\/liar/)

    // The bomb is a file as it should be, only large: what it holds is here after a moment.
    await victim.shoal('pin', 'add', '/bomb', '--local')
    await eventually('what the bomb is made of is here', async () =>
      (await victim.pins()).every(({ wantedBytes, actualBytes }) => wantedBytes === actualBytes),
    )
    const failed = await victim.run('pin', 'add', '/liar', '--local')
    assert.notEqual(failed.code, 0)
    assert.match(failed.stderr, /\/liar: /)
    await victim.shoal('pin', 'add', '/bomb', '--class', 'copies1')
    await victim.shoal('pin', 'ls')
    await victim.shoal('export', '/bomb', join(victim.folder, 'bomb.car'), '--sealed')
    await mkdir(join(victim.folder, 'attic'))
    await victim.shoal('cold', 'add', 'attic', `dir:${join(victim.folder, 'attic')}`)
    await victim.shoal('cold', 'push', '/')
    const read = await victim.run('cat', '/liar')
    assert.notEqual(read.code, 0)
    assert.match(read.stderr, /\/liar: /)
    await victim.shoal('get', '/kept', join(victim.folder, 'again'))
    assert.equal((await stat(join(victim.folder, 'again'))).size, BIG_BYTES)
  },
)

/** The victim has the pieces, as ordinary files; the files made of them mallory writes. */
async function plant(mallory: HostileMember, victim: TestNode): Promise<void> {
  const pieces = join(victim.folder, 'pieces')
  await mkdir(pieces)
  const bomb = bombOf(mallory.volume)
  for (const [at, bytes] of bomb.pieces.entries()) await writeFile(join(pieces, `${at}`), bytes)
  await victim.shoal('put', '--ack', 'placed', pieces, '/')
  await mallory.fetch(victim)
  const { size, root, depth, leaf, later } = bomb
  const ops = [
    ...fileOps(mallory, 'bomb', size, { kind: 'chunks', root, depth }),
    ...fileOps(mallory, 'liar', FILE_SIZE_MAX, { kind: 'chunks', root: leaf, depth: 0 }),
    ...fileOps(mallory, 'later', 1, { kind: 'chunks', root: later, depth: 0 }),
    ...fileOps(mallory, 'keyless', 1, { kind: 'chunks', root: { ...leaf, epoch: 9 }, depth: 0 }),
  ]
  await mallory.give(victim, [mallory.entry(ops, { sealed: true })])
}

function fileOps(
  { random }: HostileMember,
  name: string,
  size: number,
  content: ContentRef,
): readonly TreeOp[] {
  const freshId = (): NodeId => Buffer.from(random.bytes(16)).toString('hex') as NodeId
  const [inode, link] = [freshId(), freshId()]
  const place = { parent: ROOT, name: nameFromText(name) }
  return [
    { kind: 'create', inode, link, ...place, attributes: {}, target: undefined },
    { kind: 'version', inode, base: [], size, content, modifiedNs: 0n, touch: [] },
  ]
}

const BIG_BYTES = 3_000_000

async function bigFile(node: TestNode, name: string): Promise<string> {
  const path = join(node.folder, name)
  await writeFile(path, randomBytes(BIG_BYTES))
  return path
}
