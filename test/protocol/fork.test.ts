// The record of a forked actor: what is stored, and what peers tell each other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { BRANCHES_MAX } from '../../protocol/limits.ts'
import { decodeFork, encodeFork } from '../../protocol/log/fork.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { ACTOR, Replica, anyTree, inOrder } from './fork-model.ts'
import type { Node } from './fork-model.ts'
import { assertRefusesOnly } from './hostile.ts'

const RUNS = { seed: 1, numRuns: 500 }

describe('the record of a fork', () => {
  test('is read as it was written, and only in its one form', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        for (const fork of Replica.of(inOrder(tree)).branches.forks())
          assert.deepEqual(decodeFork(encodeFork(fork)), fork)
      }),
      RUNS,
    )
  })

  test('that is hostile is refused as malformed', () => {
    const [fork] = Replica.of(sampleTree()).branches.forks()
    assert.ok(fork !== undefined)
    assertRefusesOnly(decodeFork, [encodeFork(fork)], { codes: ['malformed'] })
  })

  test('that is no tree within its bound is refused', () => {
    const row = (seq: number, n: number, parent?: number): unknown[] => {
      const parentHash = parent === undefined ? null : new Uint8Array(32).fill(parent)
      return [seq, new Uint8Array(32).fill(n), seq, parentHash]
    }
    const cases: readonly (readonly [string, readonly unknown[]])[] = [
      ['no branches', []],
      ['one alone', [row(5, 1)]],
      ['out of order', [row(5, 2), row(5, 1)]],
      ['twice the same', [row(5, 1), row(5, 1)]],
      ['two seqs after one branch', [row(5, 1), row(5, 2), row(6, 3), row(6, 4)]],
      ['a parent that is not there', [row(5, 1, 9), row(5, 2, 9)]],
      ['a child before its parent', [row(5, 1), row(5, 2), row(5, 3, 1), row(5, 4, 1)]],
      ['too many', Array.from({ length: BRANCHES_MAX + 1 }, (_, i) => row(5, i))],
    ]
    for (const [what, rows] of cases) {
      const bytes = encodeCbor([fromHex(ACTOR), rows])
      assert.throws(() => decodeFork(bytes), { code: 'malformed' }, what)
    }
    const most = Array.from({ length: BRANCHES_MAX }, (_, i) => row(5, i))
    assert.equal(decodeFork(encodeCbor([fromHex(ACTOR), most])).branches.length, BRANCHES_MAX)
  })
})

function sampleTree(): Node[] {
  const nodes: Node[] = []
  const grow = (parent: Node | undefined, n: number): Node => {
    const hash = toHex(new Uint8Array(32).fill(n)) as EntryHash
    const node = { seq: (parent?.seq ?? 0) + 1, hash, hlc: BigInt(n) as Hlc, parent }
    nodes.push(node)
    return node
  }
  const trunk = grow(grow(undefined, 1), 2)
  const left = grow(trunk, 3)
  grow(trunk, 4)
  grow(left, 5)
  grow(left, 6)
  return nodes
}
