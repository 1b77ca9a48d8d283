// The bytes of records are those of docs/formats/tree.md: checkpoints have them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { applyOp, emptyChanges } from '../../../protocol/tree/apply.ts'
import { makeDot, makeStamp } from '../../../protocol/clock/dot.ts'
import { MoveLog } from '../../../protocol/tree/moves.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT, ensureRoot } from '../../../protocol/tree/records.ts'
import { ALICE_ACTOR, BOB_ACTOR, hlcAt } from '../fixtures.ts'
import { checkVectors } from '../vectors.ts'
import { MemoryState } from './sites.ts'
import type { Dot } from '../../../protocol/clock/dot.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { TreeOp } from '../../../protocol/op/op.ts'

const id = (byte: string, number = 0): NodeId =>
  (byte.repeat(12) + number.toString(16).padStart(8, '0')) as NodeId

/** By Bob, one entry each; or by Bob and then Alice, who have not heard of each other. */
function stateOf(ops: readonly TreeOp[], aliceOps: readonly TreeOp[] = []): MemoryState {
  const state = new MemoryState()
  ensureRoot(state)
  const moves = new MoveLog()
  for (const [at, op] of [...ops, ...aliceOps].entries()) {
    const [actor, seq] = at < ops.length ? [BOB_ACTOR, at + 1] : [ALICE_ACTOR, at + 1 - ops.length]
    const context = {
      dot: makeDot(actor, seq, 0),
      stamp: makeStamp(hlcAt(at), actor, 0),
      covers: () => false,
    }
    applyOp(state, moves, op, context, emptyChanges())
  }
  return state
}

function records(state: MemoryState, prefix: string): Record<string, string> {
  const under = state.under(prefix)
  return Object.fromEntries(
    under.map(([key, value]) => [toHex(Buffer.from(prefix + key, 'latin1')), toHex(value)]),
  )
}

const create = (number: number, name: string): TreeOp => ({
  kind: 'create',
  inode: id('f1', number),
  link: id('11', number),
  parent: ROOT,
  name: nameFromText(name),
  attributes: {},
  target: undefined,
})

const version = (text: string, base: readonly Dot[] = []): TreeOp => ({
  kind: 'version',
  inode: id('f1', 1),
  base,
  size: text.length,
  content: { kind: 'inline', bytes: Buffer.from(text) },
  modifiedNs: 7n,
  touch: [],
})

test('records are those that docs/formats/tree.md shows', () => {
  const conflict = stateOf([create(1, 'f'), version('old'), version('new'), create(2, 'f')])
  const slot = freshDirId(new MemoryState(), ROOT, nameFromText('d')).slice(0, 24)
  const made = (number: number): TreeOp => ({
    kind: 'mkdir',
    id: (slot + number.toString(16).padStart(8, '0')) as NodeId,
    parent: ROOT,
    name: nameFromText('d'),
    attributes: {},
  })
  const twice = stateOf([made(0)], [made(0)])
  const many = stateOf(Array.from({ length: 40 }, (_, number) => made(number)))
  const trie = many.under('o')
  const own = (seq: number): Dot => makeDot(BOB_ACTOR, seq, 0)
  const past = stateOf([
    create(1, 'f'),
    version('old'),
    version('new', [own(2)]),
    { kind: 'unlink', link: id('11', 1), inode: id('f1', 1), from: ROOT, saw: [own(1)] },
  ])
  checkVectors('tree-records', {
    conflict: Object.fromEntries(
      ['d', 'l', 'i', 'v', 'c', 'f', 'n'].map((kind) => [kind, records(conflict, kind)]),
    ),
    twice: { d: records(twice, 'd') },
    past: { rv: records(past, 'rv'), rc: records(past, 'rc'), rd: records(past, 'rd') },
    many: {
      c: records(many, 'c'),
      f: records(many, 'f'),
      // The first are enough to see how they go.
      o: Object.fromEntries(Object.entries(records(many, 'o')).slice(0, 2)),
    },
  })
  // The 40 differ first in half a byte of their stamps, of which there are three.
  assert.equal(trie.length, 4)
})
