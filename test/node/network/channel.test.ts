// The promise that the network suite cannot ask of every implementation: that the streams of one
// connection do not hold each other up.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { MIB } from '../../../protocol/units.ts'
import { clock, deadline, echo, PROTOCOL, startNetwork } from './started.ts'
import type { Channel } from '../../../node/world/world.ts'

/** A receive queue, a stream window and what is on its way, with room to spare. */
const UNREAD_MAX: number = 16 * MIB
const FRAMES = 64

describe('a channel of libp2p', () => {
  test('a channel without a reader stops its sender, and no other channel', async (t) => {
    const [a, b] = [await startNetwork(t, 'a'), await startNetwork(t, 'b')]
    const unread = Promise.withResolvers<Channel>()
    await b.handle(PROTOCOL, echo)
    await b.handle('/shoal/test/unread/1', (channel) => {
      unread.resolve(channel)
      return new Promise(() => {})
    })
    const signal = deadline()
    const peer = await a.dial(b.addresses(), { signal })
    const channel = await a.open(peer, '/shoal/test/unread/1', { signal })
    let sent = 0
    const sending = (async () => {
      for (; sent < FRAMES; sent++) await channel.send([new Uint8Array(MIB)], { signal })
      await channel.close()
    })()
    await Promise.race([sending, clock.sleep(1_000)])
    assert.ok(sent >= 1 && sent * MIB <= UNREAD_MAX, `${sent} MiB were taken unread`)

    const other = await a.open(peer, PROTOCOL, { signal })
    await other.send([utf8('I get through')], { signal })
    assert.equal((await other.receive({ signal }))?.byteLength, 13)

    const reader = await unread.promise
    for (let i = 0; i < FRAMES; i++) {
      assert.equal((await reader.receive({ signal }))?.byteLength, MIB)
    }
    assert.equal(await reader.receive({ signal }), undefined)
    await sending
  })
})
