// Ops that would cost others much. A writer makes thousands of things with one name, of one file
// or on one file: to apply each costs the others as much as any op does, and to list them what is
// shown. A writer says to have moved a folder before all that others moved, over and over: each
// time they undo and redo what they did since. After a while what it writes waits, and what others
// write does not.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { MemoryState } from '../protocol/tree/sites.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
import { TestVolume } from './test-volume.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { XattrName } from '../../protocol/op/names.ts'
import type { TreeOp } from '../../protocol/op/op.ts'
import type { TestNode } from '../cluster/cluster.ts'

const OPS = 8192
const OPS_PER_ENTRY = 1024
/**
 * As many ops of any kind cost about 1.5; before they were bounded, these cost ten times that or
 * more.
 */
const CPU_SECONDS_MAX = 5

const id = (number: number): NodeId => number.toString(16).padStart(32, '0') as NodeId
const many = (make: (number: number) => TreeOp): TreeOp[] =>
  Array.from({ length: OPS }, (_, at) => make(at + 1))

/** The place of one attack: a folder, and ids that no other has. */
class Place {
  readonly folder: NodeId
  readonly name: string
  readonly #first: number

  constructor(index: number) {
    this.name = `attack ${index}`
    this.folder = freshDirId(new MemoryState(), ROOT, nameFromText(this.name))
    this.#first = (index + 1) * 0x10_0000
  }

  id(number: number): NodeId {
    return id(this.#first + number)
  }

  /** A folder id that a folder of this name can have. */
  dirId(name: string, number: number): NodeId {
    const slot = freshDirId(new MemoryState(), this.folder, nameFromText(name))
    return (slot.slice(0, 24) + id(number).slice(24)) as NodeId
  }

  in(name: string): Pick<TreeOp & { kind: 'create' }, 'parent' | 'name'> {
    return { parent: this.folder, name: nameFromText(name) }
  }

  make(): TreeOp {
    const at = { parent: ROOT, name: nameFromText(this.name) }
    return { kind: 'mkdir', id: this.folder, ...at, attributes: {} }
  }

  file(number: number, name: string): TreeOp {
    const ids = { inode: this.id(number), link: this.id(number) }
    return { kind: 'create', ...ids, ...this.in(name), attributes: {}, target: undefined }
  }
}

/** The number of the one file of an attack. */
const FILE = 0

const ATTACKS: Readonly<Record<string, (place: Place) => readonly TreeOp[]>> = {
  'folders of one name': (place) =>
    many((number) => ({
      kind: 'mkdir',
      id: place.dirId('same', number),
      ...place.in('same'),
      attributes: {},
    })),
  'files of one name': (place) => many((number) => place.file(number, 'same')),
  'long names that begin alike': (place) =>
    many((number) => place.file(number, `${'x'.repeat(230)}${number}`)),
  'names of one file': (place) => [
    place.file(FILE, 'file'),
    ...many((number) => ({
      kind: 'link',
      link: place.id(number),
      inode: place.id(FILE),
      ...place.in(`f${number}`),
    })),
  ],
  'contents of one file': (place) => [
    place.file(FILE, 'file'),
    ...many((number) => ({
      kind: 'version',
      inode: place.id(FILE),
      base: [],
      size: 4,
      content: { kind: 'inline', bytes: Buffer.from(`${number}`.padStart(4)) },
      modifiedNs: 0n,
      touch: [],
    })),
  ],
  'extended attributes of one file': (place) => [
    place.file(FILE, 'file'),
    ...many((number) => ({
      kind: 'xattr',
      id: place.id(FILE),
      name: `user.${number}` as XattrName,
      value: new Uint8Array(1),
    })),
  ],
  'moves of one file that see nothing': (place) => [
    place.file(FILE, 'file'),
    ...many((number) => ({
      kind: 'move',
      link: place.id(FILE),
      inode: place.id(FILE),
      from: place.folder,
      ...place.in(`f${number}`),
      saw: [],
    })),
  ],
}

/** Moves of the other members, in entries of so many. */
const MOVES = 8192
const MOVES_PER_ENTRY = 1024
/** Entries of one move each, given at a time. */
const LATE = 64
const ROUNDS_MAX = 24

describe('what one writer makes over and over', () => {
  let cluster: TestCluster
  let victim: TestNode
  let mallory: HostileMember

  before(async () => {
    cluster = await TestCluster.start(1)
    victim = cluster.nodes[0] ?? assert.fail('a node')
    mallory = await HostileMember.join(victim)
  })

  after(async () => {
    await mallory[Symbol.asyncDispose]()
    await cluster[Symbol.asyncDispose]()
  })

  for (const [index, [what, opsIn]] of Object.entries(ATTACKS).entries()) {
    test(`${what}: costs others what any op does`, { timeout: 400_000 }, async () => {
      const place = new Place(index)
      const ops = [place.make(), ...opsIn(place)]
      const batches: TreeOp[][] = []
      for (let at = 0; at < ops.length; at += OPS_PER_ENTRY)
        batches.push(ops.slice(at, at + OPS_PER_ENTRY))
      const entries = mallory.entriesOf(batches, { ...mallory.first(), sealed: true })
      const before = await victim.cpuSeconds()
      const answers = await mallory.give(victim, entries)
      const applied = (await victim.cpuSeconds()) - before
      assert.equal(answers.at(-1)?.kind, 'durable')
      const listing = await victim.cpuSeconds()
      const listed = await victim.json<readonly unknown[]>('ls', `/${place.name}`)
      const shown = (await victim.cpuSeconds()) - listing
      assert.ok(listed.length > 0, 'the attack was applied')
      assert.ok(applied < CPU_SECONDS_MAX, `${applied} s of processor`)
      assert.ok(shown < CPU_SECONDS_MAX, `${shown} s of processor for a listing`)
    })
  }

  test('who moves a folder late, again and again, is held back', { timeout: 120_000 }, async () => {
    const { name: volume } = await TestVolume.make([victim], 'moved')
    await using late = await HostileMember.join(victim, { volume, name: 'late' })
    await using busy = await HostileMember.join(victim, { volume, name: 'busy' })
    const moved = late.entriesOf(
      [[made('late')], ...moves('late', LATE * ROUNDS_MAX).map((op) => [op])],
      { sealed: true },
    )
    const batches = Array.from({ length: MOVES / MOVES_PER_ENTRY }, () =>
      moves('busy', MOVES_PER_ENTRY),
    )
    await busy.give(victim, busy.entriesOf([[made('busy')], ...batches], { sealed: true }))

    const isHeldBack = async (): Promise<boolean> => {
      const found = (await victim.status()).volumes.find(({ name }) => name === volume)
      return (found?.log.heldBack ?? []).some(({ member }) => member === 'late')
    }
    for (let at = 0; at < moved.length && !(await isHeldBack()); at += LATE)
      await late.give(victim, moved.slice(at, at + LATE))
    // The last of them may be taken a while after they came.
    await eventually('it is held back', isHeldBack)
    await victim.shoal('mkdir', `${volume}:/on`)
    assert.match(await victim.shoal('ls', `${volume}:/`), /^on\/$/m)
  })
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
