// Heads and beacons (docs/formats/sync.md): sealed to the members, beacons signed, and always
// within GOSSIP_MAX.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { encodeVector } from '../../protocol/clock/vector-clock.ts'
import { openOnce, sealOnce } from '../../protocol/cipher.ts'
import { deriveKey } from '../../protocol/hash.ts'
import {
  BEACON_ACTORS_MAX,
  GOSSIP_BODY_MAX,
  GOSSIP_MAX,
  TICKET_ADDRESSES_MAX,
} from '../../protocol/limits.ts'
import { attest } from '../../protocol/log/attestation.ts'
import { encodeEntry, signEntry, verifyEntry, withBody } from '../../protocol/log/entry.ts'
import { swarmKey } from '../../protocol/membership/members.ts'
import { headOf, headsTopic, openGossip, sealGossip } from '../../protocol/wire/gossip.ts'
import { signSecurityHead } from '../../protocol/wire/security.ts'
import type { ActorId, EntryHash, VolumeId } from '../../protocol/ids.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Dependency } from '../../protocol/log/entry.ts'
import type { Beacon, GossipMessage, GossipSender } from '../../protocol/wire/gossip.ts'
import { anyHlc, anyVector, bytes } from './arbitraries.ts'
import {
  ALICE,
  ALICE_ACTOR,
  BOB,
  BOB_ACTOR,
  BOB_ORIGIN,
  EPOCH_SECRET,
  OTHER_VOLUME,
  SALT,
  VOLUME,
  WALL_MS,
  filled,
  hlcAt,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const EPOCH = 1
const KEY = swarmKey(EPOCH_SECRET)
const MALFORMED = { code: 'malformed' }
const FROM_ALICE: GossipSender = { identity: ALICE, volume: VOLUME, epoch: EPOCH, swarmKey: KEY }
const keysOf = (epoch: number): readonly Uint8Array[] => (epoch === EPOCH ? [KEY] : [])

const { body: BODY, ...HEAD } = entryWithDeps(1)
const BEACON: Beacon = {
  peer: ALICE.peer,
  sentMs: WALL_MS,
  vector: new Map([
    [ALICE_ACTOR, 12],
    [BOB_ACTOR, 1000],
  ]),
  digest: filled(0xdd, 32),
  hlc: hlcAt(5),
  cut: hlcAt(0),
  root: undefined,
  freeBytes: 250_000_000_000,
  addresses: [`/ip4/192.168.1.7/tcp/4001/p2p/${ALICE.peer}`],
  security: signSecurityHead(ALICE, 42, filled(0xee, 32)),
}
const MESSAGES: Readonly<Record<string, GossipMessage>> = {
  named: { kind: 'head', head: HEAD, body: undefined },
  whole: { kind: 'head', head: HEAD, body: BODY },
  beacon: { kind: 'beacon', beacon: BEACON },
  attestation: {
    kind: 'attestation',
    attestation: attest(ALICE, VOLUME, {
      cut: toHex(filled(0xc0, 32)) as EntryHash,
      clear: toHex(filled(0xc1, 32)) as NodeHash,
      sealed: toHex(filled(0x5e, 32)) as NodeHash,
    }),
  },
}

describe('gossip', () => {
  test('messages have the bytes that docs/formats/sync.md shows', () => {
    const vectors = Object.entries(MESSAGES).map(([name, message]) => {
      const sealed = sealGossip(message, FROM_ALICE, SALT)
      return [name, { plain: toHex(plainOf(sealed)), bytes: toHex(sealed) }]
    })
    checkVectors('gossip', {
      topic: headsTopic(VOLUME, KEY),
      aliceSeed: toHex(ALICE.seed),
      epoch: EPOCH,
      swarmKey: toHex(KEY),
      salt: toHex(SALT),
      messageKey: toHex(deriveKey('shoal 2026 gossip v1', Buffer.concat([KEY, SALT]))),
      ...Object.fromEntries(vectors),
    })
  })

  test('a message comes back from its bytes', () => {
    fc.assert(
      fc.property(anyMessage, bytes(32), (message, salt) => {
        const back = openGossip(sealGossip(message, FROM_ALICE, salt), VOLUME, keysOf)
        assert.deepEqual(toJson(sorted(back)), toJson(sorted(message)))
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('a reader without a key of the epoch reads nothing', () => {
    const sealed = sealGossip(MESSAGES['named'] as GossipMessage, FROM_ALICE, SALT)
    assert.throws(() => openGossip(sealed, VOLUME, () => []), { code: 'corrupt' })
    assert.throws(() => openGossip(sealed, VOLUME, () => [EPOCH_SECRET]), { code: 'corrupt' })
  })

  test('hostile bytes from outside are refused and do nothing else', () => {
    const honest = Object.values(MESSAGES).map((message) => sealGossip(message, FROM_ALICE, SALT))
    assertRefusesOnly((message) => openGossip(message, VOLUME, keysOf), honest, {
      codes: ['malformed', 'corrupt'],
    })
  })

  test('hostile messages of a member are refused and do nothing else', () => {
    const plain = Object.values(MESSAGES).map((message) =>
      plainOf(sealGossip(message, FROM_ALICE, SALT)),
    )
    assertRefusesOnly((message) => openGossip(seal(message), VOLUME, keysOf), plain, {
      codes: ['malformed', 'unsupported', 'bad-signature'],
    })
  })

  test('hostile beacons, signed as they are, are refused and do nothing else', () => {
    assertRefusesOnly((body) => openGossip(seal(signed(body)), VOLUME, keysOf), [beaconBody()], {
      codes: ['malformed', 'bad-signature'],
    })
  })

  test("a beacon with another member's signature, or one for another purpose, is refused", () => {
    const body = beaconBody()
    openGossip(seal(signed(body)), VOLUME, keysOf)
    const forged = [
      BOB.sign('shoal/beacon/1', forVolume(VOLUME, body)),
      ALICE.sign('shoal/entry/1', forVolume(VOLUME, body)),
      ALICE.sign('shoal/beacon/1', body),
      new Uint8Array(64),
    ]
    for (const s of forged) {
      assert.throws(
        () => openGossip(seal(encodeCbor({ t: 'beacon', b: body, s })), VOLUME, keysOf),
        {
          code: 'bad-signature',
        },
      )
    }
    const changed = encodeCbor({ ...(decodeCbor(body, 'beacon') as object), at: WALL_MS + 1 })
    const stale = encodeCbor({ t: 'beacon', b: changed, s: signatureOf(body) })
    assert.throws(() => openGossip(seal(stale), VOLUME, keysOf), { code: 'bad-signature' })
  })

  test("a member of two volumes cannot pass another's beacon of one off in the other", () => {
    const body = beaconBody()
    const s = ALICE.sign('shoal/beacon/1', forVolume(OTHER_VOLUME, body))
    const replayed = seal(encodeCbor({ t: 'beacon', b: body, s }))
    openGossip(replayed, OTHER_VOLUME, keysOf)
    assert.throws(() => openGossip(replayed, VOLUME, keysOf), { code: 'bad-signature' })
  })

  test('of several keys of an epoch the one that fits opens', () => {
    const sealed = sealGossip(MESSAGES['named'] as GossipMessage, FROM_ALICE, SALT)
    assert.equal(openGossip(sealed, VOLUME, () => [EPOCH_SECRET, KEY]).kind, 'head')
  })

  test('the largest beacon fits, and one of more actors is refused', () => {
    const actor = (n: number): ActorId => n.toString(16).padStart(32, '0') as ActorId
    const vectorOf = (count: number): Map<ActorId, number> =>
      new Map(Array.from({ length: count }, (_, n) => [actor(n + 1), 2 ** 48 - 1]))
    const addresses = Array.from({ length: TICKET_ADDRESSES_MAX }, () => 'a'.repeat(256))
    const largest = {
      ...BEACON,
      sentMs: Number.MAX_SAFE_INTEGER,
      freeBytes: Number.MAX_SAFE_INTEGER,
      security: signSecurityHead(ALICE, Number.MAX_SAFE_INTEGER, filled(0xee, 32)),
      addresses,
      vector: vectorOf(BEACON_ACTORS_MAX),
      neighbours: filled(0xff, 8),
    }
    const sender = { ...FROM_ALICE, epoch: 2 ** 32 }
    const sealed = sealGossip({ kind: 'beacon', beacon: largest }, sender, SALT)
    assert.ok(sealed.length <= GOSSIP_MAX, `${sealed.length} bytes`)
    const back = openGossip(sealed, VOLUME, () => [KEY])
    assert.ok(back.kind === 'beacon' && back.beacon.vector.size === BEACON_ACTORS_MAX)
    const vv = encodeVector(vectorOf(BEACON_ACTORS_MAX + 1))
    const tooMany = encodeCbor({ ...(decodeCbor(beaconBody(), 'beacon') as object), vv })
    assert.throws(() => openGossip(seal(signed(tooMany)), VOLUME, keysOf), MALFORMED)
  })

  test('a kind this node does not know is unsupported, not a fault of the sender', () => {
    assert.throws(() => openGossip(seal(encodeCbor({ t: 'weather' })), VOLUME, keysOf), {
      code: 'unsupported',
    })
  })

  test('a message above GOSSIP_MAX is refused unread', () => {
    const sealed = (length: number): Uint8Array => encodeCbor([EPOCH, SALT, filled(0, length)])
    const fits = GOSSIP_MAX - sealed(GOSSIP_MAX - 100).length + GOSSIP_MAX - 100
    assert.equal(sealed(fits).length, GOSSIP_MAX)
    assert.throws(() => openGossip(sealed(fits), VOLUME, keysOf), { code: 'corrupt' })
    assert.throws(() => openGossip(sealed(fits + 1), VOLUME, keysOf), MALFORMED)
  })

  test('the body of an entry travels where it fits, and what a header takes leaves room for', () => {
    for (const deps of [0, 1, 200, 250, 256, 260, 270, 300, 512]) {
      const entry = entryWithDeps(deps)
      const { headerBytes, body } = entry
      const message = headOf(entry)
      if (headerBytes.length > GOSSIP_MAX - 256) {
        assert.equal(message, undefined)
        continue
      }
      assert.ok(message !== undefined)
      const sealed = sealGossip(message, { ...FROM_ALICE, identity: BOB }, SALT)
      assert.ok(sealed.length <= GOSSIP_MAX)
      const back = openGossip(sealed, VOLUME, keysOf)
      assert.ok(back.kind === 'head')
      const isWhole = headerBytes.length + body.length <= GOSSIP_MAX - 256
      assert.equal(back.body !== undefined, isWhole)
      assert.ok(
        verifyEntry(back.head, BOB.publicKey),
        'who wrote it can be verified without its body',
      )
      if (back.body !== undefined)
        assert.deepEqual(encodeEntry(withBody(back.head, back.body)), encodeEntry(entry))
    }
  })

  test('an entry with another body than its header says is malformed', () => {
    assert.throws(() => withBody(HEAD, filled(8, BODY.length)), MALFORMED)
    assert.throws(() => withBody(HEAD, BODY.subarray(1)), MALFORMED)
  })

  test('topics of two keys, or of two volumes, have nothing in common, and tell neither', () => {
    const topics = [
      headsTopic(VOLUME, KEY),
      headsTopic(VOLUME, EPOCH_SECRET),
      headsTopic(OTHER_VOLUME, KEY),
    ]
    assert.equal(new Set(topics).size, topics.length)
    for (const topic of topics) {
      assert.match(topic, /^\/shoal\/[0-9a-f]{64}\/heads\/1$/)
      for (const secret of [VOLUME, OTHER_VOLUME, toHex(KEY)]) assert.ok(!topic.includes(secret))
    }
  })

  test('every bound of a head and of a beacon is enforced', () => {
    const head = { t: 'head', h: HEAD.headerBytes, g: HEAD.signature, b: null }
    const beacon = decodeCbor(beaconBody(), 'beacon') as object
    const bad = [
      encodeCbor({ ...head, h: filled(1, 40) }),
      encodeCbor({ ...head, h: null }),
      encodeCbor({ ...head, g: filled(1, 63) }),
      encodeCbor({ ...head, b: 'x' }),
      signed(
        encodeCbor({ ...beacon, a: Array.from({ length: TICKET_ADDRESSES_MAX + 1 }, () => 'x') }),
      ),
      signed(encodeCbor({ ...beacon, f: -1 })),
      signed(encodeCbor({ ...beacon, at: 1.5 })),
      signed(encodeCbor({ ...beacon, p: filled(1, 31) })),
      signed(encodeCbor({ ...beacon, vv: [[filled(1, 16), 0]] })),
      signed(encodeCbor({ ...beacon, d: filled(1, 31) })),
      signed(encodeCbor({ ...beacon, h: -1 })),
      signed(encodeCbor({ ...beacon, c: 'x' })),
      signed(encodeCbor({ ...beacon, e: { n: 0, h: filled(1, 32), s: filled(1, 64) } })),
    ]
    for (const plain of bad) assert.throws(() => openGossip(seal(plain), VOLUME, keysOf), MALFORMED)
    openGossip(seal(encodeCbor(head)), VOLUME, keysOf)
  })

  test('addresses too long are left out of a beacon that is otherwise good', () => {
    const beacon = {
      ...(decodeCbor(beaconBody(), 'beacon') as object),
      a: ['x'.repeat(257), 'y', 7],
    }
    const message = openGossip(seal(signed(encodeCbor(beacon))), VOLUME, keysOf)
    assert.ok(message.kind === 'beacon')
    assert.deepEqual(message.beacon.addresses, ['y'])
  })

  test('at most TICKET_ADDRESSES_MAX addresses are sent', () => {
    const addresses = Array.from({ length: 20 }, (_, n) => `/dns/${n}`)
    const message = openGossip(
      sealGossip({ kind: 'beacon', beacon: { ...BEACON, addresses } }, FROM_ALICE, SALT),
      VOLUME,
      keysOf,
    )
    assert.ok(message.kind === 'beacon')
    assert.deepEqual(message.beacon.addresses, addresses.slice(0, TICKET_ADDRESSES_MAX))
  })
})

const anyMessage: fc.Arbitrary<GossipMessage> = fc.oneof(
  fc.record({ deps: fc.nat(20), isWhole: fc.boolean() }).map(({ deps, isWhole }) => {
    const { body, ...head } = entryWithDeps(deps)
    return { kind: 'head' as const, head, body: isWhole ? body : undefined }
  }),
  fc.record({
    kind: fc.constant('beacon' as const),
    beacon: fc.record({
      peer: fc.constant(ALICE.peer),
      sentMs: fc.maxSafeNat(),
      vector: anyVector,
      digest: fc.option(bytes(32), { nil: undefined }),
      hlc: anyHlc,
      cut: anyHlc,
      root: fc.constant(undefined),
      freeBytes: fc.maxSafeNat(),
      usedBytes: fc.option(fc.maxSafeNat(), { nil: undefined }),
      neighbours: fc.option(bytes(8), { nil: undefined }),
      addresses: fc.array(fc.string({ maxLength: 100 }), { maxLength: TICKET_ADDRESSES_MAX }),
    }),
  }),
)

function seal(plain: Uint8Array): Uint8Array {
  return encodeCbor([EPOCH, SALT, sealOnce(messageKey(), plain, SALT)])
}

/** By the derivation that the document gives, not by the code under test. */
function plainOf(gossip: Uint8Array): Uint8Array {
  const [, , sealed] = decodeCbor(gossip, 'gossip') as [number, Uint8Array, Uint8Array]
  return openOnce(messageKey(), sealed, SALT)
}

function messageKey(): Uint8Array {
  return deriveKey('shoal 2026 gossip v1', Buffer.concat([KEY, SALT]))
}

function beaconBody(): Uint8Array {
  const plain = plainOf(sealGossip({ kind: 'beacon', beacon: BEACON }, FROM_ALICE, SALT))
  return (decodeCbor(plain, 'beacon') as { b: Uint8Array }).b
}

function signed(body: Uint8Array): Uint8Array {
  return encodeCbor({ t: 'beacon', b: body, s: signatureOf(body) })
}

function signatureOf(body: Uint8Array): Uint8Array {
  return ALICE.sign('shoal/beacon/1', forVolume(VOLUME, body))
}

function forVolume(volume: VolumeId, body: Uint8Array): Uint8Array {
  return Buffer.concat([fromHex(volume), body])
}

/** With its vector in order, as it travels. */
function sorted(message: GossipMessage): GossipMessage {
  if (message.kind !== 'beacon') return message
  const vector = new Map([...message.beacon.vector].sort(([a], [b]) => (a < b ? -1 : 1)))
  return { ...message, beacon: { ...message.beacon, vector } }
}

function entryWithDeps(count: number): ReturnType<typeof signEntry> {
  const deps = Array.from({ length: count }, (_, n): Dependency => {
    return {
      actor: n.toString(16).padStart(32, '0') as ActorId,
      seq: 1,
      hash: '09'.repeat(32) as EntryHash,
    }
  })
  const fields = { volume: VOLUME, actor: BOB_ACTOR, seq: 1, prev: undefined, origin: BOB_ORIGIN }
  const grant = 'aa'.repeat(32) as EntryHash
  return signEntry(
    BOB,
    { ...fields, deps, hlc: hlcAt(1), grant, epoch: 1, flags: 0 },
    filled(7, count === 1 ? 32 : GOSSIP_BODY_MAX),
  )
}
