// The duties of every Network, part one: channels, their frames and their limits.
import assert from 'node:assert/strict'
import { FRAME_MAX, STREAMS_PER_PEER_MAX } from '../../protocol/limits.ts'
import { MIB } from '../../protocol/units.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { bytesOf, echo, PROTOCOL, rejects, scenario } from './network-swarm.ts'
import type { Channel } from '../../node/world/world.ts'
import type { Open } from './network-swarm.ts'

/**
 * How far a sender may be ahead of a reader that does not read: windows and buffers, but never the
 * whole transfer.
 */
const AHEAD_MAX: number = 32 * MIB

/** Declares them for one implementation. */
export function channels(open: Open): void {
  scenario(
    'frames of any size come back whole and in order, then a clean end',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      await b.handle(PROTOCOL, (channel) => echo(channel, signal))
      const channel = await a.open(b.self, PROTOCOL, { signal })
      for (const length of [0, 1, 200, 64 * 1024, 1_000_003, FRAME_MAX]) {
        await channel.send([bytesOf(length, length % 251)], { signal })
        assert.deepEqual(await channel.receive({ signal }), bytesOf(length, length % 251))
      }
      await channel.close()
      assert.equal(await channel.receive({ signal }), undefined)
    },
  )

  scenario('a channel knows its peer and protocol on both sides', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    const served = Promise.withResolvers<Channel>()
    await b.handle(PROTOCOL, async (channel) => served.resolve(channel))
    const opened = await a.open(b.self, PROTOCOL, { signal })
    assert.deepEqual([opened.peer, opened.protocol], [b.self, PROTOCOL])
    const { peer, protocol } = await served.promise
    assert.deepEqual([peer, protocol], [a.self, PROTOCOL])
  })

  scenario(
    'the parts of a send arrive as one frame, and concurrent sends do not mix',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      await b.handle(PROTOCOL, (channel) => echo(channel, signal))
      const channel = await a.open(b.self, PROTOCOL, { signal })
      const fills = [1, 2, 3, 4]
      const parts = (fill: number): Uint8Array[] => [5, 700_000, 0, 9].map((n) => bytesOf(n, fill))
      const sent = Promise.all(fills.map((fill) => channel.send(parts(fill), { signal })))
      for (const fill of fills) {
        assert.deepEqual(await channel.receive({ signal }), bytesOf(700_014, fill))
      }
      await sent
    },
  )

  scenario('a slow reader holds back the sender of 64 MiB', open, async (swarm) => {
    const { signal, clock } = swarm
    const [a, b] = await swarm.pair()
    const served = Promise.withResolvers<Channel>()
    const finished = Promise.withResolvers<void>()
    await b.handle(PROTOCOL, async (channel) => {
      served.resolve(channel)
      await finished.promise
    })
    const channel = await a.open(b.self, PROTOCOL, { signal })
    let sentBytes = 0
    const sending = (async () => {
      for (let i = 0; i < 64; i++) {
        await channel.send([bytesOf(MIB, i)], { signal })
        sentBytes += MIB
      }
      await channel.close()
    })()
    const reader = await served.promise
    let readBytes = 0
    for (let i = 0; i < 64; i++) {
      await clock.sleep(5)
      const frame = await reader.receive({ signal })
      assert.equal(frame?.byteLength, MIB)
      assert.equal(frame[i], i)
      readBytes += MIB
      assert.ok(sentBytes - readBytes <= AHEAD_MAX, `${sentBytes - readBytes} bytes ahead`)
    }
    assert.equal(await reader.receive({ signal }), undefined)
    finished.resolve()
    await sending
  })

  scenario(
    'an abort amid a frame shows as unreachable and never as part of a frame',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      const served = Promise.withResolvers<Channel>()
      await b.handle(PROTOCOL, (channel) => {
        served.resolve(channel)
        return new Promise(() => {})
      })
      const channel = await a.open(b.self, PROTOCOL, { signal })
      const stop = new AbortController()
      const sending = (async () => {
        for (;;) await channel.send([bytesOf(FRAME_MAX, 7)], { signal: stop.signal })
      })()
      const reader = await served.promise
      await reader.receive({ signal })
      stop.abort()
      await rejects(sending, 'aborted')
      channel.abort(new Error('enough'))
      const failure = (async () => {
        for (;;) {
          const frame = await reader.receive({ signal })
          assert.equal(frame?.byteLength, FRAME_MAX)
        }
      })()
      await rejects(failure, 'unreachable')
      await rejects(channel.send([bytesOf(1, 1)], { signal }), 'unreachable')
      await rejects(channel.receive({ signal }), 'unreachable')
    },
  )

  scenario('a handler that fails breaks its channel and nothing else', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    await b.handle(PROTOCOL, () => Promise.reject(new Error('a bug')))
    await b.handle(`${PROTOCOL}/echo`, (channel) => echo(channel, signal))
    const broken = await a.open(b.self, PROTOCOL, { signal })
    await rejects(broken.receive({ signal }), 'unreachable')
    const channel = await a.open(b.self, `${PROTOCOL}/echo`, { signal })
    await channel.send([utf8('still here')], { signal })
    assert.deepEqual(await channel.receive({ signal }), new Uint8Array(utf8('still here')))
  })

  scenario('an aborted receive leaves the channel usable', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    await b.handle(PROTOCOL, (channel) => echo(channel, signal))
    const channel = await a.open(b.self, PROTOCOL, { signal })
    const stop = new AbortController()
    const waiting = channel.receive({ signal: stop.signal })
    stop.abort()
    await rejects(waiting, 'aborted')
    await rejects(channel.send([utf8('not sent')], { signal: stop.signal }), 'aborted')
    await channel.send([utf8('sent')], { signal })
    assert.deepEqual(await channel.receive({ signal }), new Uint8Array(utf8('sent')))
  })
}

