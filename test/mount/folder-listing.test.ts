// Cookies of folders: a cookie keeps its meaning as long as a reader may come back to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OpenFolders } from '../../node/mount/open-folders.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { ListedEntry } from '../../node/tree/tree-reading.ts'

const DIR = 'dir' as NodeId

/** A folder of names, in the order of their keys; `listed` counts how many were read. */
class Folder {
  readonly names = new Set<string>()
  listed = 0
  #sorted: readonly string[] = []

  async *list(_: NodeId, after = ''): AsyncGenerator<ListedEntry> {
    if (this.#sorted.length !== this.names.size) this.#sorted = [...this.names].sort()
    for (const name of this.#sorted) {
      if (name <= after || !this.names.has(name)) continue
      this.listed++
      const target = { kind: 'dir', id: name as NodeId } as const
      yield { name: name as Name, key: name as ByteString, target }
    }
  }
}

function filled(count: number): Folder {
  const folder = new Folder()
  for (let number = 0; number < count; number++)
    folder.names.add(`n${String(number).padStart(6, '0')}`)
  return folder
}

test('a folder is read to its end, with each name once and one lookup per name', async () => {
  const folder = filled(5000)
  const open = new OpenFolders(folder)
  const handle = open.open(DIR)
  const seen: string[] = []
  for (let cookie = 0; ;) {
    const entries = await open.read(handle, cookie, 100)
    if (entries.length === 0) break
    seen.push(...entries.map(({ name }) => name))
    cookie = entries.at(-1)?.cookie ?? 0
  }
  assert.deepEqual(seen, [...folder.names])
  assert.ok(folder.listed <= 5051, `${folder.listed} looks`)
})

test('names that stay are listed once from any cookie, whatever comes and goes', async () => {
  const plan = fc.record({
    steps: fc.array(fc.record({ count: fc.integer({ min: 1, max: 300 }), back: fc.nat(1300) })),
    removed: fc.infiniteStream(fc.nat(3)),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ steps, removed }) => {
      const folder = filled(1000)
      const open = new OpenFolders(folder)
      const given: { name: string; cookie: number }[] = []
      const handle = open.open(DIR)
      let cookie = 0
      for (const { count, back } of steps) {
        const entries = await open.read(handle, cookie, count)
        given.push(...entries)
        cookie = entries.at(-1)?.cookie ?? cookie
        for (const { name } of entries) if (removed.next().value === 0) folder.names.delete(name)
        folder.names.add(`n${String(back).padStart(6, '0')}-new`)
      }
      assert.equal(new Set(given.map(({ name }) => name)).size, given.length)
      // Another handle goes on where this one was, and both go back anywhere.
      const other = open.open(DIR)
      const stays = [...folder.names].filter((name) => !name.endsWith('new')).sort()
      for (const at of [steps.length, ...steps.map(({ back }) => back)]) {
        const from = given[at % Math.max(given.length, 1)]
        if (from === undefined) continue
        const found = await rest(open, other, from.cookie)
        assert.equal(new Set(found).size, found.length)
        assert.ok(found.every((name) => folder.names.has(name)))
        assert.deepEqual(
          found.filter((name) => !name.endsWith('new')),
          stays.filter((name) => name > from.name),
        )
      }
    }),
    { numRuns: 10, seed: 7 },
  )
})

test('a cookie of a forgotten reading is found by counting again from the start', async () => {
  const open = new OpenFolders(filled(10))
  const handle = open.open(DIR)
  const [, second] = await open.read(handle, 0, 2)
  for (let count = 0; count < 500; count++) await open.read(open.open(DIR), 0, 1)
  assert.equal((await rest(open, handle, second?.cookie ?? 0)).length, 8)
  open.close(handle)
  await assert.rejects(open.read(handle, 0, 1), { code: 'EINVAL' })
})

async function rest(open: OpenFolders, handle: number, from: number): Promise<string[]> {
  const names: string[] = []
  for (let cookie = from; ;) {
    const entries = await open.read(handle, cookie, 333)
    if (entries.length === 0) return names
    names.push(...entries.map(({ name }) => name))
    cookie = entries.at(-1)?.cookie ?? cookie
  }
}
