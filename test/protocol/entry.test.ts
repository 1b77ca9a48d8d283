// Entries and dots (docs/formats/log.md): golden bytes, who signed what, and every rule a decoder
// enforces.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import { blake3, blake3Concat } from '../../protocol/hash.ts'
import { ENTRY_BODY_MAX, ENTRY_DEPS_MAX, GOVERNED_MAX } from '../../protocol/limits.ts'
import { openBody, sealBody } from '../../protocol/log/batch.ts'
import { decodeDot, encodeDot, makeDot } from '../../protocol/clock/dot.ts'
import {
  FLAG_CLEAR_BODY,
  FLAG_GOVERNS,
  actorIdOf,
  decodeEntry,
  encodeEntry,
  entryCid,
  signEntry,
  verifyEntry,
} from '../../protocol/log/entry.ts'
import { decodeHlc } from '../../protocol/clock/hlc.ts'
import { identityFromSeed, verifySignature } from '../../protocol/signed.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import type { Entry, EntryHeader } from '../../protocol/log/entry.ts'
import { anyActor, anyDot, anyHlc, anySeq, bytes } from './arbitraries.ts'
import {
  ALICE,
  ALICE_ACTOR,
  ALICE_ORIGIN,
  BOB,
  BOB_ACTOR,
  BOB_ORIGIN,
  EPOCH_SECRET,
  OTHER_VOLUME,
  SALT,
  VOLUME,
  filled,
  hlcAt,
  rawZstd,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'

const MALFORMED = { code: 'malformed' }
type Fields = Omit<EntryHeader, 'bodyBytes' | 'bodyHash'>

/** Alice's first entry: clear, under the right that the genesis document gives her. */
const FIRST = signEntry(ALICE, firstOfAlice(), rawZstd(encodeCbor([1, []])))
/** Bob's first entry: sealed, and after Alice's. */
const SECOND = sealedByBob()
/** Alice's second entry: it governs, after another governing entry. */
const GOVERNING = governingOfAlice([SECOND.hash])

describe('entry', () => {
  test('entries have the bytes that docs/formats/log.md shows', () => {
    checkVectors('entry', {
      aliceSeed: toHex(ALICE.seed),
      bobSeed: toHex(BOB.seed),
      volume: VOLUME,
      epochSecret: toHex(EPOCH_SECRET),
      first: vectorOf(FIRST, ALICE_ORIGIN),
      second: { ...vectorOf(SECOND, BOB_ORIGIN), salt: toHex(SALT) },
      governing: vectorOf(GOVERNING, ALICE_ORIGIN),
    })
  })

  test('an entry comes back from its bytes', () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const back = decodeEntry(encodeEntry(entry))
        assert.deepEqual(toJson(back), toJson(entry))
        assert.ok(verifyEntry(back, ALICE.publicKey))
        assert.deepEqual(encodeEntry(back), encodeEntry(entry))
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('an entry is named by its header and signed under its name', () => {
    assert.equal(SECOND.hash, toHex(blake3(SECOND.headerBytes)))
    const signed = concatBytes([utf8('shoal/entry/1\0'), fromHex(SECOND.hash)])
    const { publicKey } = identityFromSeed(BOB.seed)
    assert.ok(verifySignature(publicKey, 'shoal/entry/1', signed.subarray(14), SECOND.signature))
    assert.ok(entryCid(SECOND.hash).startsWith('bafyr4i'))
  })

  test('an actor belongs to one key, one volume and one incarnation', () => {
    const id = toHex(
      blake3Concat(
        utf8('shoal/actor/1\0'),
        fromHex(VOLUME),
        ALICE.publicKey,
        ALICE_ORIGIN.nonce,
      ).subarray(0, 16),
    )
    assert.equal(ALICE_ACTOR, id)
    assert.notEqual(actorIdOf(OTHER_VOLUME, ALICE_ORIGIN), id)
    assert.notEqual(actorIdOf(VOLUME, { ...ALICE_ORIGIN, nonce: filled(0xa1, 16) }), id)
    assert.notEqual(actorIdOf(VOLUME, { ...ALICE_ORIGIN, publicKey: BOB.publicKey }), id)
  })

  test("another key's signature, or one for another purpose, is refused", () => {
    assert.ok(verifyEntry(SECOND, BOB.publicKey))
    assert.ok(!verifyEntry(SECOND, ALICE.publicKey))
    const forged = (signature: Uint8Array): Entry => ({ ...SECOND, signature })
    const digest = fromHex(SECOND.hash)
    assert.ok(!verifyEntry(forged(ALICE.sign('shoal/entry/1', digest)), BOB.publicKey))
    assert.ok(!verifyEntry(forged(BOB.sign('shoal/beacon/1', digest)), BOB.publicKey))
    assert.ok(!verifyEntry(forged(FIRST.signature), BOB.publicKey))
    assert.ok(!verifyEntry(forged(new Uint8Array(64)), BOB.publicKey))
    assert.ok(!verifyEntry(forged(new Uint8Array(63)), BOB.publicKey))
  })

  test('a header changed in any byte has another name, which the signature does not fit', () => {
    const wire = decodeCbor(encodeEntry(SECOND), 'entry') as Uint8Array[]
    for (let i = 0; i < SECOND.headerBytes.length; i++) {
      const header = SECOND.headerBytes.with(i, (SECOND.headerBytes[i] ?? 0) ^ 1)
      const changed = tryDecode(encodeCbor([header, ...wire.slice(1)]))
      if (changed === undefined) continue
      assert.notEqual(changed.hash, SECOND.hash)
      assert.ok(!verifyEntry(changed, BOB.publicKey))
    }
  })

  test('a body other than the header names is malformed', () => {
    const swapped = encodeCbor([SECOND.headerBytes, SECOND.signature, FIRST.body])
    assert.throws(() => decodeEntry(swapped), MALFORMED)
    const changed = SECOND.body.with(0, (SECOND.body[0] ?? 0) ^ 1)
    assert.throws(
      () => decodeEntry(encodeCbor([SECOND.headerBytes, SECOND.signature, changed])),
      MALFORMED,
    )
  })

  test('hostile bytes are refused and do nothing else', () => {
    assertRefusesOnly(decodeEntry, [FIRST, SECOND, GOVERNING].map(encodeEntry))
  })

  test('a hostile header is refused and does nothing else', () => {
    for (const { headerBytes, signature, body } of [SECOND, GOVERNING]) {
      const decode = (header: Uint8Array): Entry =>
        decodeEntry(encodeCbor([header, signature, body]))
      assertRefusesOnly(decode, [headerBytes])
    }
  })

  test('a later version is unsupported, whatever its fields', () => {
    for (const header of [withField(0, 2), encodeCbor([2]), encodeCbor([7, 'other', 'fields'])]) {
      assert.throws(() => decodeEntry(wrap(header)), { code: 'unsupported' })
    }
    assert.throws(() => decodeEntry(wrap(encodeCbor([]))), MALFORMED)
  })

  test('fields that a later version adds are kept: hash and signature cover them', () => {
    const header = encodeCbor([...headerFields(), 'added later'])
    const entry = decodeEntry(wrap(header))
    assert.equal(toHex(entry.headerBytes), toHex(header))
    assert.deepEqual(decodeEntry(encodeEntry(entry)).hash, toHex(blake3(header)))
  })

  test('a header out of canonical form is malformed', () => {
    const longer = Uint8Array.from([0x98, 13, ...SECOND.headerBytes.subarray(1)])
    assert.throws(() => decodeEntry(wrap(longer)), MALFORMED)
    // `prev` follows version, volume, actor and seq: null (f6) may not be undefined (f7).
    const prevAt = 1 + 1 + 34 + 17 + 1
    const { headerBytes, signature, body } = SECOND
    assert.equal(headerBytes[prevAt], 0xf6)
    const undefinedPrev = encodeCbor([headerBytes.with(prevAt, 0xf7), signature, body])
    assert.throws(() => decodeEntry(undefinedPrev), MALFORMED)
  })

  test('an entry taken to another volume fits neither its signature nor its actor', () => {
    const fields = decodeCbor(SECOND.headerBytes, 'header') as unknown[]
    const header = encodeCbor(fields.with(1, fromHex(OTHER_VOLUME)))
    const moved = decodeEntry(encodeCbor([header, SECOND.signature, SECOND.body]))
    assert.equal(moved.header.volume, OTHER_VOLUME)
    assert.ok(!verifyEntry(moved, BOB.publicKey))
    assert.notEqual(actorIdOf(OTHER_VOLUME, BOB_ORIGIN), moved.header.actor)
    assert.throws(() => openBody(EPOCH_SECRET, moved.header, moved.body), { code: 'corrupt' })
    assert.equal(toHex(openBody(EPOCH_SECRET, SECOND.header, SECOND.body)), toHex(FIRST.body))
  })

  test('the first entry has no prev and an origin, every other a prev and no origin', () => {
    const origin = [BOB.publicKey, filled(1, 16)]
    const bad: [seq: number, prev: unknown, origin: unknown][] = [
      [1, null, null],
      [1, filled(1, 32), origin],
      [1, filled(1, 32), null],
      [2, null, null],
      [2, null, origin],
      [2, filled(1, 32), origin],
    ]
    for (const [seq, prev, who] of bad) {
      const fields = headerFields().with(3, seq).with(4, prev).with(12, who)
      assert.throws(() => decodeEntry(wrap(encodeCbor(fields))), MALFORMED)
    }
    decodeEntry(wrap(encodeCbor(headerFields().with(3, 2).with(4, filled(1, 32)).with(12, null))))
  })

  test('an entry that governs has its origin, whatever its seq, and names those before it', () => {
    assert.deepEqual(decodeEntry(encodeEntry(GOVERNING)).header.governed, [SECOND.hash])
    const fields = decodeCbor(GOVERNING.headerBytes, 'header') as unknown[]
    const hash = (byte: number): Uint8Array => filled(byte, 32)
    const many = Array.from({ length: GOVERNED_MAX + 1 }, (_, n) => hash(n))
    const decode = (header: unknown[]): Entry =>
      decodeEntry(encodeCbor([encodeCbor(header), GOVERNING.signature, GOVERNING.body]))
    for (const governed of [[], [hash(1), hash(2)], many.slice(1)])
      decode(fields.with(13, governed))
    for (const governed of [null, [hash(2), hash(1)], [hash(1), hash(1)], [filled(1, 31)], many])
      assert.throws(() => decode(fields.with(13, governed)), MALFORMED)
    assert.throws(() => decode(fields.slice(0, 13)), MALFORMED)
    assert.throws(() => decode(fields.with(12, null)), MALFORMED)
  })

  test('deps are sorted, each actor once', () => {
    const dep = (actor: number): unknown => [filled(actor, 16), 1, filled(9, 32)]
    decodeEntry(wrap(withField(5, [dep(1), dep(2)])))
    for (const deps of [[dep(2), dep(1)], [dep(1), dep(1)], [[filled(1, 16), 0, filled(9, 32)]]]) {
      assert.throws(() => decodeEntry(wrap(withField(5, deps))), MALFORMED)
    }
  })

  test('deps and body are bounded', () => {
    const deps = (count: number): unknown[] =>
      Array.from({ length: count }, (_, n) => {
        const actor = new Uint8Array(16)
        new DataView(actor.buffer).setUint32(0, n)
        return [actor, 1, filled(9, 32)]
      })
    assert.equal(
      decodeEntry(wrap(withField(5, deps(ENTRY_DEPS_MAX)))).header.deps.length,
      ENTRY_DEPS_MAX,
    )
    assert.throws(() => decodeEntry(wrap(withField(5, deps(ENTRY_DEPS_MAX + 1)))), MALFORMED)
    const large = signEntry(BOB, fieldsOfBob(), new Uint8Array(ENTRY_BODY_MAX))
    assert.equal(decodeEntry(encodeEntry(large)).body.length, ENTRY_BODY_MAX)
    const tooLarge = signEntry(BOB, fieldsOfBob(), new Uint8Array(ENTRY_BODY_MAX + 1))
    assert.throws(() => decodeEntry(encodeEntry(tooLarge)), MALFORMED)
  })

  test('a clock is a u64', () => {
    for (const hlc of [0, 2 ** 53 - 1, HLC_MAX]) assert.equal(decodeHlc(hlc), BigInt(hlc))
    for (const bad of [-1, 1.5, 2 ** 53, 2n ** 64n, -1n, '1', null])
      assert.throws(() => decodeHlc(bad), MALFORMED)
  })
})

describe('dot', () => {
  test('a dot comes back from its bytes', () => {
    fc.assert(
      fc.property(anyDot, (dot) => {
        assert.equal(decodeDot(decodeCbor(encodeCbor(encodeDot(dot)), 'dot')), dot)
      }),
      { seed: 2, numRuns: 200 },
    )
  })

  test('a value that is no dot is malformed', () => {
    const dot = encodeCbor(encodeDot(makeDot(ALICE_ACTOR, 7, 3)))
    assertRefusesOnly((bytes) => decodeDot(decodeCbor(bytes, 'dot')), [dot], {
      codes: ['malformed'],
    })
    const actor = filled(1, 16)
    for (const bad of [
      [actor, 0, 0],
      [actor, 2 ** 48, 0],
      [actor, 1, 65_536],
      [actor, 1, -1],
      [filled(1, 15), 1, 0],
    ]) {
      assert.throws(() => decodeDot(bad), MALFORMED)
    }
  })
})

const anyHash = bytes(32).map((hash) => toHex(hash) as EntryHash)
const anyDeps = fc
  .uniqueArray(fc.tuple(anyActor, anySeq, anyHash), { selector: ([actor]) => actor, maxLength: 5 })
  .map((deps) =>
    deps
      .map(([actor, seq, hash]) => ({ actor, seq, hash }))
      .sort((a, b) => (a.actor < b.actor ? -1 : 1)),
  )

const anyEntry: fc.Arbitrary<Entry> = fc
  .record({
    actor: anyActor,
    seq: fc.oneof(fc.constant(1), anySeq),
    deps: anyDeps,
    hlc: anyHlc,
    grant: anyHash,
    epoch: fc.integer({ min: 0, max: 2 ** 32 }),
    flags: fc.constantFrom(0, 1, 2 ** 31),
    prev: anyHash,
    nonce: bytes(16),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  .map(({ prev, nonce, body, ...rest }) => {
    const first = rest.seq === 1
    const origin = first ? { publicKey: ALICE.publicKey, nonce } : undefined
    return signEntry(
      ALICE,
      { ...rest, volume: VOLUME, prev: first ? undefined : prev, origin },
      body,
    )
  })

function firstOfAlice(): Fields {
  return {
    volume: VOLUME,
    actor: ALICE_ACTOR,
    seq: 1,
    prev: undefined,
    deps: [],
    hlc: hlcAt(0),
    grant: VOLUME as string as EntryHash,
    epoch: 0,
    flags: FLAG_CLEAR_BODY,
    origin: ALICE_ORIGIN,
  }
}

function governingOfAlice(governed: readonly EntryHash[]): Entry {
  const fields = firstOfAlice()
  const second = { ...fields, seq: 2, prev: FIRST.hash, hlc: hlcAt(6), governed }
  const flags = FLAG_CLEAR_BODY | FLAG_GOVERNS
  return signEntry(ALICE, { ...second, flags }, rawZstd(encodeCbor([1, []])))
}

function fieldsOfBob(): Fields {
  return {
    volume: VOLUME,
    actor: BOB_ACTOR,
    seq: 1,
    prev: undefined,
    deps: [{ actor: ALICE_ACTOR, seq: 1, hash: FIRST.hash }],
    hlc: hlcAt(5, 1),
    grant: FIRST.hash,
    epoch: 1,
    flags: 0,
    origin: BOB_ORIGIN,
  }
}

function sealedByBob(): Entry {
  const fields = fieldsOfBob()
  return signEntry(BOB, fields, sealBody(EPOCH_SECRET, fields, rawZstd(encodeCbor([1, []])), SALT))
}

function vectorOf(entry: Entry, origin: { readonly nonce: Uint8Array }): object {
  return {
    actor: entry.header.actor,
    originNonce: toHex(origin.nonce),
    header: toHex(entry.headerBytes),
    hash: entry.hash,
    cid: entryCid(entry.hash),
    signature: toHex(entry.signature),
    body: toHex(entry.body),
    entry: toHex(encodeEntry(entry)),
  }
}

/** The fields of SECOND's header, but with a body of 0 bytes. */
function headerFields(): unknown[] {
  const fields = decodeCbor(SECOND.headerBytes, 'header') as unknown[]
  return fields.with(9, 0).with(10, blake3(new Uint8Array()))
}

function withField(index: number, value: unknown): Uint8Array {
  return encodeCbor(headerFields().with(index, value))
}

function wrap(header: Uint8Array): Uint8Array {
  return encodeCbor([header, SECOND.signature, new Uint8Array()])
}

function tryDecode(wire: Uint8Array): Entry | undefined {
  try {
    return decodeEntry(wire)
  } catch {
    return undefined
  }
}
