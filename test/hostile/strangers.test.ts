// Strangers: while a ticket may still be used they reach the join protocol, and nothing else;
// without one, nothing.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { concatBytes } from '../../protocol/bytes.ts'
import { MIB } from '../../protocol/units.ts'
import { parseTicket } from '../../protocol/membership/ticket.ts'
import { BULK_PROTOCOL } from '../../protocol/wire/bulk.ts'
import { CHECKPOINT_PROTOCOL } from '../../protocol/wire/checkpoint.ts'
import { JOIN_PROTOCOL, decodeJoinReply, encodeJoinRequest } from '../../protocol/wire/join.ts'
import { LOCK_PROTOCOL } from '../../protocol/wire/lock.ts'
import { LOG_PROTOCOL } from '../../protocol/wire/log.ts'
import { SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import { STRONG_PROTOCOL } from '../../protocol/wire/strong.ts'
import { FrameDecoder, encodeFrame } from '../../node/world/libp2p/frames.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import type { Connection, Stream } from '@libp2p/interface'
import { HostileMember } from './hostile-member.ts'
import { LIBP2P_PROTOCOLS, RawPeer, pause } from './raw-peer.ts'

const SHOAL_PROTOCOLS = [
  LOG_PROTOCOL,
  CHECKPOINT_PROTOCOL,
  SHARD_PROTOCOL,
  STRONG_PROTOCOL,
  LOCK_PROTOCOL,
  BULK_PROTOCOL,
]

async function addressesOf(node: TestNode): Promise<readonly string[]> {
  return (await node.status()).node.addresses
}

/** The heap of a node that nobody may end, in MiB: a small one. */
const HEAP_MB = 512

let cluster: TestCluster
let node: TestNode

before(async () => {
  cluster = await TestCluster.create()
  node = cluster.node('n1')
  await node.start({ heapMb: HEAP_MB })
})
after(() => cluster[Symbol.asyncDispose]())

/** Somebody who has a ticket still gets in. */
async function joins(ticket: string): Promise<void> {
  await using _joiner = await HostileMember.join(node, { ticket, name: `joiner${++joiners}` })
}
let joiners = 0

/** Forget how much memory the node once took. */
async function resetPeak(): Promise<number> {
  await writeFile(`/proc/${node.pid}/clear_refs`, '5')
  return node.peakBytes()
}

test('a ticket that was used as often as it may be opens the gate for nobody', async () => {
  const ticket = await node.invite('--expires', '1d')
  await using stranger = await RawPeer.start({ isQuiet: true })
  const addresses = await addressesOf(node)
  assert.ok(await stranger.isLetIn(addresses), 'there is a ticket to be shown')
  await joins(ticket)
  assert.equal(await stranger.isLetIn(addresses), false, 'it is used up')
  const second = await node.invite('--expires', '1d')
  assert.ok(await stranger.isLetIn(addresses))
  await joins(second)
})

test('a stranger reaches the join protocol and no other', async () => {
  const ticket = await node.invite('--uses', '2')
  await using stranger = await RawPeer.start()
  for (const protocol of [...SHOAL_PROTOCOLS, ...LIBP2P_PROTOCOLS]) {
    const connection = await stranger.dial(node)
    assert.equal(await stranger.isServed(connection, protocol), false, protocol)
    connection.abort(new Error('next'))
  }
  const topics = new Set<string>()
  stranger.gossip.addEventListener('subscription-change', ({ detail }) => {
    for (const { topic } of detail.subscriptions) topics.add(topic)
  })
  await stranger.dial(node)
  await pause(2000)
  assert.deepEqual([...topics], [], 'it is told no topics')
  const { peers } = await node.status()
  assert.ok(!peers.some(({ id }) => id === stranger.id))
  await joins(ticket)
})

test('what a stranger sends costs nothing: large frames, of the channel and below it', async () => {
  const ticket = await node.invite('--uses', '2')
  const before = await resetPeak()
  // A list of lists of lists: what it takes to decode is many times its size.
  const bomb = Buffer.alloc(5 * MIB, 0x81)
  for (let round = 0; round < 8; round++) {
    await using stranger = await RawPeer.start({ isQuiet: true })
    const connection = await stranger.dial(node).catch(() => undefined)
    if (connection === undefined) continue
    for (let n = 0; n < 4; n++) await shower(stranger, connection, bomb)
    await pause(200)
  }
  assert.ok(node.isRunning, node.output)
  await using stranger = await RawPeer.start({ isQuiet: true })
  await stranger.dial(node)
  await overfill(stranger)
  await pause(1000)
  const grownMiB = Math.round(((await node.peakBytes()) - before) / MIB)
  assert.ok(grownMiB < 60, `the node took ${grownMiB} MiB more`)
  await joins(ticket)
})

/** Below all streams: a frame of yamux of 1 GiB, which its decoder waits for the whole of. */
async function overfill({ bare }: RawPeer): Promise<void> {
  const [connection] = bare
  assert.ok(connection !== undefined)
  const header = Buffer.alloc(12)
  header.writeUInt16BE(1, 2)
  header.writeUInt32BE(1, 4)
  header.writeUInt32BE(1024 * MIB, 8)
  connection.send(header)
  for (let n = 0; n < 400 && connection.status === 'open'; n++) {
    if (!connection.send(randomBytes(MIB))) await pause(20)
  }
}

test('nor can a member make a node gather what is no message', async () => {
  await using other = await HostileMember.join(node)
  const { seed } = other.identity
  const before = await resetPeak()
  await using member = await RawPeer.start({ seed, isQuiet: true })
  await member.dial(node)
  await overfill(member)
  await pause(1000)
  const grownMiB = Math.round(((await node.peakBytes()) - before) / MIB)
  assert.ok(grownMiB < 60, `the node took ${grownMiB} MiB more`)
  const all: Connection[] = []
  for (let n = 0; n < 12; n++) all.push(await member.dial(node))
  await pause(1000)
  const open = all.filter(({ status }) => status === 'open')
  assert.ok(open.length <= 4, `it has ${open.length} connections`)
  await member[Symbol.asyncDispose]()
  const answers = await other.give(node, [])
  assert.equal(answers.at(-1)?.kind, 'durable', 'it is served again')
})

test('who knocks and says nothing keeps nobody out', async () => {
  const ticket = await node.invite()
  const [address = ''] = await addressesOf(node)
  const port = Number(/\/tcp\/(\d+)\//.exec(address)?.[1])
  const knockers = new Set<Socket>()
  let isOver = false
  const knock = (): void => {
    if (isOver) return
    const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
    knockers.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      knockers.delete(socket)
      setTimeout(knock, 50)
    })
  }
  for (let n = 0; n < 100; n++) knock()
  try {
    await pause(1000)
    await joins(ticket)
  } finally {
    isOver = true
    for (const socket of knockers) socket.destroy()
  }
})

