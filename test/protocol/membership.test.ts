// Genesis, keys and roles (docs/formats/membership.md): golden bytes, and what each role may do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { openFrom, sealTo } from '../../protocol/cipher.ts'
import { blake3, deriveKey } from '../../protocol/hash.ts'
import {
  GENESIS_BYTES_MAX,
  decodeGenesis,
  encodeGenesis,
  volumeIdOf,
} from '../../protocol/membership/genesis.ts'
import { chunkSecret, sealEpochKey, swarmKey } from '../../protocol/membership/members.ts'
import {
  ROLES,
  mayAdminister,
  mayRead,
  includesRole,
  mayGiveUp,
  mayStore,
  mayWrite,
  parseRole,
} from '../../protocol/roles.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { WallTime } from '../../protocol/units.ts'
import { anyPeer, bytes } from './arbitraries.ts'
import {
  ALICE,
  BOB,
  CAROL,
  EPHEMERAL_SEED,
  EPOCH_SECRET,
  GENESIS,
  GENESIS_BYTES,
  VOLUME,
  filled,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const MALFORMED = { code: 'malformed' }
const CORRUPT = { code: 'corrupt' }

describe('genesis', () => {
  test('a genesis document has the bytes that docs/formats/membership.md shows', () => {
    checkVectors('genesis', {
      creatorSeed: toHex(ALICE.seed),
      genesis: { ...(toJson(GENESIS) as object), creatorKey: toHex(ALICE.publicKey) },
      bytes: toHex(GENESIS_BYTES),
      volume: VOLUME,
    })
  })

  test('a genesis document comes back from its bytes, whose hash is the volume', () => {
    fc.assert(
      fc.property(anyGenesis, (genesis) => {
        const document = encodeGenesis(genesis)
        assert.deepEqual(toJson(decodeGenesis(document)), toJson(genesis))
        assert.equal(volumeIdOf(document), toHex(blake3(document)))
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('hostile documents are refused and do nothing else', () => {
    assertRefusesOnly(decodeGenesis, [GENESIS_BYTES], { codes: ['malformed', 'unsupported'] })
  })

  test('a later version is unsupported; a field this node does not know is part of the id', () => {
    assert.throws(() => decodeGenesis(withField('v', 2)), { code: 'unsupported' })
    const later = withField('later', 'x')
    assert.deepEqual(toJson(decodeGenesis(later)), toJson(GENESIS))
    assert.notEqual(volumeIdOf(later), VOLUME)
  })

  test('values out of bounds are malformed, not a usage error of ours', () => {
    const bad: [string, unknown][] = [
      ['name', ''],
      ['name', 'a/b'],
      ['name', '-a'],
      ['name', 'x'.repeat(65)],
      ['chunk', '2m'],
      ['hash', 'md5'],
      ['nonce', filled(0, 31)],
      ['creator', filled(0, 33)],
      ['created', 2 ** 48],
      ['created', -1],
    ]
    for (const [name, value] of bad)
      assert.throws(() => decodeGenesis(withField(name, value)), MALFORMED, name)
    assert.equal(decodeGenesis(withField('name', 'x'.repeat(64))).name.length, 64)
    assert.throws(() => decodeGenesis(withField('x', new Uint8Array(GENESIS_BYTES_MAX))), MALFORMED)
    const fits = GENESIS_BYTES_MAX - GENESIS_BYTES.length - 5
    assert.equal(decodeGenesis(withField('x', new Uint8Array(fits))).name, 'main')
    assert.throws(() => decodeGenesis(withField('x', new Uint8Array(fits + 1))), MALFORMED)
  })

  test('a document out of canonical form is malformed: nobody can give a volume a second id', () => {
    const longer = Uint8Array.from([0xb8, 7, ...GENESIS_BYTES.subarray(1)])
    assert.throws(() => decodeGenesis(longer), MALFORMED)
    const [head, version, rest] = [0xa7, GENESIS_BYTES.subarray(1, 4), GENESIS_BYTES.subarray(4)]
    assert.throws(() => decodeGenesis(Uint8Array.from([head, ...rest, ...version])), MALFORMED)
  })
})

describe('epoch keys', () => {
  const forBob = sealEpochKey(BOB.peer, 'writer', EPOCH_SECRET, EPHEMERAL_SEED)
  const forCarol = sealEpochKey(CAROL.peer, 'keeper', EPOCH_SECRET, EPHEMERAL_SEED)

  test('keys have the bytes that docs/formats/membership.md shows', () => {
    checkVectors('epoch-key', {
      epochSecret: toHex(EPOCH_SECRET),
      swarmKey: toHex(swarmKey(EPOCH_SECRET)),
      chunkSecret: toHex(chunkSecret(EPOCH_SECRET)),
      ephemeralSeed: toHex(EPHEMERAL_SEED),
      writer: {
        seed: toHex(BOB.seed),
        peer: BOB.peer,
        publicKey: toHex(BOB.publicKey),
        sealed: toHex(forBob),
      },
      keeper: {
        seed: toHex(CAROL.seed),
        peer: CAROL.peer,
        publicKey: toHex(CAROL.publicKey),
        sealed: toHex(forCarol),
      },
    })
  })

  test('a reader gets the secret, a keeper only what opens gossip', () => {
    for (const role of ROLES) {
      const opened = openFrom(BOB.seed, sealEpochKey(BOB.peer, role, EPOCH_SECRET, EPHEMERAL_SEED))
      assert.equal(toHex(opened), toHex(role === 'keeper' ? swarmKey(EPOCH_SECRET) : EPOCH_SECRET))
    }
    assert.equal(toHex(openFrom(CAROL.seed, forCarol)), toHex(swarmKey(EPOCH_SECRET)))
  })

  test('keys for different ends are different', () => {
    const derived = [
      EPOCH_SECRET,
      swarmKey(EPOCH_SECRET),
      chunkSecret(EPOCH_SECRET),
      deriveKey('shoal 2026 log key v1', EPOCH_SECRET),
    ]
    assert.equal(new Set(derived.map(toHex)).size, 4)
  })

  test('whatever is sealed to an identity opens for it and for nobody else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes(32), (secret, seed) => {
        const sealed = sealTo(ALICE.publicKey, secret, seed)
        assert.equal(sealed.length, 32 + secret.length + 16)
        assert.equal(toHex(openFrom(ALICE.seed, sealed)), toHex(secret))
        assert.throws(() => openFrom(BOB.seed, sealed), CORRUPT)
      }),
      { seed: 2, numRuns: 30 },
    )
  })

  test('a sealed key that was changed or cut does not open', () => {
    for (let i = 0; i < forBob.length; i++) {
      assert.throws(() => openFrom(BOB.seed, forBob.with(i, (forBob[i] ?? 0) ^ 1)), CORRUPT)
      if (i % 8 === 0) assert.throws(() => openFrom(BOB.seed, forBob.subarray(0, i)), CORRUPT)
    }
    assert.throws(() => openFrom(BOB.seed, new Uint8Array(80)), CORRUPT)
  })
})

describe('roles', () => {
  test('a role may do this and no more', () => {
    const table = ROLES.map((role) => [
      role,
      mayAdminister(role),
      mayWrite(role),
      mayGiveUp(role),
      mayRead(role),
      mayStore(role),
    ])
    assert.deepEqual(table, [
      ['admin', true, true, true, true, true],
      ['writer', false, true, true, true, true],
      ['appender', false, true, false, true, true],
      ['reader', false, false, false, true, false],
      ['keeper', false, false, false, false, true],
    ])
    const order = ['admin', 'writer', 'appender', 'reader'] as const
    for (const [at, role] of order.entries())
      for (const [place, other] of order.entries())
        assert.equal(includesRole(role, other), at <= place, `${role} ${other}`)
    assert.ok(includesRole('appender', 'keeper') && !includesRole('reader', 'keeper'))
  })

  test('text that is no role is malformed', () => {
    for (const role of ROLES) assert.equal(parseRole(role), role)
    for (const text of ['', 'owner', 'ADMIN', 'constructor'])
      assert.throws(() => parseRole(text), MALFORMED)
  })
})

const anyGenesis: fc.Arbitrary<Genesis> = fc.record({
  creator: anyPeer,
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  nonce: bytes(32),
  created: fc.nat(2 ** 48 - 1).map((ms) => ms as WallTime),
  chunk: fc.constantFrom('64k', '256k', '1m'),
  hash: fc.constantFrom('blake3', 'sha2-256'),
})

function withField(name: string, value: unknown): Uint8Array {
  return encodeCbor({ ...(decodeCbor(GENESIS_BYTES, 'genesis') as object), [name]: value })
}
