// An op costs the same however many names are in its directory, and however old the moves are that
// it does not concern.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT, readDir } from '../../../protocol/tree/records.ts'
import { newSite } from './sites.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { TreeOp } from '../../../protocol/op/op.ts'
import type { Site } from './sites.ts'

/** Calls of the store, and bytes of the records that changed. */
function costOf(site: Site, act: () => void): { calls: number; bytes: number } {
  const before = new Map(site.state.records)
  const { calls } = site.state
  act()
  const changed = [...site.state.records].filter(([key, value]) => before.get(key) !== value)
  const bytes = changed.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  return { calls: site.state.calls - calls, bytes }
}

/** The cost of each kind of op in a directory of so many names. */
function costs(count: number): Record<string, { calls: number; bytes: number }> {
  const site = newSite('one')
  site.mkdir('d')
  for (let i = 0; i < count; i++) site.write(`d/file ${i}`, 'x')
  const acts: Record<string, () => void> = {
    create: () => void site.create('d/new'),
    write: () => site.write('d/new', 'x'),
    xattr: () => site.setXattr('d/new', 'user.a', 'x'),
    rename: () => site.rename('d/new', 'd/renamed'),
    unlink: () => site.remove('d/renamed'),
    mkdir: () => site.mkdir('d/sub'),
    'move-dir': () => site.rename('d/sub', 'sub'),
    rmdir: () => site.remove('sub'),
    'move the directory': () => site.rename('d', 'e'),
  }
  return Object.fromEntries(Object.entries(acts).map(([kind, act]) => [kind, costOf(site, act)]))
}

describe('the cost of an op', () => {
  test('does not depend on how many names are in its directory', () => {
    const [few, many] = [costs(100), costs(4000)]
    for (const [kind, { calls, bytes }] of Object.entries(few)) {
      assert.equal(many[kind]?.calls, calls, kind)
      // A count of children takes two more bytes, in one or two records.
      assert.ok(Math.abs((many[kind]?.bytes ?? 0) - bytes) <= 8, kind)
      assert.ok(calls < 40 && bytes < 1000, `${kind}: ${calls} calls, ${bytes} bytes`)
    }
  })

  test('of a move that comes in time does not depend on how many moves are remembered', () => {
    const cost = (count: number): number => {
      const site = newSite('one')
      for (const name of ['a', 'b', 'c']) site.mkdir(name)
      for (let i = 0; i < count; i++)
        site.rename(i % 2 === 0 ? 'a' : 'b/a', i % 2 === 0 ? 'b/a' : 'a')
      return costOf(site, () => site.rename('c', 'b/c')).calls
    }
    assert.equal(cost(2000), cost(2))
  })

  test('of a move that comes late does not grow with the depth of what newer ones moved things into', () => {
    lateMoveMs(1)
    const [shallow, deep] = [lateMoveMs(1), lateMoveMs(2000)]
    assert.ok(deep < 15 * shallow + 20, `${shallow} ms at the top, ${deep} ms in the deep`)
  })
})

/** CPU time of one move that is older than 4000 others, into a folder so deep. */
function lateMoveMs(depth: number): number {
  const [site, late] = [newSite('one'), newSite('late')]
  const make = (parent: NodeId, text: string): NodeId => {
    const name = nameFromText(text)
    const id = freshDirId(site.state, parent, name)
    site.submit({ kind: 'mkdir', id, parent, name, attributes: {} })
    return id
  }
  const move = (id: NodeId, parent: NodeId, name: string): TreeOp =>
    ({ kind: 'move-dir', id, from: ROOT, parent, name: nameFromText(name), saw: [] }) as const
  let bottom: NodeId = ROOT
  for (let level = 0; level < depth; level++) bottom = make(bottom, 'deeper')
  const [x, y] = [make(ROOT, 'x'), make(ROOT, 'y')]
  late.receive(site)
  late.submit(move(y, x, 'late'))
  site.wallMs = 1000
  for (let n = 0; n < 4000; n++) site.submit(move(x, bottom, `moved${n}`))
  const start = process.cpuUsage()
  site.receive(late)
  const { user, system } = process.cpuUsage(start)
  assert.equal(readDir(site.state, y)?.parent, x)
  return (user + system) / 1000
}