/** A frame as a stranger would send it, whether or not somebody takes it. */
async function shower(stranger: RawPeer, connection: Connection, frame: Uint8Array): Promise<void> {
  try {
    const stream = await stranger.open(connection, JOIN_PROTOCOL)
    stream.send(concatBytes([...encodeFrame([]), ...encodeFrame([frame])]))
  } catch {
    // Refused: what is wanted.
  }
}

test('of many strangers few are heard at a time, and those who have a ticket get in', async () => {
  const ticket = await node.invite('--uses', '2')
  const addresses = await addressesOf(node)
  const crowd = await Promise.all(
    Array.from({ length: 24 }, () => RawPeer.start({ isQuiet: true })),
  )
  try {
    const connections = await Promise.all(
      crowd.map((stranger) => stranger.dialAt(addresses).catch(() => undefined)),
    )
    await pause(1000)
    const open = connections.filter((connection) => connection?.status === 'open')
    assert.ok(open.length <= 8, `${open.length} strangers of one address are connected`)
  } finally {
    for (const stranger of crowd) await stranger[Symbol.asyncDispose]()
  }
  await joins(ticket)
})

test('guesses at a ticket are few a minute', async () => {
  const { volume, addresses } = parseTicket(await node.invite())
  const started = Date.now()
  let answers = 0
  while (Date.now() - started < 8_000) {
    await using stranger = await RawPeer.start({ isQuiet: true })
    const connection = await stranger.dialAt(addresses).catch(() => undefined)
    if (connection === undefined) continue
    for (let n = 0; n < 20; n++) {
      const secret = randomBytes(16)
      const reply = await guess(stranger, connection, { kind: 'join', volume, secret })
      if (reply === undefined) break
      assert.equal(reply, 'ticket-unknown')
      answers++
    }
  }
  assert.ok(answers <= 12, `${answers} guesses were answered in 8 s`)
  assert.ok(node.isRunning)
})

/** The answer to a request, if there is one. */
async function guess(
  stranger: RawPeer,
  connection: Connection,
  request: Parameters<typeof encodeJoinRequest>[0],
): Promise<string | undefined> {
  let stream: Stream | undefined
  try {
    stream = await stranger.open(connection, JOIN_PROTOCOL)
    const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>()
    const frames = new FrameDecoder((frame) => (frame.length > 0 ? resolve(frame) : undefined))
    stream.addEventListener('message', ({ data }) => frames.push(data.subarray()))
    stream.addEventListener('close', () => resolve(undefined))
    stream.send(concatBytes([...encodeFrame([]), ...encodeFrame([encodeJoinRequest(request)])]))
    const frame = await promise
    if (frame === undefined) return undefined
    const reply = decodeJoinReply(frame)
    return reply.kind === 'refused' ? reply.code : reply.kind
  } catch {
    return undefined
  } finally {
    stream?.abort(new Error('seen'))
  }
}
