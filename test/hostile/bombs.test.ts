// Small messages of a member that would cost others much: none ends a node, or keeps it from
// starting, and honest members go on beside it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import type { PeerId } from '../../protocol/ids.ts'
import { encodeBatch } from '../../protocol/log/batch.ts'
import { CHECKPOINT_PROTOCOL } from '../../protocol/wire/checkpoint.ts'
import { LOCK_PROTOCOL } from '../../protocol/wire/lock.ts'
import { LOG_PROTOCOL } from '../../protocol/wire/log.ts'
import { SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import { STRONG_PROTOCOL } from '../../protocol/wire/strong.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import { HostileMember } from './hostile-member.ts'

const MIB = 1024 * 1024
const PROTOCOLS = [
  LOG_PROTOCOL,
  CHECKPOINT_PROTOCOL,
  SHARD_PROTOCOL,
  STRONG_PROTOCOL,
  LOCK_PROTOCOL,
]

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

/** How many entries a node has taken, once it takes no more for a while. */
async function entriesOf(node: TestNode): Promise<number> {
  let [count, quiet] = [0, 0]
  await eventually(`${node.name} takes no more`, async () => {
    const { entries } = await node.json<VolumeInfo>('volume', 'info', 'main')
    quiet = entries === count ? quiet + 1 : 0
    count = entries
    return quiet > 5
  })
  return count
}

function* times<Item>(count: number, make: () => Item): Generator<Item> {
  for (let n = 0; n < count; n++) yield make()
}

/**
 * Honest work that must go on: what one makes, the other sees. returns how long that took, in ms.
 */
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

/** A batch that every member may make, about as large as may be: who it is, again and again. */
function namesOf(peer: PeerId): Uint8Array {
  const names = Array.from({ length: 1600 }, (_, capacityBytes) => {
    const [name, zone] = [randomBytes(127).toString('hex'), randomBytes(127).toString('hex')]
    return { kind: 'member-info', peer, name, zone, capacityBytes } as const
  })
  return encodeBatch(names)
}

test('a reader makes the log grow slowly, whatever it has to say', async () => {
  await using all = await cast('reader')
  const { admin, writer, mallory } = all
  const before = await entriesOf(admin)
  const body = namesOf(mallory.identity.peer)
  const sent = await mallory.flood(admin, mallory.chain(times(96, () => body)))
  assert.ok(sent > 40 * MIB, `sent ${sent}`)
  await worksOn(writer, admin, 'after')
  const grown = (await entriesOf(admin)) - before
  // Four bursts, should the day before count, and what the others said.
  assert.ok(grown < 60, `the log grew by ${grown} entries of a MiB`)
  const { heldBack } = (await admin.volume()).log
  assert.equal(heldBack.length, 1)
})

test('a node whose capacity the log fills says so, refuses to grow, and still deletes', async () => {
  await using cluster = await TestCluster.create()
  const [admin, small, node] = ['anna', 'small', 'mallory'].map((name) => cluster.node(name)) as [
    TestNode,
    TestNode,
    TestNode,
  ]
  await admin.start()
  await small.start({ ticket: await admin.invite('--role', 'writer'), capacity: '24MiB' })
  await node.start({ ticket: await admin.invite('--role', 'writer') })
  await admin.shoal('mkdir', '/old')
  await cluster.converged()
  await using mallory = await HostileMember.of(node)
  const bodies = times(96, () => randomBytes(MIB - 64))
  await mallory.flood(small, mallory.chain(bodies, true))
  await eventually('it is full', async () => (await small.volume()).log.isFull)
  assert.match(await small.shoal('status'), /full: log and index fill/i)
  const refused = await small.run('mkdir', '/new')
  assert.match(refused.stderr, /full.*capacity/)
  await small.shoal('rm', '-r', '/old')
  const grown = await indexBytes(small)
  await mallory.flood(
    small,
    mallory.chain(
      times(32, () => randomBytes(MIB - 64)),
      true,
    ),
  )
  assert.ok((await indexBytes(small)) < grown + 8 * MIB, 'it takes no more of a writer')
  // What an admin says it takes, also what that stands on.
  await admin.shoal('mkdir', '/by-admin')
  await eventually('the admin is heard', async () => /by-admin/.test(await small.shoal('ls', '/')))
})

test('a flood of a writer holds up nobody who writes beside it', async () => {
  await using all = await cast('writer')
  const { cluster, admin, writer, mallory } = all
  const bodies = times(128, () => randomBytes(MIB / 2))
  const flood = mallory.flood(admin, mallory.chain(bodies, true))
  for (let n = 0; n < 5; n++) {
    const tookMs = await worksOn(writer, admin, `during-${n}`)
    assert.ok(tookMs < 20_000, `${tookMs} ms`)
  }
  await flood
  await cluster.converged()
})

test('frames and gossip that are nested deep, or larger than their protocol has them, harm nobody', async () => {
  await using all = await cast('reader', 256)
  const { admin, writer, mallory } = all
  const nested = Buffer.alloc(60 * 1024, 0x81)
  const lists = Buffer.alloc(60 * 1024, 0x80)
  for (const protocol of PROTOCOLS) {
    for (const frame of [nested, lists, Buffer.alloc(4 * MIB, 0x81)]) {
      const channel = await mallory.open(admin, protocol)
      await channel.send([frame], { signal: mallory.deadline() }).catch(() => undefined)
      const answered = channel.receive({ signal: mallory.deadline() })
      await assert.rejects(answered, { code: 'unreachable' }, protocol).catch(() => undefined)
      channel.abort(new Error('next'))
    }
  }
  for (const plain of [nested.subarray(0, 15_000), lists.subarray(0, 15_000)])
    await mallory.gossipBytes(plain)
  await worksOn(writer, admin, 'after')
})
