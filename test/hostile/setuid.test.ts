// A member puts programs into the namespace that run as whoever owns them. On another machine, root
// gets them: they must not become programs of root that any user may run, unless root asks for just
// that.
import assert from 'node:assert/strict'
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'

test('what is set-user-id in the namespace is not when it is got or imported, unless asked for', async () => {
  await using cluster = await TestCluster.start(2)
  const [victim, writer] = cluster.nodes as [TestNode, TestNode]
  const evil = join(writer.folder, 'evil')
  await mkdir(join(evil, 'group'), { recursive: true })
  // Small ones come together, large ones on their own.
  const sizes = { small: 10, large: 3_000_000 }
  for (const [name, size] of Object.entries(sizes)) {
    await writeFile(join(evil, name), new Uint8Array(size))
    await chmod(join(evil, name), 0o6755)
  }
  await chmod(join(evil, 'group'), 0o2777)
  await writer.shoal('put', evil, '/')
  const car = join(writer.folder, 'evil.car')
  await writer.shoal('export', '--attributes', '/evil', car)
  await cluster.converged()
  const modeOf = async (path: string): Promise<string> =>
    ((await stat(path)).mode & 0o7777).toString(8)
  const got = join(victim.folder, 'got')
  const before = process.umask(0o022)
  try {
    await victim.shoal('get', '/evil', got)
    // Again: what is there already is not made so, either.
    await victim.shoal('get', '/evil', got)
    for (const name of Object.keys(sizes)) assert.equal(await modeOf(join(got, name)), '755')
    assert.equal(await modeOf(join(got, 'group')), '755')
    await victim.shoal('import', car, '/imported')
    const imported = join(victim.folder, 'imported')
    await victim.shoal('get', '--preserve', '/imported', imported)
    for (const name of Object.keys(sizes)) assert.equal(await modeOf(join(imported, name)), '755')
    const asked = join(victim.folder, 'asked')
    await victim.shoal('get', '--preserve', '/evil', asked)
    for (const name of Object.keys(sizes)) assert.equal(await modeOf(join(asked, name)), '6755')
    assert.equal(await modeOf(join(asked, 'group')), '2777')
    await victim.shoal('import', '--preserve', car, '/as-it-was')
    assert.equal((await victim.json<{ mode: number }>('stat', '/as-it-was/small')).mode, 0o6755)
  } finally {
    process.umask(before)
  }
})
