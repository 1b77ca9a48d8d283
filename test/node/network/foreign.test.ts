// Peers with another implementation, and malicious peers: what they may and may not do.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { tls } from '@libp2p/tls'
import { generateCertificate } from '@libp2p/tls/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { encodeFrame, FrameDecoder } from '../../../node/world/libp2p/frames.ts'
import { concatBytes, fromHex, utf8 } from '../../../protocol/bytes.ts'
import { asShoalError, hasCode } from '../../../protocol/errors.ts'
import { FRAME_MAX, IN_FLIGHT_PEER_MAX, STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { clock, deadline, echo, PROTOCOL, startForeign, startNetwork, until } from './started.ts'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2pNetwork } from '../../../node/world/libp2p/network.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const ENCRYPTERS = { '/noise': noise, '/tls/1.0.0': tls }

describe('peers with another implementation', () => {
  for (const [name, encrypter] of Object.entries(ENCRYPTERS)) {
    test(`a connection to a peer that offers ${name} works`, async (t) => {
      const foreign = await startForeign(t, [encrypter()])
      const network = await startNetwork(t, 'a')
      await foreign.handle(PROTOCOL, (stream) => {
        stream.addEventListener('message', ({ data }) => stream.send(data))
      })
      const signal = deadline()
      const peer = await network.dial(foreign.getMultiaddrs().map(String), { signal })
      const channel = await network.open(peer, PROTOCOL, { signal })
      const frame = new Uint8Array(300_000).fill(9)
      await channel.send([frame], { signal })
      assert.deepEqual(await channel.receive({ signal }), frame)
      assert.equal(foreign.getConnections()[0]?.encryption, name)
    })

    test(`a connection from a peer that offers ${name} works`, async (t) => {
      const { network, connection, peer } = await connected(t, [encrypter()])
      const { stream, frames } = await openRaw(connection)
      stream.send(concatBytes([...encodeFrame([]), ...encodeFrame([utf8('hello')])]))
      await until(deadline(), () => frames.length === 2)
      assert.deepEqual(frames.map(text), ['', 'hello'])
      assert.deepEqual(network.peers(), [peer])
      assert.equal(connection.encryption, name)
    })
  }

  test('TLS is chosen where both are offered, as the faster one', async (t) => {
    const foreign = await startForeign(t, [noise(), tls()])
    const network = await startNetwork(t, 'a')
    await network.dial(foreign.getMultiaddrs().map(String), { signal: deadline() })
    assert.equal(foreign.getConnections()[0]?.encryption, '/tls/1.0.0')
  })

  for (const [name, encrypter] of Object.entries(ENCRYPTERS)) {
    test(`a peer other than the one in the address is refused, with ${name}`, async (t) => {
      const network = await startNetwork(t, 'a')
      const foreign = await startForeign(t, [encrypter()])
      const other = await startForeign(t, [encrypter()])
      const wrong = foreign.getMultiaddrs().map((address) => {
        return address.toString().replace(/[^/]+$/, other.peerId.toString())
      })
      await assert.rejects(network.dial(wrong, { signal: deadline() }), (error) =>
        hasCode(error, 'unreachable'),
      )
      assert.deepEqual(network.peers(), [])
    })
  }
})