/** Declares them for one implementation. */
export function limits(open: Open): void {
  scenario(
    'a frame above FRAME_MAX is refused before a byte of it is sent',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      await b.handle(PROTOCOL, (channel) => echo(channel, signal))
      const channel = await a.open(b.self, PROTOCOL, { signal })
      await rejects(channel.send([bytesOf(FRAME_MAX, 1), bytesOf(1, 1)], { signal }), 'malformed')
      await channel.send([utf8('fits')], { signal })
      assert.deepEqual(await channel.receive({ signal }), new Uint8Array(utf8('fits')))
    },
  )

  scenario('a frame above what a protocol takes breaks the channel', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    const heard: (number | undefined)[] = []
    const failed = Promise.withResolvers<unknown>()
    const serve = async (channel: Channel): Promise<void> => {
      const frame = await channel.receive({ signal })
      heard.push(frame?.byteLength)
      await channel.send([bytesOf(101, 2)], { signal })
      await channel.receive({ signal }).catch(failed.resolve)
    }
    await b.handle(PROTOCOL, serve, { frameMax: 100 })
    const channel = await a.open(b.self, PROTOCOL, { signal, frameMax: 101 })
    await channel.send([bytesOf(100, 1)], { signal })
    assert.equal((await channel.receive({ signal }))?.byteLength, 101)
    await channel.send([bytesOf(101, 1)], { signal })
    assert.ok(hasCode(await failed.promise, 'malformed'))
    await rejects(channel.receive({ signal }), 'unreachable')
    const other = await a.open(b.self, PROTOCOL, { signal, frameMax: 100 })
    await other.send([bytesOf(1, 1)], { signal })
    await rejects(other.receive({ signal }), 'malformed')
    assert.deepEqual(heard, [100, 1])
  })

  scenario(
    'a peer gets STREAMS_PER_PEER_MAX channels of a protocol and not one more',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      await b.handle(PROTOCOL, (channel) => echo(channel, signal))
      const opened: Channel[] = []
      for (let i = 0; i < STREAMS_PER_PEER_MAX; i++) {
        const channel = await a.open(b.self, PROTOCOL, { signal })
        await channel.send([bytesOf(3, i)], { signal })
        opened.push(channel)
      }
      for (const [i, channel] of opened.entries()) {
        assert.deepEqual(await channel.receive({ signal }), bytesOf(3, i))
      }
      const extra = (async () => {
        const channel = await a.open(b.self, PROTOCOL, { signal })
        await channel.receive({ signal })
      })()
      await rejects(extra, 'unreachable')
      await opened[0]?.close()
      await opened[0]?.receive({ signal })
      const channel = await a.open(b.self, PROTOCOL, { signal })
      await channel.send([utf8('room again')], { signal })
      assert.deepEqual(await channel.receive({ signal }), new Uint8Array(utf8('room again')))
    },
  )

  scenario('a protocol that the peer does not serve is unreachable', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    await rejects(a.open(b.self, '/shoal/none/1', { signal }), 'unreachable')
  })
}
