// A writer who makes thousands of things with one name, of one file or on one file: to apply each
// costs the others as much as any op does, and to list them what is shown.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { MemoryState } from '../protocol/tree/sites.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
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

describe('what one writer makes over and over', () => {
  let cluster: TestCluster
  let victim: TestNode
  let mallory: HostileMember

  before(async () => {
    cluster = await TestCluster.start(1)
    victim = cluster.nodes[0] ?? assert.fail('a node')
    const node = cluster.node('mallory')
    await node.start({ ticket: await victim.invite('--role', 'writer') })
    await cluster.converged()
    mallory = await HostileMember.of(node)
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
      const entries = mallory.entriesOf(batches, { sealed: true })
      const before = await victim.cpuSeconds()
      const answers = await mallory.give(victim, entries)
      const applied = (await victim.cpuSeconds()) - before
      assert.equal(answers.at(-1)?.kind, 'durable')
      for (const entry of entries) mallory.volume.receive(entry)
      const listing = await victim.cpuSeconds()
      const listed = await victim.json<readonly unknown[]>('ls', `/${place.name}`)
      const shown = (await victim.cpuSeconds()) - listing
      assert.ok(listed.length > 0, 'the attack was applied')
      assert.ok(applied < CPU_SECONDS_MAX, `${applied} s of processor`)
      assert.ok(shown < CPU_SECONDS_MAX, `${shown} s of processor for a listing`)
    })
  }
})
