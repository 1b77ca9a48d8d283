// A writer who makes thousands of things with one name, of one file or on one file: to apply each costs the others as much
// as any op does, and to list them what is shown.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { MemoryState } from '../protocol/tree/sites.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { XattrName } from '../../protocol/op/xattr-name.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import type { TestNode } from '../cluster/cluster.ts'

const OPS = 16_384
const OPS_PER_ENTRY = 1024
/** As many ops of any kind cost about three; before they were bounded, these cost ten times that or more. */
const CPU_SECONDS_MAX = 9

const place = (name: string): Pick<TreeOp & { kind: 'create' }, 'parent' | 'name'> => ({
  parent: ROOT,
  name: nameFromText(name),
})
const id = (number: number): NodeId => number.toString(16).padStart(32, '0') as NodeId
/** Of those that a folder of this name can have. */
const SLOT = freshDirId(new MemoryState(), ROOT, nameFromText('same'))
const dirId = (number: number): NodeId => (SLOT.slice(0, 24) + id(number).slice(24)) as NodeId
const many = (make: (number: number) => TreeOp): TreeOp[] =>
  Array.from({ length: OPS }, (_, at) => make(at + 1))
const file = (number: number, name: string): TreeOp => ({
  kind: 'create',
  inode: id(number),
  link: id(number),
  ...place(name),
  attributes: {},
  target: undefined,
})

const FILE = id(0xffff_ffff)

const ATTACKS: Readonly<Record<string, readonly TreeOp[]>> = {
  'folders of one name': many((number) => ({
    kind: 'mkdir',
    id: dirId(number),
    ...place('same'),
    attributes: {},
  })),
  'files of one name': many((number) => file(number, 'same')),
  'long names that begin alike': many((number) => file(number, `${'x'.repeat(230)}${number}`)),
  'names of one file': [
    file(0xffff_ffff, 'file'),
    ...many((number) => ({ kind: 'link', link: id(number), inode: FILE, ...place(`f${number}`) })),
  ],
  'contents of one file': [
    file(0xffff_ffff, 'file'),
    ...many((number) => ({
      kind: 'version',
      inode: FILE,
      base: [],
      size: 4,
      content: { kind: 'inline', bytes: Buffer.from(`${number}`.padStart(4)) },
      modifiedNs: 0n,
      touch: [],
    })),
  ],
  'extended attributes of one file': [
    file(0xffff_ffff, 'file'),
    ...many((number) => ({
      kind: 'xattr',
      id: FILE,
      name: `user.${number}` as XattrName,
      value: new Uint8Array(1),
    })),
  ],
  'moves of one file that see nothing': [
    file(0xffff_ffff, 'file'),
    ...many((number) => ({
      kind: 'move',
      link: FILE,
      inode: FILE,
      from: ROOT,
      ...place(`f${number}`),
      saw: [],
    })),
  ],
}

describe('what one writer makes over and over', () => {
  for (const [what, ops] of Object.entries(ATTACKS)) {
    test(`${what}: costs others what any op does`, { timeout: 400_000 }, async () => {
      await using cluster = await TestCluster.start(1)
      const [victim] = cluster.nodes as [TestNode]
      const node = cluster.node('mallory')
      await node.start({ ticket: await victim.invite('--role', 'writer') })
      await cluster.converged()
      await using mallory = await HostileMember.of(node)
      const batches: TreeOp[][] = []
      for (let at = 0; at < ops.length; at += OPS_PER_ENTRY)
        batches.push(ops.slice(at, at + OPS_PER_ENTRY))
      const entries = mallory.entriesOf(batches, { sealed: true })
      const before = await victim.cpuSeconds()
      const answers = await mallory.give(victim, entries)
      const applied = (await victim.cpuSeconds()) - before
      assert.equal(answers.at(-1)?.kind, 'durable')
      const listing = await victim.cpuSeconds()
      await victim.json('ls', '/')
      const shown = (await victim.cpuSeconds()) - listing
      assert.ok(applied < CPU_SECONDS_MAX, `${applied} s of processor`)
      assert.ok(shown < CPU_SECONDS_MAX, `${shown} s of processor for a listing`)
    })
  }
})
