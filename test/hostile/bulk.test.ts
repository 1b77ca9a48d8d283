// Bulk connections: nobody has one without a token of its own, given over its own connection, used
// once and at once; and a member that has one can take no more than its lanes allow.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { STREAMS_PER_PEER_MAX } from '../../protocol/limits.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import {
  LANE_WINDOW,
  RECORD,
  RECORD_DATA_MAX,
  TOKEN_BYTES,
  encodePreamble,
} from '../../protocol/wire/bulk.ts'
import { PROTOCOL, deadline, echo, startNetwork, until } from '../node/network/started.ts'
import { BulkPeer, closed, hello, open, record } from './bulk-peer.ts'
import type { TestContext } from 'node:test'
import type { Libp2pNetwork } from '../../node/world/libp2p/network.ts'
import type { Channel, Standing } from '../../node/world/world.ts'

const FRAME_MAX_HERE: number = 1 * MIB

/** A node that serves lanes; what went wrong on them comes to `failures`. */
async function victim(
  t: TestContext,
  serve: (channel: Channel) => Promise<void> = echo,
): Promise<Libp2pNetwork> {
  const network = await startNetwork(t, 'victim')
  await network.handle(PROTOCOL, serve, { isBulk: true, frameMax: FRAME_MAX_HERE })
  return network
}

test('a token lets in once', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  const token = await member.token(node)
  const first = await member.enter(node, token)
  first.write(hello(token))
  await once(first, 'data')
  const again = await member.enter(node, token)
  assert.equal(again.getPeerX509Certificate(), undefined, 'no handshake either')
  await closed(again)
  assert.equal(first.destroyed, false)
})

test('a token of another lets nobody in, and is used up', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  await using thief = await BulkPeer.start(randomBytes(32))
  await thief.token(node) // it is a member too
  const token = await member.token(node)
  const stolen = await thief.enter(node, token)
  stolen.write(hello(token))
  await closed(stolen)
  const late = await member.enter(node, token)
  await closed(late)
  assert.deepEqual(node.bulkPeers(), [])
})

test('a token that was never given, or is shown in part, lets nobody in', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  await closed(await member.enter(node, randomBytes(TOKEN_BYTES)))
  const token = await member.token(node)
  const socket = await member.enter(node, token)
  const wrong = Buffer.from(token)
  wrong[TOKEN_BYTES - 1] = (wrong[TOKEN_BYTES - 1] ?? 0) ^ 1
  socket.write(hello(wrong))
  await closed(socket)
  const silent = await member.enter(node, await member.token(node))
  await closed(silent)
  assert.deepEqual(node.bulkPeers(), [])
})

test('a token is void once its peer is no member, or has hung up', async (t) => {
  const node = await victim(t)
  let standing: Standing = 'member'
  node.gate(() => standing)
  await using member = await BulkPeer.start(randomBytes(32))
  const token = await member.token(node)
  standing = 'stranger'
  node.gate(() => standing)
  await closed(await member.enter(node, token))
  standing = 'member'
  node.gate(() => standing)
  const second = await member.token(node)
  for (const connection of member.raw.libp2p.getConnections()) connection.abort(new Error('bye'))
  await until(deadline(), () => node.peers().length === 0)
  await closed(await member.enter(node, second))
})

test('a stranger is not given a token', async (t) => {
  const node = await victim(t)
  node.gate(() => 'stranger')
  await using stranger = await BulkPeer.start(randomBytes(32))
  await assert.rejects(stranger.token(node))
})

test('who is removed loses its bulk connection at once', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  const socket = await member.connect(node)
  assert.deepEqual(node.bulkPeers(), [member.raw.id])
  node.gate(() => 'nobody')
  assert.deepEqual(node.bulkPeers(), [])
  await closed(socket)
})

test('a node does not dial where a peer would have it, but where it has dialled', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  const reply = await member.ask(node, { kind: 'dial', token: randomBytes(TOKEN_BYTES) })
  assert.deepEqual(reply, { kind: 'refused' }, 'it has not dialled this peer')
})

const lane = open(1, PROTOCOL)
const BREACHES: Readonly<Record<string, readonly Uint8Array[]>> = {
  'a record of no kind': [record(99, 1, 0)],
  'a second hello': [record(RECORD.HELLO, 0, 0)],
  'more data than a record has': [lane, record(RECORD.DATA, 1, RECORD_DATA_MAX + 1)],
  'a record that claims 4 GiB': [lane, record(RECORD.DATA, 1, 2 ** 32 - 1)],
  'no data': [lane, record(RECORD.DATA, 1, 0)],
  'data of a lane that was never opened': [record(RECORD.DATA, 7, 1, Buffer.alloc(1))],
  'a lane of the other side': [open(2, PROTOCOL)],
  'a lane twice': [lane, lane],
  'a lane of a long name': [record(RECORD.OPEN, 1, 65, Buffer.alloc(65, 97))],
  'a lane of no name': [record(RECORD.OPEN, 1, 3, Buffer.from([0, 1, 255]))],
  'credit without end': [
    lane,
    record(RECORD.CREDIT, 1, 2 ** 31),
    record(RECORD.CREDIT, 1, 2 ** 31),
  ],
  'an end with a body': [lane, record(RECORD.END, 1, 1, Buffer.alloc(1))],
}
for (const [what, records] of Object.entries(BREACHES)) {
  test(`${what} ends the connection`, async (t) => {
    const node = await victim(t, () => new Promise(() => {}))
    await using member = await BulkPeer.start(randomBytes(32))
    const socket = await member.connect(node)
    for (const bytes of records) socket.write(bytes)
    await closed(socket)
    assert.deepEqual(node.bulkPeers(), [])
  })
}

