// Channels for shards: used again, but not for ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardChannels } from '../../../node/peers/shard-protocol-channels.ts'
import { channelPair, networkOf } from '../log/wires.ts'
import { SHARD_PROTOCOL } from '../../../protocol/wire/shard.ts'
import type { Clock } from '../../../node/world/world.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Instant } from '../../../protocol/units.ts'

const [A, B] = ['a' as PeerId, 'b' as PeerId]

test('a channel is used again for a minute, and opened as bulk', async () => {
  let now = 0
  const clock = {
    now: () => now as Instant,
    timer: () => ({ cancel: () => undefined }),
    timeout: (_ms: number, signal?: AbortSignal) => signal ?? new AbortController().signal,
  } as Partial<Clock> as Clock
  const opened: (boolean | undefined)[] = []
  const network = networkOf(A, {
    open: async (_peer, _protocol, { isBulk }) => {
      opened.push(isBulk)
      return channelPair(A, B, SHARD_PROTOCOL)[0]
    },
  })
  const channels = new ShardChannels({ network, clock })
  const { signal } = new AbortController()
  const use = async (): Promise<boolean> => {
    const lease = await channels.lease(B, { fresh: false, signal })
    channels.release(lease)
    return lease.reused
  }
  assert.equal(await use(), false)
  now += 60_000
  assert.equal(await use(), true)
  now += 1
  assert.equal(await use(), true, 'it ends after a request, not before')
  assert.equal(await use(), false)
  assert.deepEqual(opened, [true, true])
})
