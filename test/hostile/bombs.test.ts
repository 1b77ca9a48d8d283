// What a member sends in a few bytes to cost others much: nothing of it ends a node, or keeps it from starting, and honest
// members go on beside it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { CODEC_DAG_CBOR, MULTIHASH_BLAKE3, encodeCid, stripeIdFromCid } from '../../protocol/ids.ts'
import type { StripeId } from '../../protocol/ids.ts'
import { encodeBatch } from '../../protocol/log/batch.ts'
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

/** Bytes of the files in which a node keeps its log and what follows from it. */
async function indexBytes(node: TestNode): Promise<number> {
  const folder = join(node.home, 'index')
  const sizes = (await readdir(folder)).map(async (name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

function* times<Item>(count: number, make: () => Item): Generator<Item> {
  for (let n = 0; n < count; n++) yield make()
}

/** Honest work that must go on: what one makes, the other sees. returns how long that took, in ms. */
async function worksOn(writer: TestNode, other: TestNode, name: string): Promise<number> {
  const started = Date.now()
  await writer.shoal('mkdir', `/${name}`)
  await eventually(`${other.name} sees /${name}`, async () =>
    (await other.shoal('ls', '/')).includes(name),
  )
  return Date.now() - started
}

test('clear bodies that are no batch are not kept, however many a reader sends', async () => {
  await using all = await cast('reader')
  const { admin, writer, mallory } = all
  const before = await indexBytes(admin)
  const bodies = times(96, () => randomBytes(MIB - 64))
  await mallory.flood(admin, mallory.chain(bodies))
  await worksOn(writer, admin, 'after')
  const grown = (await indexBytes(admin)) - before
  assert.ok(grown < 8 * MIB, `the log grew by ${grown}`)
})

/** A batch that every member may make, about as large as may be: reads of stripes that nobody has. */
function readsOfNothing(): Uint8Array {
  const stripes = (): StripeId[] =>
    Array.from({ length: 1024 }, () =>
      stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, randomBytes(32))),
    )
  return encodeBatch(Array.from({ length: 26 }, () => ({ kind: 'read', stripes: stripes() })))
}

test('a reader makes the log grow slowly, whatever it has to say', async () => {
  await using all = await cast('reader')
  const { admin, writer, mallory } = all
  const before = await indexBytes(admin)
  const body = readsOfNothing()
  const sent = await mallory.flood(admin, mallory.chain(times(64, () => body)))
  assert.ok(sent > 50 * MIB, `sent ${sent}`)
  await worksOn(writer, admin, 'after')
  const grown = (await indexBytes(admin)) - before
  assert.ok(grown < 24 * MIB, `the log grew by ${grown}`)
})