test('more than a lane was granted ends the connection', async (t) => {
  const node = await victim(t, () => new Promise(() => {}))
  await using member = await BulkPeer.start(randomBytes(32))
  const socket = await member.connect(node)
  socket.write(lane)
  const piece = record(RECORD.DATA, 1, 64 * KIB, Buffer.alloc(64 * KIB))
  for (let sent = 0; sent < LANE_WINDOW; sent += 64 * KIB) socket.write(piece)
  await assert.rejects(once(socket, 'close', { signal: AbortSignal.timeout(500) }))
  socket.write(record(RECORD.DATA, 1, 1, Buffer.alloc(1)))
  await closed(socket)
})

test('a frame above what a protocol takes costs its lane, and no memory', async (t) => {
  const failures: unknown[] = []
  const node = await victim(t, async (channel) => {
    await channel.receive({ signal: deadline() }).catch((error: unknown) => failures.push(error))
  })
  await using member = await BulkPeer.start(randomBytes(32))
  const socket = await member.connect(node)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(FRAME_MAX_HERE + 1)
  socket.write(lane)
  socket.write(record(RECORD.DATA, 1, 4, length))
  await until(deadline(), () => failures.length > 0)
  assert.match(String(failures[0]), /a frame of 1048577 bytes/)
  assert.equal(socket.destroyed, false)
})

test('half a frame is never taken for a whole one', async (t) => {
  const outcomes: unknown[] = []
  const node = await victim(t, async (channel) => {
    const into = new Uint8Array(8)
    await channel
      .receiveInto(into, { signal: deadline() })
      .catch((error: unknown) => outcomes.push(error))
  })
  await using member = await BulkPeer.start(randomBytes(32))
  for (const end of [record(RECORD.END, 1, 0), record(RECORD.RESET, 1, 0), undefined]) {
    const socket = await member.connect(node)
    socket.write(lane)
    socket.write(record(RECORD.DATA, 1, 8, Buffer.from([0, 0, 0, 8, 1, 2, 3, 4])))
    if (end === undefined) socket.end()
    else socket.write(end)
    const before = outcomes.length
    await until(deadline(), () => outcomes.length > before)
    assert.match(String(outcomes.at(-1)), /unreachable|ended|broke/)
    socket.destroy()
    await until(deadline(), () => node.bulkPeers().length === 0)
  }
})

test('no more lanes are served than streams would be', async (t) => {
  let served = 0
  const node = await victim(t, () => {
    served++
    return new Promise(() => {})
  })
  await using member = await BulkPeer.start(randomBytes(32))
  const socket = await member.connect(node)
  const answers: Buffer[] = []
  socket.on('data', (bytes: Buffer) => answers.push(bytes))
  const count = 4 * STREAMS_PER_PEER_MAX
  for (let n = 0; n < count; n++) socket.write(open(1 + 2 * n, PROTOCOL))
  await until(deadline(), () => Buffer.concat(answers).length >= count * 12)
  assert.equal(served, STREAMS_PER_PEER_MAX)
})

test('a member that opens lanes without end is told of as costly', async (t) => {
  const node = await victim(t)
  let bytes = 0
  node.onTraffic((_peer, count) => (bytes += count))
  await using member = await BulkPeer.start(randomBytes(32))
  const socket = await member.connect(node)
  socket.resume()
  for (let n = 0; n < 2000; n++) socket.write(open(1 + 2 * n, '/none/1'))
  await until(deadline(), () => bytes > 16 * KIB)
})

test('connections that say nothing, or half a knock, are closed and keep nobody out', async (t) => {
  const node = await victim(t)
  await using member = await BulkPeer.start(randomBytes(32))
  const silent = await Promise.all(Array.from({ length: 100 }, () => member.socket(node)))
  const half = encodePreamble(randomBytes(TOKEN_BYTES)).subarray(0, 20)
  for (const socket of silent.slice(0, 50)) socket.write(half)
  await Promise.all(silent.map((socket) => closed(socket)))
  const socket = await member.connect(node)
  assert.equal(socket.destroyed, false)
})
