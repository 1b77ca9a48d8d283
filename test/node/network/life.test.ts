// Starts, stops, crashes and restarts of nodes, and what they know of each other afterwards.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hasCode } from '../../../protocol/errors.ts'
import { CODEC_RAW, encodeCid, MULTIHASH_BLAKE3 } from '../../../protocol/ids.ts'
import {
  clock,
  createNetwork,
  deadline,
  LOOPBACK,
  PROTOCOL,
  startNetwork,
  temporaryFolder,
  until,
} from './started.ts'
import type { ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'
import type { PeerId } from '../../../protocol/ids.ts'

/**
 * A peer that is gone must be seen to be gone within this; loopback tells at once, a loaded machine
 * later.
 */
const SOON_MS = 3_000

describe('the life of a network', () => {
  test('a process whose network has stopped exits by itself', async (t) => {
    const { child, addresses } = await startProcess(t, await temporaryFolder(t), LOOPBACK)
    const network = await startNetwork(t, 'a')
    const peer = await network.dial(addresses, { signal: deadline() })
    await network.open(peer, PROTOCOL, { signal: deadline() })
    child.send('stop')
    assert.deepEqual(await once(child, 'exit', { signal: deadline() }), [0, null])
  })

  test('a killed peer is gone at once, and back after a restart on its port', async (t) => {
    const folder = await temporaryFolder(t)
    const first = await startProcess(t, folder, LOOPBACK)
    const network = await startNetwork(t, 'a')
    const peer = await network.dial(first.addresses, { signal: deadline() })
    const channel = await network.open(peer, PROTOCOL, { signal: deadline() })
    const gone = Promise.withResolvers<PeerId>()
    network.onDisconnect((who) => gone.resolve(who))
    const soon = clock.timeout(SOON_MS)
    first.child.kill('SIGKILL')
    await assert.rejects(channel.receive({ signal: soon }), isUnreachable)
    assert.equal(await gone.promise, peer)
    await assert.rejects(network.open(peer, PROTOCOL, { signal: soon }), isUnreachable)
    await startProcess(t, folder, (first.addresses[0] ?? '').replace(/\/p2p\/.*/, ''))
    const again = await network.open(peer, PROTOCOL, { signal: deadline() })
    await again.send([new Uint8Array(3)], { signal: deadline() })
    assert.equal((await again.receive({ signal: deadline() }))?.byteLength, 3)
  })

  test('a port or a folder in use is reported as such', async (t) => {
    const folder = await temporaryFolder(t)
    const a = await startNetwork(t, 'a', { folder })
    const listen = a.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
    const b = await createNetwork(t, 'b', { listen })
    await assert.rejects(
      b.start(),
      (error) => hasCode(error, 'usage') && /in use/.test(error.message),
    )
    await assert.rejects(createNetwork(t, 'c', { folder }), (error) =>
      hasCode(error, 'already-running'),
    )
    await assert.rejects(createNetwork(t, 'd', { listen: ['0.0.0.0:1'] }), (error) =>
      hasCode(error, 'malformed'),
    )
  })
})

describe('addresses', () => {
  test('a peer is found again after a restart, with nothing but the folder', async (t) => {
    const folder = await temporaryFolder(t)
    const a = await startNetwork(t, 'a', { folder })
    const b = await startNetwork(t, 'b')
    await b.dial(a.addresses(), { signal: deadline() })
    await until(deadline(), async () => (await a.addressesOf(b.self)).length > 0)
    await a.stop()
    const again = await startNetwork(t, 'a', { folder })
    assert.deepEqual(await again.addressesOf(b.self), b.addresses())
    assert.equal(await again.dial(b.self, { signal: deadline() }), b.self)
  })

  test('an address given by hand stays, though the peer does not announce it', async (t) => {
    const [a, b] = [await startNetwork(t, 'a'), await startNetwork(t, 'b')]
    const forwarded = `/ip4/203.0.113.9/tcp/4001/p2p/${b.self}`
    await a.learn(b.self, [forwarded, forwarded.replace(/\/p2p.*/, '')])
    assert.deepEqual(await a.addressesOf(b.self), [forwarded])
    const knows = async (addresses: readonly string[]): Promise<boolean> => {
      const known = await a.addressesOf(b.self)
      return [forwarded, ...addresses].every((address) => known.includes(address))
    }
    await a.dial(b.addresses(), { signal: deadline() })
    await until(deadline(), () => knows(b.addresses()))
    await b.stop()
    // On another port, so that what a knows of it then is what it said then.
    const again = await startNetwork(t, 'b')
    await again.dial(a.addresses(), { signal: deadline() })
    await until(deadline(), () => knows(again.addresses()))
    const others = a.addresses()
    await assert.rejects(a.learn(b.self, others), (error) => hasCode(error, 'malformed'))
  })

  test('a node that listens everywhere announces reachable and configured addresses', async (t) => {
    const advertised = '/dns4/shoal.example.org/tcp/443'
    const a = await startNetwork(t, 'a', { listen: ['/ip4/0.0.0.0/tcp/0'], announce: [advertised] })
    const hosts = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address)
    const addresses = a.addresses()
    assert.ok(addresses.includes(`${advertised}/p2p/${a.self}`), addresses.join())
    for (const host of hosts)
      assert.ok(addresses.some((address) => address.startsWith(`/ip4/${host}/tcp/`)))
    assert.equal(addresses.length, hosts.length + 1)
    assert.ok(addresses.every((address) => !address.includes('/tcp/0')))
  })
})

