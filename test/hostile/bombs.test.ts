// Small messages of a member that would cost others much: none ends a node, or keeps it from
// starting, and honest members go on beside it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
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
import { bytesOfFiles } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'
import { TestVolume } from './test-volume.ts'

const MIB = 1024 * 1024
const PROTOCOLS = [
  LOG_PROTOCOL,
  CHECKPOINT_PROTOCOL,
  SHARD_PROTOCOL,
  STRONG_PROTOCOL,
  LOCK_PROTOCOL,
]

/** The heap of a node that nobody may end, in MiB: a small one. */
const HEAP_MB = 256

let cluster: TestCluster
let admin: TestNode
let writer: TestNode
let volumes = 0

before(async () => {
  cluster = await TestCluster.create()
  admin = cluster.node('anna')
  writer = cluster.node('ben')
  await admin.start({ heapMb: HEAP_MB })
  await writer.start({ ticket: await admin.invite(), heapMb: HEAP_MB })
})
after(() => cluster[Symbol.asyncDispose]())

/** A volume of an admin, a writer, and a member in the hands of the test. */
async function cast(
  role: 'reader' | 'writer',
  nodes: readonly TestNode[] = [admin, writer],
): Promise<{ volume: TestVolume; mallory: HostileMember }> {
  const volume = await TestVolume.make(nodes, `v${++volumes}`)
  const mallory = await HostileMember.join(admin, { role, volume: volume.name })
  await volume.converged()
  await mallory.fetch(admin)
  return { volume, mallory }
}

/** A batch in canonical CBOR of so many empty lists: 16 MiB that take 1,500 bytes. */
function listsOfLists(count: number): Uint8Array {
  const batch = Buffer.alloc(7 + count, 0x80)
  batch.set([0x82, 0x01, 0x9a])
  batch.writeUInt32BE(count, 3)
  return zstdCompressSync(batch)
}

test('a reader whose entry is small and its batch is 16 million lists ends nobody', async () => {
  const { volume, mallory: member } = await cast('reader')
  await using mallory = member
  const body = listsOfLists(16 * MIB - 16)
  const entry = mallory.entry([], { body })
  assert.ok(entry.headerBytes.length + body.length < 2048)
  await mallory.give(admin, [entry]).catch(() => undefined)
  await worksOn(volume, writer, admin, 'after')
  for (const node of [admin, writer]) assert.ok(node.isRunning, node.output)
})

/** Bytes of the files in which a node keeps its log and what follows from it. */
function indexBytes(node: TestNode): Promise<number> {
  return bytesOfFiles(join(node.home, 'index'))
}

/** How many entries of a volume a node has taken, once it takes no more for a while. */
async function entriesOf(node: TestNode, volume: TestVolume): Promise<number> {
  let [count, quiet] = [0, 0]
  await eventually(`${node.name} takes no more`, async () => {
    const { entries } = await node.ask((client) => client.volumeInfo(volume.name))
    quiet = entries === count ? quiet + 1 : 0
    count = entries
    return quiet > 5
  })
  return count
}

function* times<Item>(count: number, make: () => Item): Generator<Item> {
  for (let n = 0; n < count; n++) yield make()
}

async function sees(node: TestNode, path: string): Promise<boolean> {
  return node
    .ask((client) => client.stat(path))
    .then(
      () => true,
      () => false,
    )
}

/**
 * Honest work that must go on: what one makes, the other sees. returns how long that took, in ms.
 */
async function worksOn(
  volume: TestVolume,
  from: TestNode,
  other: TestNode,
  name: string,
): Promise<number> {
  const started = Date.now()
  const path = volume.at(`/${name}`)
  await from.ask((client) => client.makeFolder(path))
  await eventually(`${other.name} sees ${path}`, () => sees(other, path))
  return Date.now() - started
}

test('clear bodies that are no batch are not kept, however many a reader sends', async () => {
  const { volume, mallory: member } = await cast('reader')
  await using mallory = member
  const before = await indexBytes(admin)
  const bodies = times(32, () => randomBytes(MIB - 64))
  await mallory.flood(admin, mallory.chain(bodies))
  await worksOn(volume, writer, admin, 'after')
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
  const { volume, mallory: member } = await cast('reader')
  await using mallory = member
  const before = await entriesOf(admin, volume)
  const body = namesOf(mallory.identity.peer)
  const sent = await mallory.flood(admin, mallory.chain(times(84, () => body)))
  assert.ok(sent > 30 * MIB, `sent ${sent}`)
  await worksOn(volume, writer, admin, 'after')
  const grown = (await entriesOf(admin, volume)) - before
  // Four bursts, should the day before count, and what the others said.
  assert.ok(grown < 60, `the log grew by ${grown} entries of a MiB`)
  const { heldBack } = (await volume.statusAt(admin)).log
  assert.equal(heldBack.length, 1)
})

test('a node whose capacity the log fills says so, refuses to grow, and still deletes', async () => {
  const small = cluster.node('small')
  const capacityMib = 24
  await small.start({ ticket: await admin.invite(), capacity: `${capacityMib}MiB` })
  const { volume, mallory: member } = await cast('writer', [admin, small])
  await using mallory = member
  const flood = (count: number): Promise<number> => {
    const bodies = times(count, () => randomBytes(MIB - 64))
    return mallory.flood(small, mallory.chain(bodies, true))
  }
  await admin.shoal('mkdir', volume.at('/old'))
  await volume.converged()
  await flood(72)
  await eventually('it is full', async () => (await volume.statusAt(small)).log.isFull)
  assert.match(await small.shoal('status'), /full: log and index fill/i)
  const refused = await small.run('mkdir', volume.at('/new'))
  assert.match(refused.stderr, /full.*capacity/)
  await small.shoal('rm', '-r', volume.at('/old'))
  await flood(16)
  // It has room for a part of the 88 MiB, beside what was under way when it was seen to be full. A
  // compaction has old and new files for a moment.
  await eventually('it has no more of a writer', async () => {
    return (await indexBytes(small)) < (capacityMib + 40) * MIB
  })
  // What an admin says it takes, also what that stands on.
  await worksOn(volume, admin, small, 'by-admin')
  await small.kill('SIGTERM')
})

test('a flood of a writer holds up nobody who writes beside it', async () => {
  const { volume, mallory: member } = await cast('writer')
  await using mallory = member
  const bodies = times(64, () => randomBytes(MIB / 2))
  let isOver = false
  const flood = mallory.flood(admin, mallory.chain(bodies, true)).finally(() => (isOver = true))
  for (let n = 0; n < 4; n++) {
    if (n === 0) assert.ok(!isOver, 'it goes on meanwhile')
    const tookMs = await worksOn(volume, writer, admin, `during-${n}`)
    assert.ok(tookMs < 20_000, `${tookMs} ms`)
  }
  await flood
  await volume.converged()
})

test('frames and gossip that are nested deep, or larger than their protocol has them, harm nobody', async () => {
  const { volume, mallory: member } = await cast('reader')
  await using mallory = member
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
  await worksOn(volume, writer, admin, 'after')
  assert.ok(admin.isRunning, admin.output)
})
