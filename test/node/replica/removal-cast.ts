// Members of one volume who remove each other, and readers who have heard nothing yet, to be told
// of it in any order.
import assert from 'node:assert/strict'
import { decodeEntry } from '../../../protocol/log/entry.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { Machine, assertSame, meetAll } from '../log/machines.ts'
import { Replica } from '../log/replicas.ts'
import type { Entry } from '../../../protocol/log/entry.ts'

export interface Cast {
  /** Admins, the most senior first; a is the founder. */
  readonly a: Machine
  readonly b: Machine
  readonly c: Machine
  /** Writers. */
  readonly w: Machine
  readonly x: Machine
  /** Admitted as readers, and told of nothing. */
  readonly strangers: readonly Machine[]
}

const ROLES = { b: 'admin', c: 'admin', w: 'writer', x: 'writer' } as const

/** All but the strangers hold the same, a file `kept` among it. */
export async function castOf(strangerCount: number): Promise<Cast> {
  const a = new Machine(await Replica.founder('a'))
  const others = new Map<string, Machine>()
  for (const [name, role] of Object.entries(ROLES)) {
    a.replica.clock.advance(10)
    others.set(name, new Machine(await a.replica.member(name, role)))
  }
  const strangers: Machine[] = []
  for (let n = 0; n < strangerCount; n++) {
    const replica = await Replica.open(`stranger ${n}`)
    await a.replica.admit(replica, 'reader')
    strangers.push(new Machine(replica))
  }
  a.replica.write('kept', 'x')
  const [b = a, c = a, w = a, x = a] = [...others.values()]
  const members = [a, b, c, w, x]
  await meetAll(members)
  for (const { replica } of members) await replica.volumes.describeSelf(replica.volume)
  await meetAll(members)
  later(...members, ...strangers)
  return { a, b, c, w, x, strangers }
}

/** The clocks of all go on, to the same time. */
export function later(...machines: readonly Machine[]): void {
  const clocks = machines.map(({ replica }) => replica.clock)
  const wall = Math.max(...clocks.map((clock) => clock.wall())) + 5
  for (const clock of clocks) clock.advance(wall - clock.wall())
}

export async function remove(by: Machine, whom: Machine): Promise<void> {
  await by.replica.volumes.remove(by.volume, whom.replica.identity.peer)
}

export async function write(by: Machine, name: string): Promise<void> {
  by.replica.write(name, name)
  await by.volume.commit()
}

export async function unlink(by: Machine, name: string): Promise<void> {
  by.replica.namespace.unlink(ROOT, nameFromText(name))
  await by.volume.commit()
}

/** Every entry that somebody holds, by clock. */
export function entriesOf(...machines: readonly Machine[]): Entry[] {
  const all = new Map<string, Entry>()
  for (const { volume } of machines) {
    for (const { label, entry } of volume.entries.between(
      volume.entries.dropped,
      volume.durableVector(),
    )) {
      const bytes = volume.entries.bytes(label, entry.header.seq) ?? assert.fail()
      all.set(entry.hash, decodeEntry(bytes))
    }
  }
  return [...all.values()].sort((one, two) => (one.header.hlc < two.header.hlc ? -1 : 1))
}

/** Tell one after the other; what comes before its past waits for that. */
export async function tell(machine: Machine, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    machine.inbox.take(entry)
    if (machine.volume.forks.areWaiting) await machine.settled()
  }
  await machine.settled()
}

/** All have one state, with these files and, but for readers, these members. */
export async function assertAgree(
  machines: readonly Machine[],
  { files, members }: { files: readonly string[]; members: string },
): Promise<void> {
  await assertSame(machines)
  const [first = assert.fail()] = machines
  assert.deepEqual(await first.replica.names(), files.toSorted())
  const { membership } = first.volume
  const named = membership
    .members()
    .filter(({ role }) => role !== 'reader')
    .map(({ peer }) => membership.nameOf(peer))
  assert.equal(named.toSorted().join(' '), members)
}
