// A mount by root is not open to every user of the machine because root made it: only if that was
// asked for.
import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { skip } from '../mount/mounted.ts'
import { STRANGER, readBy } from '../mount/someone.ts'

for (const driver of ['kernel', 'fuse-native'])
  test(`a mount of root lets other users in only if asked to (${driver})`, { skip }, async () => {
    await using cluster = await TestCluster.start(1)
    const [node] = cluster.nodes as [TestNode]
    await chmod(cluster.folder, 0o755)
    await chmod(node.folder, 0o755)
    const [asked, unasked] = [join(node.folder, 'asked'), join(node.folder, 'unasked')]
    const said = await node.shoal('mount', '--driver', driver, unasked)
    assert.match(said, /accessible only to you \(see --allow-other\)/)
    await writeFile(join(unasked, 'file'), 'text', { mode: 0o644 })
    await chmod(unasked, 0o755)
    assert.equal(readBy(STRANGER, join(unasked, 'file')), undefined)
    assert.match(
      await node.shoal('mount', '--driver', driver, '--allow-other', asked),
      /accessible to other users of this machine/,
    )
    assert.equal(readBy(STRANGER, join(asked, 'file')), 'text')
    assert.equal(readBy(STRANGER, join(unasked, 'file')), undefined)
    assert.match(await node.shoal('status'), /asked \(main, other users\)/)
  })
