// Claims of others about peers, and about who has what: a node keeps those of members only, and of
// them within bounds.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { LevelDatastore } from 'datastore-level'
import { concatBytes } from '../../protocol/bytes.ts'
import { ALLOWANCES, CHANNEL_BYTES } from '../../node/peers/budget.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { writeRandomFile } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'
import type { Connection, PeerInfo, Stream } from '@libp2p/interface'
import { DHT_PROTOCOL, RawPeer, pause } from './raw-peer.ts'

/** A node has done by then what it does at once. */
const SOON_MS = 500
/** Records of what honest members provide. */
const OTHERS = 100

/** The parts of a DHT node that a test replaces to make it lie. */
interface DhtParts {
  readonly peerRouting: { getClosestPeersOffline: () => Promise<PeerInfo[]> }
}

/** How many records a stopped node keeps: of peers, with their bytes, and of what they provide. */
async function recordsOf(node: TestNode): Promise<Record<string, number>> {
  const store = new LevelDatastore(join(node.home, 'network', 'libp2p'))
  await store.open()
  const counts: Record<string, number> = { peers: 0, provider: 0, bytes: 0 }
  for await (const { key, value } of store.query({})) {
    const kind = /^\/(?:dht\/)?(peers|provider)\//.exec(key.toString())?.[1] ?? 'other'
    counts[kind] = (counts[kind] ?? 0) + 1
    if (kind === 'peers') counts['bytes'] = (counts['bytes'] ?? 0) + value.length
  }
  await store.close()
  return counts
}

async function fakePeers(count: number): Promise<PeerInfo[]> {
  const multiaddrs = [multiaddr('/ip4/127.0.0.1/tcp/9')]
  const ids = Array.from({ length: count }, async () =>
    peerIdFromPrivateKey(await generateKeyPair('Ed25519')),
  )
  return (await Promise.all(ids)).map((id) => ({ id, multiaddrs }))
}

/** A member whose libp2p is in the hands of the test, and a connection from it to the victim. */
async function lyingMember(
  victim: TestNode,
  name: string,
): Promise<{ liar: RawPeer; dht: DhtParts; connection: Connection }> {
  const member = await HostileMember.join(victim, { role: 'reader', name })
  await member[Symbol.asyncDispose]()
  const liar = await RawPeer.start({ seed: member.identity.seed })
  const connection = await liar.dial(victim)
  return { liar, dht: liar.dht as unknown as DhtParts, connection }
}

/** Wait until it has worked off what was sent to it. */
async function isIdle(node: TestNode): Promise<void> {
  let [spent, quiet] = [await node.cpuSeconds(), 0]
  await eventually(`${node.name} is idle`, async () => {
    const now = await node.cpuSeconds()
    quiet = now - spent <= 0.03 ? quiet + 1 : 0
    spent = now
    return quiet > 20
  })
}

