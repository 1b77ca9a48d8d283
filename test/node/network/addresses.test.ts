// The addresses that a node dials when it is told where a peer is.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { isOfMachine } from '../../../node/world/libp2p/addresses.ts'
import { Libp2pNetwork } from '../../../node/world/libp2p/network.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { identityFromSeed } from '../../../protocol/signed.ts'

test('an address of a machine is an IP address or a name, with a TCP port', () => {
  const peer = '/p2p/12D3KooWGRUahbbf35iLKbtJPSd7TUd1fKuFGvx1eAAkgQMZxvRu'
  for (const text of ['/ip4/192.0.2.7/tcp/1', `/ip6/::1/tcp/1${peer}`, '/dns4/example.org/tcp/1'])
    assert.ok(isOfMachine(multiaddr(text)), text)
  for (const text of ['/unix/%2Frun%2Fdocker.sock', '/ip4/192.0.2.7/udp/53', '/memory/1', peer])
    assert.ok(!isOfMachine(multiaddr(text)), text)
})

test('a peer that gives a Unix socket as its address is not dialled there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-addresses-'))
  const path = join(folder, 'api.sock')
  let knocks = 0
  const server = createServer((socket) => (knocks++, socket.destroy())).listen(path)
  await once(server, 'listening')
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const seed = blake3(utf8('who dials'))
  const network = await Libp2pNetwork.create({ seed, folder, listen, mdns: false })
  await network.start()
  try {
    const { peer } = identityFromSeed(blake3(utf8('who lies')))
    const signal = AbortSignal.timeout(10_000)
    const address = `/unix/${encodeURIComponent(path)}`
    await network.learn(peer, [address])
    await assert.rejects(network.dial(peer, { signal }), { code: 'unreachable' })
    await assert.rejects(network.dial([address], { signal }), { code: 'unreachable' })
    assert.equal(knocks, 0)
  } finally {
    await network.stop()
    server.close()
    await rm(folder, { recursive: true })
  }
})
