// The duties of every Network, run on each implementation. The suite takes all time from the
// fixture, and where it must wait for something to spread it asks again until a deadline, so that
// virtual and real networks pass alike.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { blake3 } from '../../protocol/hash.ts'
import { CODEC_RAW, encodeCid, MULTIHASH_BLAKE3, peerIdFromPublicKey } from '../../protocol/ids.ts'
import { GOSSIP_MAX, STRANGER_FRAME_MAX } from '../../protocol/limits.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { channels, limits } from './network-channels.ts'
import { bytesOf, echo, PROTOCOL, rejects, scenario } from './network-swarm.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Standing, TopicListener } from '../../node/world/world.ts'
import type { Open } from './network-swarm.ts'

const TOPIC = '/shoal/test/topic'
const FOR_STRANGERS = '/shoal/test/strangers/1'
const ANYONE = (): boolean => true

/** Declares those of channels alone. */
export function channelSuite(name: string, open: Open): void {
  describe(name, () => {
    channels(open)
    limits(open)
  })
}

/** Declares the tests for one implementation. */
export function networkSuite(name: string, open: Open): void {
  describe(name, () => {
    channels(open)
    limits(open)
    connections(open)
    gates(open)
    strangers(open)
    gossip(open)
    routing(open)
  })
}

function cidOf(text: string): Uint8Array {
  return encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(utf8(text)))
}

function connections(open: Open): void {
  scenario('each side hears once of a connection, and once of its end', open, async (swarm) => {
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

  scenario('every address ends in the id of its node and can be dialled', open, async (swarm) => {
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

  scenario('text that is not an address is malformed', open, async (swarm) => {
    const a = await swarm.start('a')
    await rejects(a.dial(['not an address'], { signal: swarm.signal }), 'malformed')
  })

  scenario(
    'the known addresses of a peer are enough to open a channel to it',
    open,
    async (swarm) => {
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
    },
  )

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

  scenario('ping returns a time, and fails for a missing peer', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    assert.ok((await a.ping(b.self, { signal })) >= 0)
    await Promise.all(Array.from({ length: 8 }, () => a.ping(b.self, { signal })))
    await rejects(a.ping(peerIdFromPublicKey(bytesOf(32, 3)), { signal }), 'unreachable')
  })

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
    b.gate((peer) => (peer === a.self ? 'nobody' : 'member'))
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
    'closing a gate disconnects its peer; opening it lets the peer in again',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = await swarm.pair()
      b.gate(() => 'nobody')
      await swarm.until(() => a.peers().length === 0 && b.peers().length === 0)
      b.gate((peer) => (peer === a.self ? 'member' : 'nobody'))
      assert.equal(await a.dial(b.addresses(), { signal }), b.self)
      await swarm.until(() => b.peers().includes(a.self))
    },
  )
}

function strangers(open: Open): void {
  scenario(
    'a stranger reaches only protocols for strangers, with small frames, unannounced',
    open,
    async (swarm) => {
      const { signal } = swarm
      const [a, b] = [await swarm.start('a'), await swarm.start('b')]
      b.gate(() => 'stranger')
      const told: PeerId[] = []
      b.onConnect((peer) => told.push(peer))
      await b.handle(PROTOCOL, (channel) => echo(channel, signal))
      await b.handle(FOR_STRANGERS, (channel) => echo(channel, signal), { forStrangers: true })
      let heard = 0
      const hear: TopicListener = () => (++heard > 0 ? 'accept' : 'ignore')
      a.subscribe(TOPIC, hear, ANYONE)
      b.subscribe(TOPIC, hear, ANYONE)
      await a.dial(b.addresses(), { signal })
      await rejects(a.open(b.self, PROTOCOL, { signal }), 'unreachable')
      const channel = await a.open(b.self, FOR_STRANGERS, { signal })
      await channel.send([bytesOf(STRANGER_FRAME_MAX, 1)], { signal })
      assert.equal((await channel.receive({ signal }))?.length, STRANGER_FRAME_MAX)
      await a.publish(TOPIC, utf8('to b'))
      await b.publish(TOPIC, utf8('to a'))
      await channel.send([bytesOf(STRANGER_FRAME_MAX + 1, 1)], { signal })
      await rejects(channel.receive({ signal }), 'unreachable')
      assert.deepEqual([told, b.peers(), heard], [[], [], 0])
      await rejects(b.dial(a.addresses(), { signal }), 'unreachable')
    },
  )

  scenario('a stranger that has become a member reconnects as one', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = [await swarm.start('a'), await swarm.start('b')]
    let standing: Standing = 'stranger'
    b.gate(() => standing)
    await b.handle(PROTOCOL, (channel) => echo(channel, signal))
    await b.handle(FOR_STRANGERS, (channel) => echo(channel, signal), { forStrangers: true })
    await a.dial(b.addresses(), { signal })
    const channel = await a.open(b.self, FOR_STRANGERS, { signal })
    standing = 'member'
    b.gate(() => standing)
    await channel.send([utf8('its answer')], { signal })
    assert.equal((await channel.receive({ signal }))?.length, 10, 'what it is told still comes')
    await a.disconnect(b.self)
    await swarm.until(() => a.peers().length === 0)
    await a.learn(b.self, b.addresses())
    const served = await a.open(b.self, PROTOCOL, { signal })
    await served.send([bytesOf(100_000, 1)], { signal })
    assert.equal((await served.receive({ signal }))?.length, 100_000)
    assert.deepEqual(b.peers(), [a.self])
  })

  scenario('a peer that is no longer a member is disconnected at once', open, async (swarm) => {
    const { signal } = swarm
    const [a, b] = await swarm.pair()
    await b.handle(PROTOCOL, () => new Promise(() => {}))
    const channel = await a.open(b.self, PROTOCOL, { signal })
    const waiting = rejects(channel.receive({ signal }), 'unreachable')
    b.gate(() => 'stranger')
    await waiting
    assert.deepEqual(b.peers(), [])
  })

  scenario('a topic is sent to its audience, and accepted from it, only', open, async (swarm) => {
    const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
    const heard: Record<string, number> = { a: 0, b: 0, c: 0 }
    let isWelcome = false
    // Some of what was said before may come late: what must not come says whose it is.
    const leaked: string[] = []
    const hear = (name: string): TopicListener => {
      return (message) => {
        heard[name] = (heard[name] ?? 0) + 1
        if (name !== 'a' && Buffer.from(message).toString().startsWith('of a')) leaked.push(name)
        return 'accept'
      }
    }
    a.subscribe(TOPIC, hear('a'), ANYONE)
    b.subscribe(TOPIC, hear('b'), (peer) => peer === c.self || isWelcome)
    c.subscribe(TOPIC, hear('c'), ANYONE)
    // It would pass on what it hears from there, and b takes that.
    c.gate((peer) => (peer === a.self ? 'nobody' : 'member'))
    await swarm.connect(a, b)
    await swarm.connect(c, b)
    let round = 0
    const talk = async (): Promise<void> => {
      for (const network of [a, b, c]) await network.publish(TOPIC, utf8(`${round++}`))
    }
    await swarm.until(async () => {
      await talk()
      return (heard['b'] ?? 0) > 3 && (heard['c'] ?? 0) > 3
    })
    assert.equal(heard['a'], 0, 'b tells it nothing')
    await swarm.clock.sleep(500, { signal: swarm.signal })
    for (let n = 0; n < 20; n++) await a.publish(TOPIC, utf8(`of a ${n}`))
    await swarm.clock.sleep(500, { signal: swarm.signal })
    assert.deepEqual(leaked, [], 'b takes nothing of it, and passes nothing on')
    isWelcome = true
    b.gate(() => 'member')
    await swarm.until(async () => {
      await talk()
      return (heard['a'] ?? 0) > 0
    })
  })
}

