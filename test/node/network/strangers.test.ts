// Strangers that become members while they wait for an answer: they get it, whatever this node
// wants of the new member, and are then connected anew.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { PROTOCOL, deadline, startNetwork } from './started.ts'

test('the answer that makes a stranger a member is not lost, though it is called meanwhile', async (t) => {
  const [host, guest] = [await startNetwork(t, 'host'), await startNetwork(t, 'guest')]
  const members = new Set<PeerId>()
  const standing = (peer: PeerId): 'member' | 'stranger' =>
    members.has(peer) ? 'member' : 'stranger'
  host.gate(standing)
  await host.handle(
    PROTOCOL,
    async (channel) => {
      const signal = deadline()
      await channel.receive({ signal })
      members.add(channel.peer)
      host.gate(standing)
      // As those do who sync with each new member.
      await assert.rejects(host.open(channel.peer, PROTOCOL, { signal }))
      await assert.rejects(host.dial(channel.peer, { signal }))
      await channel.send([utf8('welcome')], { signal })
      await channel.close()
    },
    { forStrangers: true },
  )
  const signal = deadline()
  const peer = await guest.dial(host.addresses(), { signal })
  const channel = await guest.open(peer, PROTOCOL, { signal })
  await channel.send([utf8('a ticket')], { signal })
  assert.deepEqual(Buffer.from((await channel.receive({ signal })) ?? []), utf8('welcome'))
})
