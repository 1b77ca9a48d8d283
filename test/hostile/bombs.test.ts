// What a member sends in a few bytes to cost others much: nothing of it ends a node, or keeps it from starting, and honest
// members go on beside it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const MIB = 1024 * 1024

/** An admin, a writer, and a member in the hands of the test. */
async function cast(role: 'reader' | 'writer' | 'keeper', heapMb?: number) {
  const cluster = await TestCluster.create()
  const [admin, writer, node] = ['anna', 'ben', 'mallory'].map((name) => cluster.node(name)) as [
    TestNode,
    TestNode,
    TestNode,
  ]
  await admin.start({ heapMb })
  await writer.start({ ticket: await admin.invite('--role', 'writer'), heapMb })
  await node.start({ ticket: await admin.invite('--role', role) })
  await cluster.converged()
  const mallory = await HostileMember.of(node)
  const dispose = async (): Promise<void> => {
    await mallory[Symbol.asyncDispose]()
    await cluster[Symbol.asyncDispose]()
  }
  return { cluster, admin, writer, mallory, [Symbol.asyncDispose]: dispose }
}

/** A batch in canonical CBOR of so many empty lists: 16 MiB that take 1,500 bytes. */
function listsOfLists(count: number): Uint8Array {
  const batch = Buffer.alloc(7 + count, 0x80)
  batch.set([0x82, 0x01, 0x9a])
  batch.writeUInt32BE(count, 3)
  return zstdCompressSync(batch)
}

test('a reader whose entry is small and its batch is 16 million lists ends nobody', async () => {
  await using all = await cast('reader', 512)
  const { admin, writer, mallory } = all
  const body = listsOfLists(16 * MIB - 16)
  const entry = mallory.entry([], { body })
  assert.ok(entry.headerBytes.length + body.length < 2048)
  await mallory.give(admin, [entry]).catch(() => undefined)
  await writer.shoal('mkdir', '/after')
  await eventually('the others go on', async () => /after/.test(await admin.shoal('ls', '/')))
  for (const node of [admin, writer]) assert.ok(node.isRunning, node.output)
})