function gossip(open: Open): void {
  scenario('a peer forwards a message to the next, unless it rejects it', open, async (swarm) => {
    const [a, b, c] = [await swarm.start('a'), await swarm.start('b'), await swarm.start('c')]
    const heard: string[] = []
    const text = (message: Uint8Array): string => new TextDecoder().decode(message)
    a.subscribe(TOPIC, () => assert.fail('a publisher does not hear itself'), ANYONE)
    b.subscribe(TOPIC, (message) => (text(message).startsWith('bad') ? 'ignore' : 'accept'), ANYONE)
    const hear: TopicListener = (message, from) => {
      assert.equal(from, b.self)
      heard.push(text(message))
      return 'accept'
    }
    c.subscribe(TOPIC, hear, ANYONE)
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
  })

  scenario('a peer that has left a topic gets no more of it', open, async (swarm) => {
    const [a, b] = await swarm.pair()
    let heard = 0
    let kept = 0
    const hear: TopicListener = () => (++heard > 0 ? 'accept' : 'ignore')
    const leave = b.subscribe(TOPIC, hear, ANYONE)
    b.subscribe(`${TOPIC}/kept`, () => (++kept > 0 ? 'accept' : 'ignore'), ANYONE)
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
    'a message above GOSSIP_MAX is refused, and one without receivers is not an error',
    open,
    async (swarm) => {
      const a = await swarm.start('a')
      await a.publish(TOPIC, bytesOf(GOSSIP_MAX, 1))
      await rejects(a.publish(TOPIC, bytesOf(GOSSIP_MAX + 1, 1)), 'malformed')
    },
  )
}

function routing(open: Open): void {
  scenario('content of one peer is found by another through a third', open, async (swarm) => {
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
