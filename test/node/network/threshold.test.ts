// The party that an address stands for, when strangers are counted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { addressOf } from '../../../node/world/libp2p/threshold.ts'

const of = (text: string): string => addressOf(multiaddr(text))

test('a party is an IPv4 address or an IPv6 network, whatever the port', () => {
  assert.equal(of('/ip4/192.0.2.7/tcp/4001'), of('/ip4/192.0.2.7/tcp/9'))
  assert.notEqual(of('/ip4/192.0.2.7/tcp/4001'), of('/ip4/192.0.2.8/tcp/4001'))
  assert.equal(of('/ip6/2001:db8:1:2::1/tcp/1'), of('/ip6/2001:db8:1:2:ffff::7/tcp/2'))
  assert.notEqual(of('/ip6/2001:db8:1:2::1/tcp/1'), of('/ip6/2001:db8:1:3::1/tcp/1'))
  assert.equal(of('/ip6/::ffff:192.0.2.7/tcp/1'), of('/ip4/192.0.2.7/tcp/1'))
  assert.notEqual(of('/ip6/::ffff:192.0.2.7/tcp/1'), of('/ip6/::ffff:192.0.2.8/tcp/1'))
})