describe('malicious peers', () => {
  const harm: Record<string, { bytes: Uint8Array; code: string }> = {
    'a length of 4 GiB': { bytes: fromHex('00000000ffffffff'), code: 'malformed' },
    'a length one above the limit': { bytes: fromHex('0000000000500001'), code: 'malformed' },
    'a first frame that is not empty': { bytes: fromHex('0000000161'), code: 'malformed' },
    'an end inside a length': { bytes: fromHex('000000000000'), code: 'unreachable' },
    'an end inside a frame': { bytes: fromHex('000000000000000a6161'), code: 'unreachable' },
  }
  for (const [name, { bytes, code }] of Object.entries(harm)) {
    test(`${name} ends that channel with '${code}' and no other`, async (t) => {
      const { network, connection } = await connected(t, [noise()])
      const failed = Promise.withResolvers<unknown>()
      await network.handle('/shoal/test/harm/1', async (channel) => {
        const received = channel.receive({ signal: deadline() })
        await received.catch((error: unknown) => failed.resolve(error))
        await received
      })
      const before = await openRaw(connection)
      before.stream.send(concatBytes(encodeFrame([])))
      const { stream } = await openRaw(connection, '/shoal/test/harm/1')
      stream.send(bytes)
      if (code === 'unreachable') await stream.close()
      assert.equal(asShoalError(await failed.promise).code, code)
      before.stream.send(concatBytes(encodeFrame([utf8('unharmed')])))
      await until(deadline(), () => before.frames.length === 2)
      assert.deepEqual(before.frames.map(text), ['', 'unharmed'])
    })
  }

  test('endless frames are read only up to a limit, however many there are', async (t) => {
    const { network, connection } = await connected(t, [noise()])
    const protocols = Array.from({ length: 4 }, (_, n) => `/shoal/test/endless/${n}`)
    for (const protocol of protocols)
      await network.handle(protocol, async (channel) => {
        await channel.receive({ signal: deadline() })
      })
    let sent = 0
    const taken = new Map<Stream, number>()
    for (const protocol of protocols) {
      for (let n = 0; n < STREAMS_PER_PEER_MAX; n++) {
        const { stream } = await openRaw(connection, protocol)
        void pour(stream, (bytes) => {
          sent += bytes
          taken.set(stream, (taken.get(stream) ?? 0) + bytes)
        })
      }
    }
    for (let before = -1; before < sent; await clock.sleep(1000)) before = sent
    // What was taken of those that were broken is held no more.
    const waiting = [...taken].filter(([{ status }]) => status === 'open')
    const held = waiting.reduce((sum, [, bytes]) => sum + bytes, 0)
    const onTheirWay = waiting.length * 4 * MIB
    assert.ok(waiting.length <= 16, `${waiting.length} streams wait`)
    assert.ok(held < IN_FLIGHT_PEER_MAX + onTheirWay, `${held} bytes are held`)
    assert.ok(sent > IN_FLIGHT_PEER_MAX, `${sent} bytes were taken`)
    // Another peer is served, and so is this one when it lets go.
    const other = await startNetwork(t, 'b')
    const peer = await other.dial(network.addresses(), { signal: deadline() })
    const channel = await other.open(peer, PROTOCOL, { signal: deadline() })
    await channel.send([utf8('served')], { signal: deadline() })
    assert.equal(text(await channel.receive({ signal: deadline() })), 'served')
    for (const stream of taken.keys()) stream.abort(new Error('enough'))
    const { stream, frames } = await openRaw(connection)
    stream.send(concatBytes([...encodeFrame([]), ...encodeFrame([new Uint8Array(MIB)])]))
    await until(deadline(), () => frames.length === 2)
  })

  test('an unknown protocol is refused and the connection stays', async (t) => {
    const { network, connection, peer } = await connected(t, [noise()])
    await assert.rejects(connection.newStream('/no/such/protocol'))
    const { stream, frames } = await openRaw(connection)
    stream.send(concatBytes([...encodeFrame([]), ...encodeFrame([utf8('fine')])]))
    await until(deadline(), () => frames.length === 2)
    assert.deepEqual(network.peers(), [peer])
  })

  test('garbage on a TCP connection, at any step of the handshake, does no harm', async (t) => {
    const network = await startNetwork(t, 'a')
    await network.handle(PROTOCOL, echo)
    const garbage = Array.from({ length: 400 }, (_, i) =>
      createHash('sha512').update(`${i}`).digest(),
    )
    const beginnings = [
      '',
      hello(''),
      hello('/tls/1.0.0'),
      hello('/noise'),
      'GET / HTTP/1.1\r\n\r\n',
    ]
    for (const beginning of beginnings) {
      const socket = rawSocket(network)
      socket.write(beginning)
      for (const piece of garbage) socket.write(piece)
      socket.end()
      socket.resume()
      await closed(socket)
    }
    assert.deepEqual(network.peers(), [])
    const other = await startNetwork(t, 'b')
    const channel = await other.open(
      await other.dial(network.addresses(), { signal: deadline() }),
      PROTOCOL,
      { signal: deadline() },
    )
    await channel.send([utf8('alive')], { signal: deadline() })
    assert.equal(text(await channel.receive({ signal: deadline() })), 'alive')
  })

  test('TLS with no certificate, or with a tampered one, makes no connection', async (t) => {
    const network = await startNetwork(t, 'a')
    const told: PeerId[] = []
    network.onConnect((peer) => told.push(peer))
    const { cert, key } = await generateCertificate(await generateKeyPair('Ed25519'))
    for (const identity of [{}, { cert: tampered(cert), key }]) {
      const raw = rawSocket(network)
      raw.write(hello('/tls/1.0.0'))
      let answer = ''
      while (!answer.endsWith(hello('/tls/1.0.0'))) {
        const [bytes] = await once(raw, 'data')
        answer += String(bytes)
      }
      const socket = connectTls({ ...identity, socket: raw, rejectUnauthorized: false })
      socket.on('error', () => {})
      socket.resume()
      await closed(socket)
    }
    assert.deepEqual(told, [])
  })
})

