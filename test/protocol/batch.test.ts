// The body of an entry (docs/formats/log.md): packed, sealed to its place in the log, and bounded
// before it is unpacked.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { TAG_BYTES, openOnce } from '../../protocol/cipher.ts'
import { zstdCompress, zstdDecompress } from '../../protocol/compress.ts'
import { deriveKey } from '../../protocol/hash.ts'
import { ENTRY_BODY_MAX, ENTRY_OPS_MAX } from '../../protocol/limits.ts'
import {
  SALT_BYTES,
  decodeBatch,
  encodeBatch,
  openBody,
  sealBody,
} from '../../protocol/log/batch.ts'
import { encodeOp } from '../../protocol/op/codec.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { BodyContext } from '../../protocol/log/batch.ts'
import type { Op } from '../../protocol/op/op.ts'
import { anyOp } from './arbitraries.ts'
import {
  BOB_ACTOR,
  EPOCH_SECRET,
  OTHER_VOLUME,
  SALT,
  VOLUME,
  filled,
  hlcAt,
  nodeId,
  rawZstd,
  toJson,
} from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'
import { nameFromText } from '../../protocol/op/names.ts'

const CONTEXT: BodyContext = { volume: VOLUME, actor: BOB_ACTOR, seq: 2, hlc: hlcAt(20) }
const ROOT = nodeId(0)
const OPS: readonly Op[] = [
  {
    kind: 'mkdir',
    id: nodeId(0xd1),
    parent: ROOT,
    name: nameFromText('docs'),
    attributes: { mode: 0o755 },
  },
  { kind: 'unlink', link: nodeId(0x11), inode: nodeId(0x12), from: ROOT, saw: [] },
]
const PLAIN = encodeCbor([1, OPS.map(encodeOp)])
const CLEAR = rawZstd(PLAIN)
const SEALED = sealBody(EPOCH_SECRET, CONTEXT, CLEAR, SALT)
const MALFORMED = { code: 'malformed' }
const CORRUPT = { code: 'corrupt' }

