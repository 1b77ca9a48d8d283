// What every Network must do, run on each implementation. It takes all time from the fixture, and where it must wait
// for something to spread it asks again until a deadline, so that virtual and real networks pass alike.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { blake3 } from '../../protocol/hash.ts'
import { hasCode } from '../../protocol/errors.ts'
import { CODEC_RAW, encodeCid, MULTIHASH_BLAKE3, peerIdFromPublicKey } from '../../protocol/ids.ts'
import { FRAME_MAX, GOSSIP_MAX, STREAMS_PER_PEER_MAX } from '../../protocol/limits.ts'
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import { utf8 } from '../../protocol/bytes.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Channel, Clock, Network } from '../../node/world/world.ts'

/** A place where networks can reach each other. */
export interface NetworkFixture {
  readonly clock: Clock
  /** A network, not started. The same name again, after a stop, is the same identity with what it had learned. */
  create(name: string): Promise<Network>
  /** Runs `work` to its end; a simulation advances its time meanwhile. */
  run(work: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

const PROTOCOL = '/shoal/test/1'
const TOPIC = '/shoal/test/topic'
/** After this a test gives up. */
const DEADLINE_MS: number = 15 * SECOND_MS
/** How far a sender may be ahead of a reader that does not read: windows and buffers, but never the whole transfer. */
const AHEAD_MAX: number = 32 * MIB

/** Declares the tests for one implementation. */
export function networkSuite(name: string, open: () => Promise<NetworkFixture>): void {
  describe(name, () => {
    channels(open)
    limits(open)
    connections(open)
    gates(open)
    gossip(open)
    routing(open)
  })
}

type Open = () => Promise<NetworkFixture>

/** Started networks of one fixture; all of it ends with the test. */
class Swarm {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly #fixture: NetworkFixture
  readonly #started = new Set<Network>()

  constructor(fixture: NetworkFixture) {
    this.#fixture = fixture
    this.clock = fixture.clock
    this.signal = fixture.clock.timeout(DEADLINE_MS)
  }

  async start(name: string): Promise<Network> {
    const network = await this.#fixture.create(name)
    this.#started.add(network)
    await network.start()
    return network
  }

  async stop(network: Network): Promise<void> {
    this.#started.delete(network)
    await network.stop()
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#started].map((network) => this.stop(network)))
  }

  /** Two started networks, the first connected to the second. */
  async pair(): Promise<[Network, Network]> {
    const pair: [Network, Network] = [await this.start('a'), await this.start('b')]
    await this.connect(...pair)
    return pair
  }

  async connect(from: Network, to: Network): Promise<void> {
    await from.dial(to.addresses(), { signal: this.signal })
    await this.until(() => to.peers().includes(from.self))
  }

  /** Tries until `done`; the test's deadline ends it. */
  async until(done: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await done())) await this.clock.sleep(20, { signal: this.signal })
  }
}

function scenario(title: string, open: Open, body: (swarm: Swarm) => Promise<void>): void {
  test(title, async () => {
    const fixture = await open()
    try {
      await fixture.run(async () => {
        const swarm = new Swarm(fixture)
        try {
          await body(swarm)
        } finally {
          await swarm.stopAll()
        }
      })
    } finally {
      await fixture.close()
    }
  })
}

async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<Error> {
  const error: unknown = await work.then(
    () => assert.fail(`should have been rejected with '${code}'`),
    (reason: unknown) => reason,
  )
  assert.ok(hasCode(error, code), `expected '${code}', got ${String(error)}`)
  return error
}

function bytesOf(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

function cidOf(text: string): Uint8Array {
  return encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(utf8(text)))
}

async function echo(channel: Channel, signal: AbortSignal): Promise<void> {
  for (;;) {
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    await channel.send([frame], { signal })
  }
}

