// A peer that breaks the rules of the shard protocol does nothing to a holder. Frames over
// FRAME_MAX do not come so far; the channel refuses them (test/seams/network.ts).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { MIB, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import {
  PAYLOAD_PIECE,
  SHARD_MAX,
  SHARD_PROTOCOL,
  decodeShardReply,
  encodeShardRequest,
} from '../../../protocol/wire/shard.ts'
import { ROOM_BYTES, ShardRoom } from '../../../node/peers/shard-protocol-room.ts'
import { ShardServer } from '../../../node/peers/shard-protocol-server.ts'
import {
  LARGE,
  STRIPE,
  VOLUME,
  assertServes,
  failsWith,
  scenario,
  stripeOf,
  whole,
  signAnything,
} from './shard-swarm.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { ShardReply, ShardRequest } from '../../../protocol/wire/shard.ts'
import type { Channel } from '../../../node/world/world.ts'
import type { ShardSwarm } from './shard-swarm.ts'

describe('peers that break the shard protocol', () => {
  const PUT: ShardRequest = {
    kind: 'put',
    volume: VOLUME,
    header: LARGE.headerBytes,
    index: 0,
    length: LARGE.header.shardBytes,
  }
  const PIECE = (LARGE.shards[0] ?? new Uint8Array()).subarray(0, PAYLOAD_PIECE)

  for (const [what, misbehave] of [
    ['closes amid its payload', async (channel, send) => (await send(PIECE), channel.close())],
    [
      'breaks off amid its payload',
      async (channel, send) => (await send(PIECE), channel.abort(new Error('off'))),
    ],
    ['sends an empty piece', (_channel, send) => send(new Uint8Array(0))],
    [
      'sends a piece that is too large',
      (_channel, send) => send(new Uint8Array(PAYLOAD_PIECE + 1)),
    ],
    [
      'sends more than it said',
      async (_channel, send) => {
        for (let i = 0; i < 4; i++) await send(PIECE)
      },
    ],
  ] as readonly (readonly [string, Misbehaviour])[]) {
    scenario(`of one that ${what} nothing is kept, and others are served`, async (swarm) => {
      const writer = await swarm.asker('writer', 'writer')
      const channel = await writer.open()
      const { signal } = swarm
      const send = (frame: Uint8Array): Promise<void> => channel.send([frame], { signal })
      await send(encodeShardRequest(PUT))
      await misbehave(channel, send)
      const end = channel.receive({ signal }).catch(() => undefined)
      assert.equal(await end, undefined)
      assert.deepEqual(swarm.holder.store.shards.indices(LARGE.id), [])
      await assertServes(swarm, writer)
    })
  }

  scenario('one that falls silent is cut off, and its room is free again', async (swarm) => {
    const [silent, writer] = [
      await swarm.asker('silent', 'writer'),
      await swarm.asker('writer', 'writer'),
    ]
    const { signal } = swarm
    const channels: Channel[] = []
    // Together they ask for more memory than there is for one peer.
    for (let i = 0; i < STREAMS_PER_PEER_MAX; i++) {
      const channel = await silent.open()
      await channel.send([encodeShardRequest(PUT)], { signal })
      channels.push(channel)
    }
    await assertServes(swarm, writer, stripeOf(3, 2 * MIB, 1, 0))
    await swarm.sleep(2 * MINUTE_MS)
    for (const channel of channels) {
      await assert.rejects(channel.receive({ signal }), failsWith('unreachable'))
    }
    await assertServes(swarm, silent, LARGE)
  })

  scenario('an answer that is not taken ends its channel', async (swarm) => {
    const writer = await swarm.asker('writer', 'writer')
    await assertServes(swarm, writer, LARGE)
    const channel = await writer.open()
    const request: ShardRequest = { kind: 'get', volume: VOLUME, ...whole(LARGE, 0), proof: true }
    await channel.send([encodeShardRequest(request)], { signal: swarm.signal })
    await swarm.sleep(2 * MINUTE_MS)
    await assert.rejects(async () => {
      while ((await channel.receive({ signal: swarm.signal })) !== undefined);
    }, failsWith('unreachable'))
  })

  scenario('one that is slow but gets on is waited for', async (swarm) => {
    const writer = await swarm.asker('writer', 'writer')
    const channel = await writer.open()
    const { signal } = swarm
    swarm.holder.disk.onSync = () => swarm.sleep(MINUTE_MS)
    await channel.send([encodeShardRequest(PUT)], { signal })
    const [shard = PIECE] = LARGE.shards
    for (let at = 0; at < shard.length; at += PAYLOAD_PIECE) {
      await swarm.sleep(20 * SECOND_MS)
      await channel.send([shard.subarray(at, at + PAYLOAD_PIECE)], { signal })
    }
    const reply = await channel.receive({ signal })
    assert.ok(reply !== undefined)
    assert.equal(decodeShardReply(reply).kind, 'ok')
  })

  scenario('one with more channels than allowed is refused another', async (swarm) => {
    const { self } = swarm
    const replies: ShardReply[] = []
    const handlers: ((channel: Channel) => Promise<void>)[] = []
    const network = {
      self,
      handle: async (_protocol: string, serve: (channel: Channel) => Promise<void>) =>
        void handlers.push(serve),
    }
    const { clock } = swarm
    const { store } = swarm.holder
    const server = new ShardServer(
      { network, clock, store },
      { accessTo: () => undefined, sign: signAnything },
    )
    await server.start()
    const [serve] = handlers
    assert.ok(serve !== undefined)
    const served = Array.from({ length: STREAMS_PER_PEER_MAX + 1 }, () =>
      serve(idleChannel(self, replies)).catch((error: unknown) => error),
    )
    assert.ok(failsWith('EBUSY')(await served.pop()))
    assert.deepEqual(
      replies.map((reply) => reply.kind === 'error' && reply.code),
      ['EBUSY'],
    )
    await server.stop()
    for (const ended of await Promise.all(served)) assert.ok(failsWith('stopped')(ended))
  })

  scenario(
    'frames that are no requests are answered and end the channel, whatever they are',
    async (swarm) => {
      const writer = await swarm.asker('writer', 'writer')
      const request = encodeShardRequest({ kind: 'have', volume: VOLUME, stripe: STRIPE.id })
      const tooLong = encodeShardRequest({ ...PUT, length: SHARD_MAX + 1 } as ShardRequest)
      const anyBytes = fc.uint8Array({ maxLength: 200 })
      const mutated = fc
        .tuple(fc.nat(request.length - 1), fc.integer({ min: 1, max: 255 }))
        .map(([at, flip]) => request.map((byte, i) => (i === at ? byte ^ flip : byte)))
      const frames = fc.oneof(
        anyBytes,
        mutated,
        fc.constant(tooLong),
        fc.constant(request.subarray(1)),
      )
      await fc.assert(
        fc.asyncProperty(frames, async (frame) => {
          const reply = await ask(swarm, await writer.open(), frame)
          // Some flipped bits make another valid request.
          if (reply.kind === 'ok') assert.equal(reply.length, 0)
          else
            assert.ok(['malformed', 'unsupported', 'not-a-member'].includes(reply.code), reply.code)
        }),
        { seed: 1, numRuns: 150 },
      )
      await assertServes(swarm, writer)
    },
  )
})

