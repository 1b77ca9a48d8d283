// Ops (docs/formats/tree.md, docs/formats/membership.md): golden bytes of every kind, and every
// bound of their decoder.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, encodeCid, stripeIdBytes } from '../../protocol/ids.ts'
import {
  BACKUP_NUMBER_MAX,
  CHUNK_PLAIN_MAX,
  INLINE_FILE_MAX,
  MANIFEST_LEVELS_MAX,
  MEMBERS_MAX,
  OP_DOTS_MAX,
  OP_SHARDS_MAX,
  OP_STRIPES_MAX,
  SYMLINK_MAX,
  XATTR_VALUE_MAX,
} from '../../protocol/limits.ts'
import { ROLES } from '../../protocol/roles.ts'
import { stripeIdOf } from '../../protocol/stripe/stripe.ts'
import { decodeOp, encodeOp } from '../../protocol/op/codec.ts'
import { isClearOp } from '../../protocol/op/op.ts'
import type { Op } from '../../protocol/op/op.ts'
import { anyOp } from './arbitraries.ts'
import { filled, toJson } from './fixtures.ts'
import { assertRefusesOnly } from './hostile.ts'
import { checkVectors } from './vectors.ts'
import { EXAMPLES, HEADER } from './op-examples.ts'

const MALFORMED = { code: 'malformed' }

describe('ops', () => {
  test('ops have the bytes that docs/formats/tree.md shows', () => {
    const vectors = Object.entries(EXAMPLES).map(([name, op]) => [
      name,
      { op: toJson(op), bytes: toHex(encodeCbor(encodeOp(op))) },
    ])
    checkVectors('ops', Object.fromEntries(vectors))
  })

  test('there is an example of every kind', () => {
    const kinds = new Set(fc.sample(anyOp, { seed: 1, numRuns: 500 }).map((op) => op.kind))
    assert.deepEqual(new Set(Object.values(EXAMPLES).map((op) => op.kind)), kinds)
  })

  test('an op comes back from its bytes', () => {
    fc.assert(
      fc.property(anyOp, (op) => {
        const bytes = encodeCbor(encodeOp(op))
        const back = decodeOp(decodeCbor(bytes, 'op'))
        assert.deepEqual(toJson(back), toJson(op))
        assert.equal(toHex(encodeCbor(encodeOp(back ?? op))), toHex(bytes))
      }),
      { seed: 2, numRuns: 500 },
    )
  })

  test('membership and placement are clear, everything else is sealed', () => {
    const clear = Object.values(EXAMPLES).filter(isClearOp)
    assert.deepEqual(
      clear.map((op) => op.kind),
      [
        'member',
        'member-info',
        'remove-member',
        'epoch',
        'stripe',
        'shards',
        'doubt',
        'condemn',
        'sweep',
        'cold',
        'cold',
        'read',
        'checkpoint',
        'checkpoint',
      ],
    )
  })

  test('hostile ops are refused and do nothing else', () => {
    const honest = Object.values(EXAMPLES).map((op) => encodeCbor(encodeOp(op)))
    assertRefusesOnly((bytes) => decodeOp(decodeCbor(bytes, 'op')), honest, {
      codes: ['malformed'],
    })
  })

  test('ops newer than this node are skipped', () => {
    assert.equal(decodeOp({ o: 'teleport' }), undefined)
    assert.equal(decodeOp({ ...encodeOp(example('block-device')), d: [15, 0] }), undefined)
    const newer = { ...encodeOp(example('version-chunks')), c: withContent(3, 9) }
    assert.equal(decodeOp(newer), undefined)
    const header = encodeCbor({ ...(decodeCbor(HEADER, 'header') as object), v: 2 })
    assert.equal(decodeOp({ ...encodeOp(example('stripe')), h: header }), undefined)
  })

  test('fields that this node does not know are ignored', () => {
    for (const op of Object.values(EXAMPLES)) {
      assert.deepEqual(toJson(decodeOp({ ...encodeOp(op), later: [1, 2, 3] })), toJson(op))
    }
  })

  test('every bound is enforced', () => {
    for (const [name, field, fits, tooMuch] of BOUNDS) {
      const op = encodeOp(example(name))
      assert.ok(field in op, `${name} has a field ${field}`)
      assert.ok(decodeOp({ ...op, [field]: fits }) !== undefined, `${name}.${field} fits`)
      assert.throws(
        () => decodeOp({ ...op, [field]: tooMuch }),
        MALFORMED,
        `${name}.${field} is too much`,
      )
    }
  })

  test('a symlink that is a special file at once is malformed', () => {
    const both = { ...encodeOp(example('symlink')), d: [1, 0] }
    assert.throws(() => decodeOp(both), MALFORMED)
  })

  test('names that no file can have, and roles that there are not, are malformed', () => {
    const mkdir = encodeOp(example('mkdir'))
    for (const name of ['', '.', '..', 'a/b', 'a\0', '/']) {
      assert.throws(() => decodeOp({ ...mkdir, n: new TextEncoder().encode(name) }), MALFORMED)
    }
    const member = encodeOp(example('member'))
    for (const role of ROLES) assert.equal(decodeOp({ ...member, r: role })?.kind, 'member')
    for (const role of ['', 'owner', 'Admin', 'toString']) {
      assert.throws(() => decodeOp({ ...member, r: role }), MALFORMED)
    }
  })
})

