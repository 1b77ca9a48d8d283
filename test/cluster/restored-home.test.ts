// A node whose home is restored from an old copy, and that writes before it meets another node.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { TestCluster, eventually } from './cluster.ts'
import { assertSameTree, digestTree } from './trees.ts'
import type { TestNode } from './cluster.ts'

const run = promisify(execFile)
const NOTE = 'this home was copied or restored: writing on as a new incarnation'

test('a node restored from an old copy of its home writes on, and no write is lost', async () => {
  await using cluster = await TestCluster.start(2)
  const [a, b] = cluster.nodes as [TestNode, TestNode]
  await put(b, 'in the copy')
  await cluster.converged()
  await b.kill('SIGTERM')
  const copy = join(b.folder, 'copy')
  await run('cp', ['-a', b.home, copy])
  await b.start()
  await put(b, 'after the copy')
  await cluster.connected()
  await cluster.converged()
  await b.kill('SIGTERM')
  await a.kill('SIGTERM')
  assert.equal(await notes(b), 0)

  await rm(b.home, { recursive: true })
  await run('cp', ['-a', copy, b.home])
  await b.start()
  assert.equal(await notes(b), 1)
  await put(b, 'by the restored one')
  await b.kill('SIGKILL')
  await b.start()
  assert.equal(await notes(b), 1, 'it is told once')
  await a.start()
  await cluster.connected()
  const all = ['after the copy', 'by the restored one', 'in the copy']
  for (const node of [a, b]) {
    await eventually(`${node.name} has all`, async () => {
      const shown = await namesAt(node)
      return all.every((name) => shown.includes(name))
    })
  }
  await cluster.converged()
  const got = [a, b].map((node) => join(node.folder, 'got'))
  await a.shoal('get', '/', got[0] ?? '')
  await b.shoal('get', '/', got[1] ?? '')
  const [byA, byB] = [await digestTree(got[0] ?? ''), await digestTree(got[1] ?? '')]
  assertSameTree(byA, byB, 'both nodes')
  assert.equal(byA.size, all.length, 'no conflicts')
})

/** A small file of this name, in the root. */
async function put(node: TestNode, name: string): Promise<void> {
  const source = join(node.folder, name)
  await writeFile(source, `${name}\n`)
  await node.shoal('put', source, `/${name}`)
}

/** How often the log of the home says that it is a copy. */
async function notes(node: TestNode): Promise<number> {
  const log = await readFile(join(node.home, 'logs', 'node.log'), 'utf8').catch(() => '')
  return log.split(NOTE).length - 1
}

async function namesAt(node: TestNode): Promise<string> {
  return node.ask(async (client) => {
    const names: string[] = []
    for await (const page of client.list('/')) names.push(...page.map(({ name }) => name))
    return names.join(' ')
  })
}
