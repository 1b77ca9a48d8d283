// Gossip of a member that means harm: garbage, lies about others, the same again and again, a clock
// that is ahead, space that it does not have. It is cut off, its owner hears of it, and honest
// members hear nothing of it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { encodeCbor } from '../../protocol/cbor.ts'
import { sealOnce } from '../../protocol/cipher.ts'
import { deriveKey } from '../../protocol/hash.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { headOf } from '../../protocol/wire/gossip.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { PeerStatus } from '../../node/control/status.ts'
import type { Actor } from '../../node/replica/actors.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { beaconOf } from './beacon.ts'
import { HostileMember } from './hostile-member.ts'
import { RawPeer, pause } from './raw-peer.ts'

/** For each. */
const TIMEOUT = { timeout: 180_000 } as const

interface Cast {
  readonly cluster: TestCluster
  readonly admin: TestNode
  readonly ben: TestNode
  readonly name: string
  readonly mallory: HostileMember
  /** Mallory's other mouth: libp2p as it comes. */
  readonly mouth: RawPeer
}

const NAMES = ['hasty', 'garbled', 'repeating', 'boasting'] as const

let cluster: TestCluster
let admin: TestNode
let ben: TestNode
const members = new Map<string, HostileMember>()

before(async () => {
  cluster = await TestCluster.start(2)
  ;[admin, ben] = cluster.nodes as [TestNode, TestNode]
  await admin.shoal('mkdir', '/before')
  for (const name of NAMES)
    members.set(name, await HostileMember.join(admin, { role: 'reader', name }))
  await cluster.converged()
})
after(async () => {
  for (const member of members.values()) await member[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** A reader of this name, in the hands of the test, beside two honest members. */
async function withCast(
  name: (typeof NAMES)[number],
  run: (cast: Cast) => Promise<void>,
): Promise<void> {
  const mallory = members.get(name)
  assert.ok(mallory !== undefined)
  await using mouth = await RawPeer.start({ seed: mallory.identity.seed })
  await run({ cluster, admin, ben, name, mallory, mouth })
}

/** Speak until the victim hears nothing more, for at most so long. returns how often. */
async function flood(
  { admin, mallory, mouth }: Cast,
  ms: number,
  message: () => Uint8Array,
): Promise<number> {
  const [topic = ''] = mallory.topics()
  mouth.gossip.subscribe(topic)
  const connection = await mouth.dial(admin)
  await eventually(
    'they hear each other',
    async () => mouth.gossip.getSubscribers(topic).length > 0,
  )
  const end = Date.now() + ms
  let count = 0
  while (Date.now() < end && connection.status === 'open') {
    for (let n = 0; n < 50; n++) {
      await mouth.gossip.publish(topic, message()).catch(() => undefined)
      count++
    }
    await pause(10)
  }
  return count
}

/** Another mouth of mallory, at ben, which counts what comes to it by way of honest members. */
async function listening({
  mallory,
  ben,
}: Cast): Promise<AsyncDisposable & { readonly heard: number }> {
  const listener = await RawPeer.start({ seed: mallory.identity.seed })
  const [topic = ''] = mallory.topics()
  let heard = 0
  listener.gossip.addEventListener('message', () => void heard++)
  listener.gossip.subscribe(topic)
  await listener.dial(ben)
  return {
    get heard() {
      return heard
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  }
}

/** An actor that another member writes as. */
function honestActor({ volume, identity }: HostileMember): Actor {
  const [actor] = [...volume.actors.all()].filter(({ peer }) => peer !== identity.peer)
  return actor ?? assert.fail('others have written')
}

async function statusOf(node: TestNode, cast: Cast): Promise<PeerStatus | undefined> {
  const { peer } = cast.mallory.identity
  return (await node.status()).peers.find(({ id }) => id === peer)
}

/** Mallory is not served any more, the others are, and who runs the node can see it. */
async function isCutOff(cast: Cast): Promise<void> {
  const { admin, ben, mouth, name } = cast
  const status = await statusOf(admin, cast)
  assert.ok(status?.limited !== undefined, 'status says that it is cut off')
  assert.equal(status.isConnected, false)
  assert.match(await admin.shoal('peer', 'ls'), new RegExp(`${name} .*cut off`))
  assert.equal(await mouth.isLetIn((await admin.status()).node.addresses), false)
  await ben.shoal('mkdir', `/after-${name}`)
  await cluster.converged()
  assert.equal((await ben.status()).peers.find(({ name }) => name === 'n1')?.limited, undefined)
}

/** Until it is so, a beacon each second. */
async function beat(
  cast: Cast,
  fields: () => Partial<Beacon>,
  isSo: () => Promise<boolean>,
): Promise<boolean> {
  const { mallory, mouth, admin } = cast
  const [topic = ''] = mallory.topics()
  mouth.gossip.subscribe(topic)
  await mouth.dial(admin)
  for (let n = 0; n < 60; n++) {
    await mouth.gossip.publish(topic, mallory.sealed(beaconOf(mallory, fields())))
    await pause(1000)
    if (await isSo()) return true
  }
  return false
}

// The first waits for its beacons while the others are heard.
describe('gossip of members that mean harm', { concurrency: 2 }, () => {
  test('a member whose clock stays ahead is named', TIMEOUT, async () => {
    await withCast('hasty', async (cast) => {
      const { admin } = cast
      const fields = (): Partial<Beacon> => ({ sentMs: Date.now() + 90_000 })
      const isWarned = async (): Promise<boolean> =>
        (await admin.status()).notices.some(
          ({ kind, member }) => kind === 'clock' && member === 'hasty',
        )
      assert.ok(await beat(cast, fields, isWarned))
      assert.match(await admin.shoal('status'), /clock of hasty/)
    })
  })

  test('a member that sends garbage is cut off', TIMEOUT, async () => {
    await withCast('garbled', async (cast) => {
      const { mallory } = cast
      const { epoch } = mallory.volume.membership
      const [key = new Uint8Array()] = mallory.volume.membership.swarmKeys(epoch)
      const seal = (plain: Uint8Array): Uint8Array => {
        const salt = randomBytes(32)
        const sealed = sealOnce(
          deriveKey('shoal 2026 gossip v1', Buffer.concat([key, salt])),
          plain,
          salt,
        )
        return encodeCbor([epoch, salt, sealed])
      }
      const garbage = [
        () => randomBytes(200),
        () => encodeCbor([epoch, randomBytes(32), randomBytes(200)]),
        () => seal(randomBytes(100)),
        () => seal(encodeCbor({ t: 'head', h: randomBytes(300), g: randomBytes(64), b: null })),
        () => seal(encodeCbor({ t: 'beacon', b: randomBytes(300), s: randomBytes(64) })),
      ]
      let n = 0
      const count = await flood(cast, 30_000, () => (garbage[n++ % garbage.length] ?? seal)(key))
      assert.ok(count < 5000, `it was heard ${count} times`)
      await isCutOff(cast)
    })
  })

  test(
    'who says the same again and again is cut off, and the others never hear it',
    TIMEOUT,
    async () => {
      await withCast('repeating', async (cast) => {
        const { mallory } = cast
        await using listener = await listening(cast)
        const actor = honestActor(mallory)
        const entry = mallory.volume.entries.entry(actor.id, actor.seq)
        const head = entry === undefined ? undefined : headOf(entry)
        assert.ok(head !== undefined)
        await flood(cast, 45_000, () => mallory.sealed(head))
        await pause(1000)
        assert.ok(listener.heard < 100, `${listener.heard} messages came by way of honest members`)
        await isCutOff(cast)
      })
    },
  )

  test('a member has no more free space than the log says that it offers', TIMEOUT, async () => {
    await withCast('boasting', async (cast) => {
      const { admin } = cast
      const { capacityBytes, freeBytes } = (await statusOf(admin, cast)) ?? {}
      assert.ok(capacityBytes !== undefined)
      const isHeard = async (): Promise<boolean> =>
        (await statusOf(admin, cast))?.freeBytes !== freeBytes
      assert.ok(await beat(cast, () => ({ freeBytes: 2 ** 52 }), isHeard))
      assert.equal((await statusOf(admin, cast))?.freeBytes, capacityBytes)
    })
  })

  test(
    'lies about what others have written go no further than whom they are told',
    TIMEOUT,
    async () => {
      await withCast('boasting', async (cast) => {
        const { mallory, admin } = cast
        await using listener = await listening(cast)
        const actor = honestActor(mallory)
        let seq = 1000
        const invented = (): Uint8Array => {
          const isKnown = seq % 2 === 0
          const id = isKnown ? actor.id : (randomBytes(16).toString('hex') as ActorId)
          const entry = mallory.entry([], { actor: id, seq: seq++, origin: undefined })
          const { body: _body, ...head } = entry
          return mallory.sealed({ kind: 'head', head, body: undefined })
        }
        await flood(cast, 3_000, invented)
        await pause(1000)
        assert.ok(listener.heard < 100, `${listener.heard} lies came by way of honest members`)
        await admin.shoal('mkdir', '/goes-on')
        await cast.cluster.converged()
      })
    },
  )
})