function channels(open: Open): void {
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

function limits(open: Open): void {
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

function connections(open: Open): void {
  scenario('connecting is told once on each side, and so is the end of it', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    const told: string[] = []
    for (const [name, network] of Object.entries({ a, b })) {
      network.onConnect((peer) => told.push(`${name}+${peer === a.self ? 'a' : 'b'}`))
      network.onDisconnect((peer) => told.push(`${name}-${peer === a.self ? 'a' : 'b'}`))
    }
    assert.equal(await a.dial(b.addresses(), { signal }), b.self)
    await swarm.until(() => told.length === 2)
    await b.learn(a.self, a.addresses())
    await Promise.all([b.dial(a.self, { signal }), a.dial(b.self, { signal })])
    assert.deepEqual([a.peers(), b.peers()], [[b.self], [a.self]])
    assert.deepEqual(told.toSorted(), ['a+b', 'b+a'])
    await a.disconnect(b.self)
    await swarm.until(() => told.length === 4)
    assert.deepEqual(told.toSorted(), ['a+b', 'a-b', 'b+a', 'b-a'])
    assert.deepEqual([a.peers(), b.peers()], [[], []])
  })

  scenario('every address ends in the own id and can be dialled', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    assert.ok(b.addresses().length > 0)
    for (const address of b.addresses()) {
      assert.ok(address.endsWith(`/p2p/${b.self}`), address)
      assert.equal(await a.dial([address], { signal }), b.self)
    }
  })

  scenario(
    'an address that names another peer is refused, and the error says where',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
      const [address = ''] = b.addresses()
      const wrong = address.replace(b.self, c.self)
      const error = await rejects(a.dial([wrong], { signal }), 'unreachable')
      assert.ok(error.message.includes(wrong), error.message)
      assert.deepEqual(a.peers(), [])
    },
  )

  scenario(
    'a dead address is unreachable, and a live one in the same list is found',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
      const dead = c.addresses()
      await swarm.stop(c)
      const error = await rejects(a.dial(dead, { signal }), 'unreachable')
      assert.ok(error.message.includes(dead[0] ?? 'no address'), error.message)
      assert.equal(await a.dial([...dead, ...b.addresses()], { signal }), b.self)
    },
  )

  scenario('text that is no address is malformed', open, async (swarm) => {
    const a = await swarm.start('a')
    await rejects(a.dial(['not an address'], { signal: swarm.signal }), 'malformed')
  })

  scenario('what was learned of a peer is enough to open a channel to it', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    await b.handle(PROTOCOL, (channel) => echo(channel, signal))
    assert.deepEqual(await a.addressesOf(b.self), [])
    await a.learn(b.self, b.addresses())
    const known = await a.addressesOf(b.self)
    assert.deepEqual(known.toSorted(), b.addresses().toSorted())
    const channel = await a.open(b.self, PROTOCOL, { signal })
    await channel.send([utf8('hello')], { signal })
    assert.deepEqual(await channel.receive({ signal }), new Uint8Array(utf8('hello')))
  })

  scenario(
    'a restart keeps the identity and what was learned; open channels break',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      await b.handle(PROTOCOL, () => new Promise(() => {}))
      await b.learn(a.self, a.addresses())
      const channel = await a.open(b.self, PROTOCOL, { signal })
      const waiting = rejects(channel.receive({ signal }), 'unreachable')
      await swarm.stop(b)
      await waiting
      await swarm.until(() => a.peers().length === 0)
      const again = await swarm.start('b')
      assert.equal(again.self, b.self)
      assert.deepEqual(again.peers(), [])
      assert.equal(await again.dial(a.self, { signal }), a.self)
      await swarm.until(() => a.peers().includes(b.self))
    },
  )

  scenario(
    'ping answers with a time, and fails for a peer that is not there',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      assert.ok((await a.ping(b.self, { signal })) >= 0)
      await Promise.all(Array.from({ length: 8 }, () => a.ping(b.self, { signal })))
      await rejects(a.ping(peerIdFromPublicKey(bytesOf(32, 3)), { signal }), 'unreachable')
    },
  )

  scenario('an aborted signal ends dial, open and ping with its reason', open, async (swarm) => {
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    await a.learn(b.self, b.addresses())
    const signal = AbortSignal.abort()
    await rejects(a.dial(b.addresses(), { signal }), 'aborted')
    await rejects(a.open(b.self, PROTOCOL, { signal }), 'aborted')
    await rejects(a.ping(b.self, { signal }), 'aborted')
    assert.deepEqual(a.peers(), [])
  })
}