describe('room for whole shards', () => {
  test('held bytes are bounded in total and per peer, and all waiters are served', async () => {
    const requests = fc.array(
      fc.record({
        peer: fc.constantFrom('a', 'b', 'c'),
        bytes: fc.integer({ min: 1, max: ROOM_BYTES }),
        leaves: fc.boolean(),
      }),
      { minLength: 1, maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(requests, async (wanted) => {
        const room = new ShardRoom()
        const held: { peer: string; bytes: number; giveBack: () => void }[] = []
        const asking = wanted.map(async ({ peer, bytes, leaves }) => {
          const controller = new AbortController()
          const taken = room.take(peer as PeerId, bytes, controller.signal)
          if (leaves) controller.abort(new Error('left'))
          const giveBack = await taken.catch(() => undefined)
          if (giveBack !== undefined) held.push({ peer, bytes, giveBack })
        })
        let served = 0
        for (;;) {
          await new Promise<void>((resolve) => setImmediate(resolve))
          assert.ok(sum(held) <= ROOM_BYTES)
          for (const peer of ['a', 'b', 'c']) {
            const own = held.filter((one) => one.peer === peer)
            assert.ok(own.length <= 1 || sum(own) <= ROOM_BYTES / 2)
          }
          const first = held.shift()
          if (first === undefined) break
          served++
          first.giveBack()
        }
        await Promise.all(asking)
        assert.ok(served >= wanted.filter(({ leaves }) => !leaves).length)
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('a waiter that leaves lets in those behind it', async () => {
    const room = new ShardRoom()
    const { signal } = new AbortController()
    const leaver = new AbortController()
    await room.take('a' as PeerId, 2, signal)
    const left = assert.rejects(
      room.take('b' as PeerId, ROOM_BYTES - 1, leaver.signal),
      /had enough/,
    )
    const behind = room.take('c' as PeerId, 1, signal)
    leaver.abort(new Error('had enough'))
    await left
    await behind
  })
})

function sum(held: readonly { readonly bytes: number }[]): number {
  return held.reduce((total, { bytes }) => total + bytes, 0)
}

/** A channel of a peer that says nothing; what it is sent goes to `replies`. */
function idleChannel(peer: PeerId, replies: ShardReply[]): Channel {
  return {
    peer,
    protocol: SHARD_PROTOCOL,
    send: async ([frame = new Uint8Array()]) => void replies.push(decodeShardReply(frame)),
    receive: ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
    receiveInto: async () => undefined,
    close: async () => undefined,
    abort: () => undefined,
  }
}

type Misbehaviour = (channel: Channel, send: (frame: Uint8Array) => Promise<void>) => Promise<void>

/** The reply to one frame, which ends the channel if that could not be read. */
async function ask(
  { signal }: ShardSwarm,
  channel: Channel,
  frame: Uint8Array,
): Promise<ShardReply> {
  await channel.send([frame], { signal })
  const reply = await channel.receive({ signal })
  assert.ok(reply !== undefined)
  const decoded = decodeShardReply(reply)
  const isUnread = decoded.kind === 'error' && decoded.code !== 'not-a-member'
  if (isUnread) assert.equal(await channel.receive({ signal }), undefined)
  channel.abort(new Error('asked'))
  return decoded
}