/** A foreign peer, connected to a network that serves `PROTOCOL` as echo. */
async function connected(
  t: TestContext,
  encrypters: Parameters<typeof startForeign>[1],
): Promise<{ network: Libp2pNetwork; connection: Connection; peer: PeerId }> {
  const foreign = await startForeign(t, encrypters)
  const network = await startNetwork(t, 'a')
  await network.handle(PROTOCOL, echo)
  const connection = await foreign.dial(network.addresses().map((address) => multiaddr(address)))
  const peer = foreign.peerId.toString() as PeerId
  await until(deadline(), () => network.peers().includes(peer))
  return { network, connection, peer }
}

/** A stream to write any bytes to, and the frames that come back on it. */
async function openRaw(
  connection: Connection,
  protocol: string = PROTOCOL,
): Promise<{ stream: Stream; frames: Uint8Array[] }> {
  const stream = await connection.newStream(protocol)
  const frames: Uint8Array[] = []
  const decoder = new FrameDecoder((frame) => frames.push(frame))
  stream.addEventListener('message', ({ data }) => decoder.push(data.subarray()))
  return { stream, frames }
}

/** Send all of a frame but its last byte, as fast as it is taken. */
async function pour(stream: Stream, took: (bytes: number) => void): Promise<void> {
  const head = new Uint8Array(8)
  new DataView(head.buffer).setUint32(4, FRAME_MAX)
  stream.send(head)
  const piece = new Uint8Array(64 * KIB)
  for (let left = FRAME_MAX - 1; left > 0; left -= piece.length) {
    const bytes = piece.subarray(0, Math.min(left, piece.length))
    if (!stream.send(bytes)) await once(stream, 'drain').catch(() => undefined)
    if (stream.status !== 'open') return
    took(bytes.length)
  }
}

function rawSocket(network: Libp2pNetwork): Socket {
  const [, , , , port] = network.addresses()[0]?.split('/') ?? []
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {}) // to be hung up on is what is expected
  return socket
}

/**
 * The bytes by which a libp2p peer chooses an encrypter.
 * https://github.com/multiformats/multistream-select
 */
function hello(protocol: string): string {
  const lines = ['/multistream/1.0.0', protocol].filter((line) => line !== '')
  return lines.map((line) => `${String.fromCharCode(line.length + 1)}${line}\n`).join('')
}

/** The certificate with another PeerId in it. */
function tampered(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
  const key = der.indexOf(fromHex('08011220')) // an Ed25519 key as libp2p writes it
  assert.ok(key > 0)
  der[key + 10] = (der[key + 10] ?? 0) ^ 1
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes)
}