function gates(open: Open): void {
  scenario('a gate keeps a peer out in both directions', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    await b.handle(PROTOCOL, (channel) => echo(channel, signal))
    const told: PeerId[] = []
    b.onConnect((peer) => told.push(peer))
    b.gate((peer) => peer !== a.self)
    const refused = (async () => {
      await a.dial(b.addresses(), { signal })
      const channel = await a.open(b.self, PROTOCOL, { signal })
      await channel.receive({ signal })
    })()
    await rejects(refused, 'unreachable')
    await rejects(b.dial(a.addresses(), { signal }), 'unreachable')
    await swarm.until(() => a.peers().length === 0)
    assert.deepEqual(told, [])
    assert.deepEqual(b.peers(), [])
  })

  scenario(
    'closing a gate cuts off who is connected; opening it lets them in again',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      b.gate(() => false)
      await swarm.until(() => a.peers().length === 0 && b.peers().length === 0)
      b.gate((peer) => peer === a.self)
      assert.equal(await a.dial(b.addresses(), { signal }), b.self)
      await swarm.until(() => b.peers().includes(a.self))
    },
  )
}

function gossip(open: Open): void {
  scenario(
    'a message goes through a peer to the next, unless that peer says no',
    open,
    async (swarm) => {
      const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
      const heard: string[] = []
      const text = (message: Uint8Array): string => new TextDecoder().decode(message)
      a.subscribe(TOPIC, () => assert.fail('a publisher does not hear itself'))
      b.subscribe(TOPIC, (message) => !text(message).startsWith('bad'))
      c.subscribe(TOPIC, (message, from) => {
        assert.equal(from, b.self)
        heard.push(text(message))
        return true
      })
      await swarm.connect(a, b)
      await swarm.connect(b, c)
      // Until the three know of each other's subscriptions, messages are lost.
      let round = 0
      await swarm.until(async () => {
        await a.publish(TOPIC, utf8(`good ${round++}`))
        return heard.length > 0
      })
      heard.length = 0
      await a.publish(TOPIC, utf8('bad'))
      await a.publish(TOPIC, utf8('last'))
      await a.publish(TOPIC, utf8('last'))
      await swarm.until(() => heard.includes('last'))
      assert.ok(!heard.includes('bad'), 'a message that b refused came through')
      assert.equal(heard.filter((message) => message === 'last').length, 1)
    },
  )

  scenario('who has left a topic hears no more of it', open, async (swarm) => {
    const [a, b] = await swarm.pair()
    let heard = 0
    let kept = 0
    const leave = b.subscribe(TOPIC, () => ++heard > 0)
    b.subscribe(`${TOPIC}/kept`, () => ++kept > 0)
    let round = 0
    await swarm.until(async () => {
      await a.publish(TOPIC, utf8(`${round++}`))
      return heard > 0
    })
    leave()
    heard = 0
    await swarm.until(async () => {
      await a.publish(TOPIC, utf8(`after ${round}`))
      await a.publish(`${TOPIC}/kept`, utf8(`kept ${round++}`))
      return kept > 0
    })
    assert.equal(heard, 0)
  })

  scenario(
    'a message above GOSSIP_MAX is refused, and one to nobody is not an error',
    open,
    async (swarm) => {
      const a = await swarm.start('a')
      await a.publish(TOPIC, bytesOf(GOSSIP_MAX, 1))
      await rejects(a.publish(TOPIC, bytesOf(GOSSIP_MAX + 1, 1)), 'malformed')
    },
  )
}

function routing(open: Open): void {
  scenario('what one peer provides, another finds through a third', open, async (swarm) => {
    const { signal } = swarm
    const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
    await swarm.connect(a, b)
    await swarm.connect(c, b)
    const cid = cidOf('provided')
    await swarm.until(async () => {
      await a.provide(cid, { signal })
      for await (const peer of c.find(cid, { signal })) if (peer === a.self) return true
      return false
    })
    for await (const peer of c.find(cidOf('absent'), { signal })) assert.fail(`found ${peer}`)
  })

  scenario('a node alone can provide and find without waiting for others', open, async (swarm) => {
    const { signal } = swarm
    const a = await swarm.start('a')
    await a.provide(cidOf('mine'), { signal })
    for await (const peer of a.find(cidOf('absent'), { signal })) assert.fail(`found ${peer}`)
    await rejects(a.provide(cidOf('mine'), { signal: AbortSignal.abort() }), 'aborted')
  })
}