describe('finding content and peers', () => {
  test('content that several of six peers provide is found through the DHT', async (t) => {
    const networks = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => startNetwork(t, name)),
    )
    const [a, b, ...rest] = networks
    assert.ok(a && b)
    for (const network of [b, ...rest]) await network.dial(a.addresses(), { signal: deadline() })
    const cid = encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, new Uint8Array(32).fill(5))
    const expected = [a.self, b.self].toSorted()
    await until(deadline(), async () => {
      for (const network of [a, b]) await network.provide(cid, { signal: deadline() })
      const found = await Promise.all(
        rest.map((network) => collect(network.find(cid, { signal: deadline() }))),
      )
      return found.every((peers) => String(peers.toSorted()) === String(expected))
    })
  })

  test('withdrawn content is no longer found at the provider itself', async (t) => {
    const [a, b] = [await startNetwork(t, 'a'), await startNetwork(t, 'b')]
    const cid = encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, new Uint8Array(32).fill(6))
    const find = (): Promise<readonly PeerId[]> => collect(b.find(cid, { signal: deadline() }))
    // Alone, so that nobody else is told.
    await a.provide(cid, { signal: deadline() })
    await b.dial(a.addresses(), { signal: deadline() })
    await until(deadline(), async () => String(await find()) === a.self)
    await a.unprovide(cid)
    assert.deepEqual(await find(), [])
  })

  test('nodes on one local network discover each other', async (t) => {
    if (!(await multicastWorks())) return t.skip('multicast does not work here')
    const options = { listen: ['/ip4/0.0.0.0/tcp/0'], mdns: true }
    const found = new Set<string>()
    const [a, b] = [
      await createNetwork(t, 'mdns a', options),
      await createNetwork(t, 'mdns b', options),
    ]
    a.onDiscover((peer) => found.add(`a finds ${peer === b.self ? 'b' : peer}`))
    b.onDiscover((peer) => found.add(`b finds ${peer === a.self ? 'a' : peer}`))
    await a.start()
    await b.start()
    await until(deadline(), () => found.has('b finds a') || found.has('a finds b'))
    const [finder, other] = found.has('b finds a') ? [b, a] : [a, b]
    assert.deepEqual(
      (await finder.addressesOf(other.self)).toSorted(),
      other.addresses().toSorted(),
    )
    assert.equal(await finder.dial(other.self, { signal: deadline() }), other.self)
  })
})

function isUnreachable(error: unknown): boolean {
  return hasCode(error, 'unreachable')
}

async function startProcess(
  t: TestContext,
  folder: string,
  listen: string,
): Promise<{ child: ChildProcess; addresses: readonly string[] }> {
  const script = fileURLToPath(import.meta.resolve('./peer-process.ts'))
  const child = fork(script, [JSON.stringify({ name: 'child', folder, listen })])
  t.after(() => child.kill('SIGKILL'))
  const [addresses] = await once(child, 'message', { signal: deadline() })
  return { child, addresses }
}

async function collect(found: AsyncIterable<PeerId>): Promise<readonly PeerId[]> {
  const peers: PeerId[] = []
  for await (const peer of found) peers.push(peer)
  return peers
}

/** True if a packet to the group of mDNS comes back to this machine. */
async function multicastWorks(): Promise<boolean> {
  const group = '224.0.0.251'
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    socket.bind(0)
    await once(socket, 'listening')
    socket.addMembership(group)
    const heard = once(socket, 'message', { signal: clock.timeout(1_000) })
    socket.send('shoal?', socket.address().port, group)
    await heard
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