test('the DHT of a node and liars among the members', { timeout: 240_000 }, async (t) => {
  await using cluster = await TestCluster.create()
  const [victim, ben] = [cluster.node('victim'), cluster.node('ben')]
  await victim.start({ mdns: true })
  await ben.start({ ticket: await victim.invite() })
  await cluster.connected()
  let sent = 0
  let allowed = 0

  await t.test('who announces itself on the local network is not dialled', async () => {
    const crowd = await Promise.all(
      Array.from({ length: 12 }, () => RawPeer.start({ isQuiet: true, mdns: true })),
    )
    try {
      let dialled = 0
      for (const { libp2p } of crowd)
        libp2p.addEventListener('connection:open', () => void dialled++)
      const found = crowd.map(
        ({ libp2p }) =>
          new Promise((resolve) => libp2p.addEventListener('peer:discovery', resolve)),
      )
      await Promise.all(found)
      await pause(4 * SOON_MS)
      assert.equal(dialled, 0)
    } finally {
      for (const peer of crowd) await peer[Symbol.asyncDispose]()
    }
  })

  await t.test('one tells of peers that there are not', async () => {
    const { liar, dht } = await lyingMember(victim, 'mallory')
    await using _liar = liar
    const fakes = await fakePeers(300)
    let asked = 0
    const isAsked = new Promise<void>((resolve) => {
      dht.peerRouting.getClosestPeersOffline = async () => {
        asked++
        resolve()
        return fakes
      }
    })
    const file = join(cluster.folder, 'file')
    await eventually('the victim asks in the DHT', async () => {
      await writeRandomFile(file, 1)
      await victim.shoal('put', file, '/')
      await Promise.race([isAsked, pause(1500)])
      return asked > 0
    })
    // It is told.
    await pause(SOON_MS)
  })

  await t.test('one tells of its many addresses, and that it provides all there is', async () => {
    const startMs = performance.now()
    const { liar, connection } = await lyingMember(victim, 'trudy')
    await using _liar = liar
    const id = liar.libp2p.peerId.toMultihash().bytes
    const address = (n: number): Uint8Array =>
      multiaddr(`/ip4/10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/tcp/4001`).bytes
    const many = Array.from({ length: 5_000 }, (_, n) => address(n))
    const first = await liar.open(connection, DHT_PROTOCOL)
    first.send(addProvider(randomDigest(), id, many))
    await pause(SOON_MS)
    const stream = await liar.open(connection, DHT_PROTOCOL)
    for (; sent < 20_000 && stream.status === 'open'; sent++) {
      if (!stream.send(addProvider(randomDigest(), id, [address(1)])))
        await Promise.race([once(stream, 'drain'), once(stream, 'close'), pause(10_000)])
    }
    await ben.shoal('mkdir', '/goes-on')
    await eventually('honest members go on', async () =>
      /goes-on/.test(await victim.shoal('ls', '/')),
    )
    await isIdle(victim)
    const { burst, perSecond } = ALLOWANCES.signals.peer
    const seconds = (performance.now() - startMs) / SECOND_MS
    allowed = (burst + seconds * perSecond) / CHANNEL_BYTES
  })

  await t.test('peers that others tell of, or that announce themselves, are not kept', async () => {
    await victim.kill('SIGTERM')
    const { peers } = await recordsOf(victim)
    assert.ok(peers !== undefined && peers <= 6, `${peers} peers are kept`)
  })

  await t.test('who provides what, values, and addresses of a member are bounded', async () => {
    const { provider, bytes } = await recordsOf(victim)
    const told = `${provider} records of providers, ${sent} were sent, ${allowed} allowed`
    assert.ok((provider ?? 0) <= allowed + OTHERS, told)
    assert.ok((bytes ?? 0) < 64 * 1024, `${bytes} bytes are kept of peers`)
  })
})

function once(target: Stream, type: 'drain' | 'close'): Promise<void> {
  return new Promise((resolve) => {
    target.addEventListener(type, () => resolve(), { once: true })
  })
}

function randomDigest(): Uint8Array {
  return Buffer.concat([Buffer.from([0x12, 0x20]), randomBytes(32)])
}

/**
 * ADD_PROVIDER of Kademlia, with its length
 * (https://github.com/libp2p/specs/blob/master/kad-dht/README.md#rpc-messages).
 */
function addProvider(
  key: Uint8Array,
  id: Uint8Array,
  addresses: readonly Uint8Array[],
): Uint8Array {
  const provider = concatBytes([field(1, id), ...addresses.map((bytes) => field(2, bytes))])
  const message = concatBytes([Uint8Array.of(0x08, 2), field(2, key), field(9, provider)])
  return concatBytes([varint(message.length), message])
}

/** A field of bytes in Protocol Buffers. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of((number << 3) | 2), varint(bytes.length), bytes])
}

function varint(value: number): Uint8Array {
  const out: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...out, rest])
    out.push((rest % 128) | 128)
  }
}
