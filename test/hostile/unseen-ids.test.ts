// A writer signs an entry with ops about what it cannot have seen: files, folders and dots of an
// entry that is in nobody's past. Who has that entry by then, and who gets it later, make the same
// of both.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/ids.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { nameFromText, parseXattrName } from '../../protocol/op/names.ts'
import type { Op } from '../../protocol/op/op.ts'
import { ROOT, readDir, seenOf } from '../../protocol/tree/records.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const name = nameFromText
const fileId = (digit: string): NodeId => digit.repeat(32) as NodeId

test('what a writer names and has not seen is not there for it, whoever has it by then', async () => {
  await using cluster = await TestCluster.create()
  const [anna, ben] = [cluster.node('anna'), cluster.node('ben')]
  await anna.start()
  await anna.shoal('mkdir', '/kept')
  await ben.start({ ticket: await anna.invite() })
  await cluster.connected()
  await using mallory = await HostileMember.join(anna)
  await cluster.converged()
  const [made, named] = entriesOf(mallory)
  await Promise.all([anna, ben].map((victim) => mallory.dial(victim)))
  await Promise.all([give(mallory, anna, [made, named]), give(mallory, ben, [named, made])])
  await cluster.converged()
  const [first, other] = await Promise.all([anna, ben].map(seen))
  assert.deepEqual(first, other)
  assert.deepEqual(first, { root: ['kept/', 'new/'], folder: ['file'], mode: 0o600 })
})

/**
 * An entry that makes things, and one, of another incarnation, that has not seen it and names them.
 */
function entriesOf(mallory: HostileMember): [Entry, Entry] {
  const { view } = mallory.volume
  const kept = freshDirId(view, ROOT, name('kept')).slice(0, -8) + '00000000'
  const folder = freshDirId(view, ROOT, name('new'))
  const [inode, link, another, its] = ['a', 'b', 'c', 'd'].map(fileId) as [
    NodeId,
    NodeId,
    NodeId,
    NodeId,
  ]
  const dir = kept as NodeId
  const made = alone(mallory, [
    { kind: 'mkdir', id: folder, parent: ROOT, name: name('new'), attributes: {} },
    {
      kind: 'create',
      inode,
      link,
      parent: folder,
      name: name('file'),
      attributes: { mode: 0o600 },
      target: undefined,
    },
    { kind: 'move-dir', id: dir, from: ROOT, parent: ROOT, name: name('kept'), saw: [] },
  ])
  const { actor } = made.header
  const attributes = { mode: 0o777 }
  const saw = [makeDot(actor, 1, 1)]
  const named = alone(mallory, [
    {
      kind: 'create',
      inode: another,
      link: its,
      parent: folder,
      name: name('inner'),
      attributes,
      target: undefined,
    },
    { kind: 'attributes', id: inode, attributes },
    { kind: 'xattr', id: folder, name: parseXattrName('user.a'), value: Uint8Array.of(1) },
    { kind: 'move', link, inode, from: folder, parent: ROOT, name: name('stolen'), saw },
    {
      kind: 'rmdir',
      id: dir,
      from: ROOT,
      saw: [...presenceOf(mallory, dir), makeDot(actor, 1, 2)],
    },
  ])
  return [made, named]
}

function presenceOf({ volume }: HostileMember, id: NodeId): readonly Dot[] {
  const dir = readDir(volume.view, id)
  return dir === undefined ? [] : seenOf(volume.view, 'dir', id, dir)
}

/** The first entry of an incarnation of its own: it has seen what mallory's node had. */
function alone(mallory: HostileMember, ops: readonly Op[]): Entry {
  return mallory.entry(ops, { ...mallory.first(), sealed: true })
}

/** One after the other, in this order. */
async function give(
  mallory: HostileMember,
  victim: TestNode,
  entries: readonly Entry[],
): Promise<void> {
  await mallory.say(
    victim,
    entries.map((entry) => ({ kind: 'entries', entries: [entry] })),
  )
}

async function seen(
  node: TestNode,
): Promise<{ root: string[]; folder: string[]; mode: number | undefined }> {
  const lines = async (path: string): Promise<string[]> =>
    (await node.shoal('ls', path)).split('\n').filter((line) => line !== '')
  const [root, folder] = [await lines('/'), await lines('/new')]
  const { mode } = await node.json<{ mode: number }>('stat', '/new/file')
  return { root, folder, mode }
}
