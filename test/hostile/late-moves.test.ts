// A writer that says to have moved a folder before all that others moved, over and over: each time
// they undo and redo what they did since. After a while what it writes waits, and what others write
// does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { MemoryState } from '../protocol/tree/sites.ts'
import { HostileMember } from './hostile-member.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import type { TestNode } from '../cluster/cluster.ts'

/** Moves of the other members, in entries of so many. */
const MOVES = 8192
const MOVES_PER_ENTRY = 1024
/** Entries of one move each, given at a time. */
const LATE = 64
const ROUNDS_MAX = 6

test('who moves a folder late, again and again, is held back', { timeout: 120_000 }, async () => {
  await using cluster = await TestCluster.start(1)
  const [victim] = cluster.nodes as [TestNode]
  const [busyNode, malloryNode] = [cluster.node('busy'), cluster.node('mallory')]
  for (const node of [busyNode, malloryNode])
    await node.start({ ticket: await victim.invite('--role', 'writer') })
  await cluster.converged()
  await using mallory = await HostileMember.of(malloryNode)
  const late = mallory.entriesOf(
    [[made('late')], ...moves('late', LATE * ROUNDS_MAX).map((op) => [op])],
    { sealed: true },
  )
  await using busy = await HostileMember.of(busyNode)
  const batches = Array.from({ length: MOVES / MOVES_PER_ENTRY }, () =>
    moves('busy', MOVES_PER_ENTRY),
  )
  await busy.give(victim, busy.entriesOf([[made('busy')], ...batches], { sealed: true }))

  const isHeldBack = async (): Promise<boolean> => {
    const [volume] = (await victim.status()).volumes
    return (volume?.log.heldBack ?? []).some(({ member }) => member === 'mallory')
  }
  for (let at = 0; at < late.length && !(await isHeldBack()); at += LATE)
    await mallory.give(victim, late.slice(at, at + LATE))
  // The last of them may be taken a while after they came.
  await eventually('it is held back', isHeldBack)
  await victim.shoal('mkdir', '/on')
  assert.ok((await victim.json<{ name: string }[]>('ls', '/')).some(({ name }) => name === 'on'))
})

const idOf = (name: string): ReturnType<typeof freshDirId> =>
  freshDirId(new MemoryState(), ROOT, nameFromText(name))

function made(name: string): TreeOp {
  return { kind: 'mkdir', id: idOf(name), parent: ROOT, name: nameFromText(name), attributes: {} }
}

function moves(of: string, count: number): TreeOp[] {
  return Array.from({ length: count }, (_, n) => ({
    kind: 'move-dir',
    id: idOf(of),
    from: ROOT,
    parent: ROOT,
    name: nameFromText(`${of} ${n}`),
    saw: [],
  }))
}
