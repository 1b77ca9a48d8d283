// Real machines that leave a volume, come back to it, and delete one.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from './cluster.ts'
import { digestFile, writeRandomFile } from './trees.ts'
import type { TestNode } from './cluster.ts'

const MIB_OF_FILE = 9

async function membersAt(node: TestNode): Promise<readonly string[]> {
  const { members } = await node.json<{ members: { name: string }[] }>('volume', 'info', 'main')
  return members.map(({ name }) => name).sort()
}

async function volumesAt(node: TestNode): Promise<string> {
  const all = await node.json<{ name: string; state?: string }[]>('volume', 'ls')
  return all.map(({ name, state = 'here' }) => `${name} ${state}`).join(', ')
}

test('a mounted writer leaves by itself, looks again, leaves again, and joins again', async () => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [admin, writer, leaver] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await writeRandomFile(source, MIB_OF_FILE)
  await admin.shoal('volume', 'set', 'main', 'class=copies2')
  await cluster.converged()
  await leaver.shoal('put', source, '/file')
  assert.deepEqual(await readdir(leaver.mountFolder), ['file'])

  const said = await leaver.shoal('volume', 'leave', 'main', '--yes')
  assert.match(said, /^Left volume "main" .*\n?.*shoal volume rejoin main/s)
  assert.equal(await volumesAt(leaver), 'main kept')
  assert.deepEqual(await readdir(leaver.mountFolder), [])
  for (const node of [admin, writer])
    await eventually(`${node.name} knows`, async () => (await membersAt(node)).length === 2)
  // Only those two have it, and it is whole.
  await leaver.kill('SIGTERM')
  await admin.kill('SIGTERM')
  await writer.shoal('get', '/file', join(writer.folder, 'got'))
  assert.equal(await digestFile(join(writer.folder, 'got')), await digestFile(source))
  await admin.start()
  await leaver.start()
  assert.equal(await volumesAt(leaver), 'main kept', 'it stays left')

  assert.match(await leaver.shoal('volume', 'rejoin', 'main'), /is back on this machine/)
  assert.match(await leaver.shoal('ls', '/'), /file/)
  assert.deepEqual(await membersAt(admin), ['n1', 'n2'])
  await leaver.shoal('volume', 'leave', 'main', '--yes')
  assert.equal(await volumesAt(leaver), 'main kept')

  const ticket = await admin.invite()
  await leaver.shoal('join', ticket)
  await leaver.shoal('put', source, '/again')
  for (const node of [admin, writer]) {
    await eventually(`${node.name} has it again`, async () => (await membersAt(node)).length === 3)
    await eventually('what it wrote is there', async () =>
      (await node.shoal('ls', '/')).includes('again'),
    )
  }
  await leaver.shoal('volume', 'leave', 'main', '--now', '--yes')
  assert.equal(await volumesAt(leaver), '')
  for (const node of [admin, writer])
    await eventually(`${node.name} knows`, async () => (await membersAt(node)).length === 2)
})

test('a volume that no other machine has is removed, taken back, and removed for good', async () => {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const source = join(cluster.folder, 'source')
  await writeRandomFile(source, 1)
  await node.shoal('volume', 'create', 'scratch')
  await node.shoal('put', source, 'scratch:/file')
  const refused = await node.run('volume', 'leave', 'scratch', '--yes')
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /shoal volume rm scratch/)
  await node.shoal('volume', 'rm', 'scratch', '--yes')
  assert.equal(await volumesAt(node), 'scratch kept')
  await node.kill('SIGKILL')
  await node.start()
  await node.shoal('volume', 'rejoin', 'scratch')
  await node.shoal('get', 'scratch:/file', join(cluster.folder, 'got'))
  assert.equal(await digestFile(join(cluster.folder, 'got')), await digestFile(source))
  await node.shoal('volume', 'rm', 'scratch', '--now', '--yes')
  assert.equal(await volumesAt(node), '')
  assert.equal((await node.run('volume', 'rejoin', 'scratch')).code, 1)
})
