// Proofs of ranges of a shard: each holds, and nothing that was changed does.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { blake3, deriveKey } from '../../protocol/hash.ts'
import { SHARD_LEAF, STRIPE_DATA_MAX } from '../../protocol/limits.ts'
import { shardProof, shardRoot, verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { xorshiftBytes } from './vectors.ts'

const LEAVES_MAX = 11
const BYTES = xorshiftBytes(31, LEAVES_MAX * SHARD_LEAF)

/** Leaves of a shard that is the start of BYTES. */
interface Range {
  readonly shardBytes: number
  readonly first: number
  readonly count: number
}

interface Claim {
  readonly root: Uint8Array
  readonly length: number
  readonly first: number
  readonly bytes: Uint8Array
  readonly proof: readonly Uint8Array[]
}

describe('shard-tree', () => {
  test('the root is what the plain rule says, for every number of leaves', () => {
    for (let leaves = 1; leaves <= LEAVES_MAX; leaves++) {
      for (const length of [leaves * SHARD_LEAF, leaves * SHARD_LEAF - SHARD_LEAF + 1]) {
        const shard = BYTES.subarray(0, length)
        assert.deepEqual(shardRoot(shard), referenceRoot(leavesOf(shard)), `${length} bytes`)
      }
    }
  })

  test('every range of every small shard is proved, by no more hashes than two paths have', () => {
    for (let leaves = 1; leaves <= 6; leaves++) {
      for (let first = 0; first < leaves; first++) {
        for (let count = 1; first + count <= leaves; count++) {
          const claim = claimOf({ shardBytes: leaves * SHARD_LEAF - 64, first, count })
          assert.ok(holds(claim), `${count} from ${first} of ${leaves}`)
          assert.ok(claim.proof.length <= 2 * Math.ceil(Math.log2(leaves)))
        }
      }
    }
  })

  test('the proof of a whole shard is empty', () => {
    assert.deepEqual(shardProof(BYTES, 0, LEAVES_MAX), [])
  })

  test('no flipped bit of bytes, proof or root passes', () => {
    fc.assert(
      fc.property(range(), fc.nat(), fc.nat(7), (chosen, at, bit) => {
        const claim = claimOf(chosen)
        const whole = [claim.bytes, claim.root, ...claim.proof]
        whole.forEach((part, i) => {
          const flipped = whole.with(i, flip(part, at, bit))
          const [bytes = part, root = part, ...proof] = flipped
          assert.ok(!holds({ ...claim, bytes, root, proof }), `part ${i}`)
        })
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  test('nothing passes for other leaves, or with another length or proof', () => {
    fc.assert(
      fc.property(range(), fc.integer({ min: -3, max: LEAVES_MAX }), (chosen, other) => {
        const claim = claimOf(chosen)
        const { first, length, proof, bytes } = claim
        assert.ok(holds(claim))
        if (other !== first) assert.ok(!holds({ ...claim, first: other }))
        if (first * SHARD_LEAF + bytes.length === length) {
          assert.ok(!holds({ ...claim, length: length - 1 }))
          assert.ok(!holds({ ...claim, length: length + 1 }))
        }
        assert.ok(!holds({ ...claim, proof: [...proof, claim.root] }))
        if (proof.length > 0) assert.ok(!holds({ ...claim, proof: proof.slice(1) }))
        if (proof.length > 1) assert.ok(!holds({ ...claim, proof: proof.toReversed() }))
        assert.ok(!holds({ ...claim, bytes: bytes.subarray(0, -1) }))
        assert.ok(!holds({ ...claim, bytes: bytes.subarray(1) }))
        assert.ok(!holds({ ...claim, bytes: new Uint8Array(0) }))
      }),
      { seed: 2, numRuns: 100 },
    )
  })

  test('an inner node does not pass for a leaf', () => {
    const shard = BYTES.subarray(0, 2 * SHARD_LEAF)
    const bytes = Buffer.concat(leavesOf(shard))
    assert.ok(!verifyShardRange(shardRoot(shard), bytes.length, 0, bytes, []))
  })

  test('a hostile claim is refused at once and without an error', () => {
    const claim = claimOf({ shardBytes: 3 * SHARD_LEAF, first: 1, count: 1 })
    for (const first of [-1, 3, 2 ** 31, 2 ** 53 - 1, NaN]) assert.ok(!holds({ ...claim, first }))
    for (const length of [0, -1, STRIPE_DATA_MAX, NaN]) assert.ok(!holds({ ...claim, length }))
    assert.ok(!holds({ ...claim, root: new Uint8Array(31) }))
    assert.ok(!holds({ ...claim, proof: [new Uint8Array(0), new Uint8Array(33)] }))
  })

  test('ranges that a shard does not have are not proved', () => {
    for (const [first, count] of [
      [0, 0],
      [-1, 1],
      [0, LEAVES_MAX + 1],
      [LEAVES_MAX, 1],
    ] as const) {
      assert.throws(() => shardProof(BYTES, first, count), { code: 'internal' })
    }
    assert.throws(() => shardRoot(new Uint8Array(0)), { code: 'internal' })
  })
})

function range(): fc.Arbitrary<Range> {
  return fc
    .tuple(fc.integer({ min: 1, max: BYTES.length }), fc.nat(LEAVES_MAX), fc.nat(LEAVES_MAX))
    .map(([length, a, b]) => {
      const leaves = Math.ceil(length / SHARD_LEAF)
      const first = a % leaves
      return { shardBytes: length, first, count: 1 + (b % (leaves - first)) }
    })
}

function claimOf({ shardBytes, first, count }: Range): Claim {
  const shard = BYTES.subarray(0, shardBytes)
  return {
    root: shardRoot(shard),
    length: shardBytes,
    first,
    bytes: shard.subarray(first * SHARD_LEAF, (first + count) * SHARD_LEAF),
    proof: shardProof(shard, first, count),
  }
}

function holds({ root, length, first, bytes, proof }: Claim): boolean {
  return verifyShardRange(root, length, first, bytes, proof)
}

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes)
  const index = at % bytes.length
  flipped[index] = (flipped[index] ?? 0) ^ (1 << bit)
  return flipped
}

function leavesOf(shard: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(shard.length / SHARD_LEAF) }, (_, i) =>
    blake3(shard.subarray(i * SHARD_LEAF, (i + 1) * SHARD_LEAF)),
  )
}

/** docs/formats/data.md, word for word. */
function referenceRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves
  assert.ok(first !== undefined)
  if (leaves.length === 1) return first
  const half = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
  const parts = [leaves.slice(0, half), leaves.slice(half)].map(referenceRoot)
  return deriveKey('shoal 2026 shard node v1', Buffer.concat(parts))
}