const dot = [filled(1, 16), 1, 0]
const peer = filled(1, 32)
const stripe = stripeIdBytes(stripeIdOf(HEADER))
const receipt = (bytes: number, position = 0): unknown[] => {
  return [1, filled(1, bytes), position, 256, many(8, filled(1, 32))]
}
const many = (count: number, item: unknown): unknown[] => Array.from({ length: count }, () => item)
const both = (count: number, item: unknown): [unknown, unknown] => [
  many(count, item),
  many(count + 1, item),
]

/** Per field: the example, the field, the most that fits, and the least that does not. */
const BOUNDS: readonly (readonly [
  example: string,
  field: string,
  fits: unknown,
  tooMuch: unknown,
])[] = [
  ['mkdir', 'n', filled(0x61, 255), filled(0x61, 256)],
  ['mkdir', 'id', filled(1, 16), filled(1, 17)],
  ['mkdir', 'a', { m: 0o7777 }, { m: 0o10000 }],
  ['mkdir', 'a', { u: 2 ** 32 - 1 }, { u: 2 ** 32 }],
  ['mkdir', 'a', { g: 2 ** 32 - 1 }, { g: -1 }],
  ['mkdir', 'a', { x: 2n ** 63n - 1n }, { x: 2n ** 63n }],
  ['mkdir', 'a', { y: -(2n ** 63n) }, { y: -(2n ** 63n) - 1n }],
  ['mkdir', 'a', { x: 0 }, { x: 0.5 }],
  ['symlink', 't', filled(0x61, SYMLINK_MAX), filled(0x61, SYMLINK_MAX + 1)],
  ['symlink', 't', filled(0x61, 1), filled(0x61, 0)],
  ['block-device', 'd', [6, 2 ** 32 - 1], [6, 2 ** 32]],
  ['block-device', 'd', [12, 0, 'later'], [12]],
  ['xattr', 'n', filled(0x61, 255), filled(0x61, 256)],
  ['xattr', 'n', filled(0x61, 1), filled(0x61, 0)],
  ['xattr', 'n', filled(0x01, 1), filled(0x00, 1)],
  ['xattr', 'v', filled(0, XATTR_VALUE_MAX), filled(0, XATTR_VALUE_MAX + 1)],
  ['move', 's', ...both(1024, dot)],
  ['version-chunks', 'b', ...both(1024, dot)],
  ['version-chunks', 'z', Number.MAX_SAFE_INTEGER, 2n ** 53n],
  ['version-chunks', 'w', ...both(1024, [filled(1, 16), []])],
  ['version-chunks', 'w', [[filled(1, 16), many(1024, dot)]], [[filled(1, 16), many(1025, dot)]]],
  ['version-chunks', 'c', withContent(2, CHUNK_PLAIN_MAX), withContent(2, CHUNK_PLAIN_MAX + 1)],
  ['version-chunks', 'c', withContent(1, filled(1, 32)), withContent(1, filled(1, 31))],
  ['version-chunks', 'c', withContent(4, 2 ** 32), withContent(4, 2 ** 32 + 1)],
  [
    'version-chunks',
    'c',
    withContent(5, MANIFEST_LEVELS_MAX),
    withContent(5, MANIFEST_LEVELS_MAX + 1),
  ],
  ['version-inline', 'c', filled(1, INLINE_FILE_MAX), filled(1, INLINE_FILE_MAX + 1)],
  ['policy', 'k', 'x'.repeat(1024), 'x'.repeat(1025)],
  ['policy', 'v', 'x'.repeat(1024), 'x'.repeat(1025)],
  ['member', 'p', filled(1, 32), filled(1, 33)],
  ['member', 'k', ...both(1024, [1, peer])],
  ['member', 'k', [[2 ** 32, filled(1, 256)]], [[2 ** 32 + 1, filled(1, 256)]]],
  ['member', 'k', [[1, filled(1, 256)]], [[1, filled(1, 257)]]],
  ['member-info', 'n', 'x'.repeat(255), 'x'.repeat(256)],
  ['member-info', 'z', 'x'.repeat(255), 'x'.repeat(256)],
  ['member-info', 'c', Number.MAX_SAFE_INTEGER, -1],
  ['epoch', 'e', 1, 0],
  ['epoch', 'e', 2 ** 32, 2 ** 32 + 1],
  ['epoch', 'k', ...both(MEMBERS_MAX, [peer, peer])],
  ['stripe', 'at', ...both(OP_SHARDS_MAX, [0, peer])],
  ['stripe', 'at', [[47, peer]], [[48, peer]]],
  ['stripe', 'at', [[0, peer, receipt(64)]], [[0, peer, receipt(65)]]],
  ['stripe', 'h', HEADER, HEADER.subarray(1)],
  ['shards', 's', stripe, stripe.subarray(1)],
  ['shards', 'c', ...both(OP_SHARDS_MAX, [0, peer, true])],
  ['shards', 'c', [[47, peer, false]], [[48, peer, false]]],
  ['shards', 'c', [[0, peer, true]], [[0, peer, 1]]],
  ['shards', 'c', [[0, peer, true, receipt(64, 255)]], [[0, peer, true, receipt(64, 256)]]],
  ['doubt', 's', stripe, stripe.subarray(1)],
  ['doubt', 'd', ...both(OP_SHARDS_MAX, [0, peer])],
  ['doubt', 'd', [[47, peer]], [[48, peer]]],
  ['condemn', 's', ...both(OP_STRIPES_MAX, stripe)],
  ['condemn', 's', [stripe], [encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, filled(1, 32))]],
  ['sweep', 's', ...both(OP_STRIPES_MAX, stripe)],
  ['sweep', 'c', HLC_MAX, HLC_MAX + 1n],
  ['cold', 't', 'x'.repeat(64), 'x'.repeat(65)],
  ['cold', 'p', filled(1, 16), filled(1, 15)],
  ['cold', 's', ...both(OP_STRIPES_MAX, [stripe, 0])],
  ['cold', 's', [[stripe, Number.MAX_SAFE_INTEGER]], [[stripe, -1]]],
  ['read', 's', ...both(OP_STRIPES_MAX, stripe)],
  ['pin', 'c', 'x'.repeat(32), 'x'.repeat(33)],
  ['pin-cold', 't', 'x'.repeat(64), 'x'.repeat(65)],
  ['backup', 't', 'x'.repeat(64), 'x'.repeat(65)],
  ['backup', 'p', peer, peer.subarray(1)],
  ['backup', 'n', BACKUP_NUMBER_MAX, BACKUP_NUMBER_MAX + 1],
  ['backup', 'n', 1, 0],
  ['backup', 'h', filled(1, 32), filled(1, 31)],
  ['purge-versions', 'v', ...both(OP_DOTS_MAX, dot)],
  ['mass-loss', 'p', peer, peer.subarray(1)],
  ['mass-loss', 't', HLC_MAX, HLC_MAX + 1n],
  ['dismiss-loss', 'l', ...both(OP_DOTS_MAX, dot)],
]

function example(name: string): Op {
  const op = EXAMPLES[name]
  assert.ok(op !== undefined, name)
  return op
}

/** The content of the example, with the item at `index` replaced. */
function withContent(index: number, value: unknown): unknown[] {
  return (encodeOp(example('version-chunks'))['c'] as unknown[]).with(index, value)
}