describe('batch', () => {
  test('a body has the bytes that docs/formats/log.md shows', () => {
    const logKey = deriveKey('shoal 2026 log key v1', EPOCH_SECRET)
    checkVectors('batch', {
      volume: VOLUME,
      actor: BOB_ACTOR,
      seq: CONTEXT.seq,
      hlc: CONTEXT.hlc.toString(),
      epochSecret: toHex(EPOCH_SECRET),
      salt: toHex(SALT),
      cbor: toHex(PLAIN),
      clear: toHex(CLEAR),
      logKey: toHex(logKey),
      bodyKey: toHex(deriveKey('shoal 2026 log body v1', Buffer.concat([logKey, SALT]))),
      associated: toHex(associated()),
      sealed: toHex(SEALED),
    })
  })

  test('ops come back in their order, from a clear body and from a sealed one', () => {
    fc.assert(
      fc.property(
        fc.array(anyOp, { maxLength: 8 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (ops, salt) => {
          const body = encodeBatch(ops)
          assert.deepEqual(toJson(decodeBatch(body)), toJson(ops))
          const sealed = sealBody(EPOCH_SECRET, CONTEXT, body, salt)
          assert.equal(sealed.length, SALT_BYTES + body.length + TAG_BYTES)
          assert.equal(toHex(openBody(EPOCH_SECRET, CONTEXT, sealed)), toHex(body))
        },
      ),
      { seed: 1, numRuns: 100 },
    )
  })

  test('any zstd frame of the ops will do', () => {
    const expected = toJson(OPS)
    assert.deepEqual(toJson(decodeBatch(CLEAR)), expected)
    assert.deepEqual(toJson(decodeBatch(zstdCompress(PLAIN))), expected)
    assert.equal(toHex(zstdDecompress(encodeBatch(OPS), 1000)), toHex(PLAIN))
  })

  test('a sealed body opens by the keys that the document derives', () => {
    const logKey = deriveKey('shoal 2026 log key v1', EPOCH_SECRET)
    const key = deriveKey('shoal 2026 log body v1', Buffer.concat([logKey, SALT]))
    assert.equal(toHex(SEALED.subarray(0, 32)), toHex(SALT))
    assert.equal(toHex(openOnce(key, SEALED.subarray(32), associated())), toHex(CLEAR))
  })

  test('a body moved to another place, volume or key does not open', () => {
    for (const elsewhere of [
      { volume: OTHER_VOLUME },
      { actor: nodeId(1) as string as BodyContext['actor'] },
      { seq: 3 },
      { hlc: (CONTEXT.hlc + 1n) as Hlc },
    ]) {
      assert.throws(() => openBody(EPOCH_SECRET, { ...CONTEXT, ...elsewhere }, SEALED), CORRUPT)
    }
    assert.throws(() => openBody(filled(0x56, 32), CONTEXT, SEALED), CORRUPT)
  })

  test('a sealed body changed in any byte, cut or prolonged does not open', () => {
    for (let i = 0; i < SEALED.length; i++) {
      const changed = SEALED.with(i, (SEALED[i] ?? 0) ^ 0x80)
      assert.throws(() => openBody(EPOCH_SECRET, CONTEXT, changed), CORRUPT)
      assert.throws(() => openBody(EPOCH_SECRET, CONTEXT, SEALED.subarray(0, i)), CORRUPT)
    }
    assert.throws(() => openBody(EPOCH_SECRET, CONTEXT, Uint8Array.from([...SEALED, 0])), CORRUPT)
  })

  test('hostile bodies are refused and do nothing else', () => {
    assertRefusesOnly(decodeBatch, [CLEAR, encodeBatch(OPS)], { cbor: false })
    assertRefusesOnly((bytes) => decodeBatch(rawZstd(bytes)), [PLAIN, encodeCbor([1, []])], {})
  })

  test('a body of a later version is unsupported', () => {
    assert.throws(() => decodeBatch(rawZstd(encodeCbor([2, []]))), { code: 'unsupported' })
    assert.throws(() => decodeBatch(rawZstd(encodeCbor([]))), MALFORMED)
    assert.throws(() => decodeBatch(rawZstd(encodeCbor({ ops: [] }))), MALFORMED)
  })

  test('an op this node does not know keeps its place', () => {
    const newer = { o: 'teleport', to: 'mars' }
    const decoded = decodeBatch(
      rawZstd(encodeCbor([1, [encodeOp(OPS[0] as Op), newer, encodeOp(OPS[1] as Op)]])),
    )
    assert.deepEqual(toJson([decoded[0], decoded[2]]), toJson(OPS))
    assert.equal(decoded[1], undefined)
    assert.equal(decoded.length, 3)
  })

  test('at most ENTRY_OPS_MAX ops are taken', () => {
    const ops = (count: number): Uint8Array =>
      zstdCompress(encodeCbor([1, Array.from({ length: count }, () => ({ o: 'x' }))]))
    assert.equal(decodeBatch(ops(ENTRY_OPS_MAX)).length, ENTRY_OPS_MAX)
    assert.throws(() => decodeBatch(ops(ENTRY_OPS_MAX + 1)), MALFORMED)
  })

  test('a small body that grows beyond all bounds is refused before it is grown', () => {
    const bomb = zstdCompress(new Uint8Array(256 * 1024 * 1024))
    assert.ok(bomb.length < ENTRY_BODY_MAX)
    const before = process.memoryUsage().rss
    assert.throws(() => decodeBatch(bomb), MALFORMED)
    assert.ok(process.memoryUsage().rss - before < 128 * 1024 * 1024)
  })

  test('a body out of canonical form is malformed', () => {
    const op = fromHex('a2616f6178616101')
    assert.throws(() => decodeBatch(rawZstd(Uint8Array.from([0x82, 1, 0x81, ...op]))), MALFORMED)
    assert.deepEqual(decodeBatch(rawZstd(encodeCbor([1, [{ o: 'x', a: 1 }]]))), [undefined])
    const longer = Uint8Array.from([0x98, 2, ...PLAIN.subarray(1)])
    assert.throws(() => decodeBatch(rawZstd(longer)), MALFORMED)
  })
})

function associated(): Uint8Array {
  return encodeCbor([1, fromHex(VOLUME), fromHex(BOB_ACTOR), CONTEXT.seq, CONTEXT.hlc])
}
