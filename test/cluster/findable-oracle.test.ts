// The oracle of test/cluster/findable finds what is lost, back, or under a wrong name, and takes
// nothing for lost that somebody superseded who had it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lineOf, tokensOf } from './findable/acts.ts'
import { LogGraph } from './findable/log-graph.ts'
import { Oracle } from './findable/oracle.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Act, Heads, Kind } from './findable/acts.ts'
import type { Verdict } from './findable/oracle.ts'

/** n1 has written e1; n2 wrote e2 without having heard of it, or e3 after it; n1 then e4. */
const LOG: readonly [id: string, author: string, ...parents: string[]][] = [
  ['e4', 'n1', 'e3'],
  ['e3', 'n2', 'e1'],
  ['e2', 'n2', 'e0'],
  ['e1', 'n1', 'e0'],
  ['e0', 'n1'],
]

function heads(...ids: readonly string[]): Heads {
  return ids as unknown as Heads
}

const START = heads('e0')

/** An act of n1, acknowledged as durable, while which nothing came; but for `more`. */
function act(number: number, kind: Kind, more: Partial<Act>): Act {
  return {
    number,
    kind,
    machine: 0,
    name: 'f',
    to: 'g',
    token: `w${number}`,
    isHeld: false,
    reads: 'nothing',
    isSynced: true,
    waitMs: 0,
    before: START,
    view: new Map(),
    seenAtOpen: START,
    seen: START,
    read: undefined,
    outcome: 'done',
    isContentDurable: kind !== 'remove' && kind !== 'rename' && kind !== 'link',
    fate: 'durable',
    settled: heads('e1'),
    ...more,
  }
}

function judge(acts: readonly Act[], final: Readonly<Record<string, readonly string[]>>): Verdict {
  const entries = LOG.map(([id, author, ...parents]) => ({
    id: id as EntryHash,
    peer: author as PeerId,
    author,
    parents: heads(...parents),
  }))
  return new Oracle(acts, new LogGraph(entries, ['n1', 'n2', 'n3'])).judge(
    new Map(Object.entries(final)),
  )
}

function assertFault(verdict: Verdict, begins: string): void {
  assert.equal(verdict.faults.length, 1, verdict.faults.join('\n'))
  assert.ok(verdict.faults[0]?.startsWith(begins), verdict.faults[0])
}

const WRITTEN = act(0, 'write', {})
/** By n2, who had heard of it. */
const HEARD = { machine: 1, before: heads('e1'), seen: heads('e1'), settled: heads('e3') }
/** By n2, who had not. */
const UNHEARD = { machine: 1, settled: heads('e2') }
const HELD = new Map([['f', ['w0']]])

describe('the oracle of what is findable', () => {
  test('takes what was written for lost that is not there', () => {
    assertFault(judge([WRITTEN], {}), 'lost: w0')
    assert.deepEqual(judge([WRITTEN], { f: ['w0'] }).faults, [])
    assert.equal(judge([{ ...WRITTEN, isContentDurable: false, fate: 'unknown' }], {}).found, 0)
  })

  for (const kind of ['write', 'replace', 'remove', 'cut'] as const) {
    const left = kind === 'remove' ? {} : { f: ['w1'] }

    test(`${kind}: of who had it supersedes, of who had not loses`, () => {
      const seen = judge([WRITTEN, act(1, kind, { ...HEARD, view: HELD })], left)
      assert.deepEqual(seen.faults, [])
      assert.equal(seen.superseded, 1)
      assertFault(judge([WRITTEN, act(1, kind, UNHEARD)], left), 'lost: w0')
    })

    test(`${kind}: what came during the call may be gone, or not, and that is told`, () => {
      const during = act(1, kind, { ...UNHEARD, seen: heads('e1'), settled: heads('e3') })
      const gone = judge([WRITTEN, during], left)
      assert.deepEqual([gone.faults, gone.cameDuring], [[], [kind]])
      const beside = 'f.conflict-20270115T080001Z-n1-17762fdd'
      assert.deepEqual(judge([WRITTEN, during], { ...left, [beside]: ['w0'] }).faults, [])
    })
  }

  test('what came after a file was opened is not what a write through it means', () => {
    const held = act(1, 'overwrite', { ...UNHEARD, isHeld: true, settled: heads('e3') })
    assertFault(judge([WRITTEN, held], { f: ['w1'] }), 'lost: w0')
    const read = { ...held, read: ['w0'], seen: heads('e1') }
    assert.deepEqual(judge([WRITTEN, read], { f: ['w1'] }).faults, [])
  })

  test('an append keeps what it is behind', () => {
    const appended = act(1, 'append', { ...HEARD, view: HELD })
    const removed = act(2, 'remove', { view: HELD, before: heads('e1') })
    assertFault(judge([WRITTEN, appended], { f: ['w1'] }), 'lost: w0')
    // Whoever removes what was there before the append removes nothing of that.
    const faults = judge([WRITTEN, appended, removed], {}).faults.map((fault) => fault.slice(0, 8))
    assert.deepEqual(faults, ['lost: w0', 'lost: w1'])
  })

  test('a rename beside a removal keeps the file', () => {
    const renamed = act(1, 'rename', { ...HEARD, view: HELD })
    const removed = act(2, 'remove', { view: HELD, before: heads('e1'), settled: heads('e4') })
    assertFault(judge([WRITTEN, renamed, removed], {}), 'lost: w0')
    assert.deepEqual(judge([WRITTEN, renamed, removed], { g: ['w0'] }).faults, [])
    assertFault(judge([WRITTEN, renamed], { h: ['w0'] }), 'under a wrong name: h')
  })

  test('a copy beside a name that is removed stays', () => {
    const copy = 'f.conflict-20270115T080001Z-n1-17762fdd'
    const other = act(1, 'write', UNHEARD)
    const view = new Map([
      ['f', ['w1']],
      [copy, ['w0']],
    ])
    const removed = act(2, 'remove', { view, before: heads('e1', 'e2'), seen: heads('e1', 'e2') })
    assertFault(judge([WRITTEN, other, removed], {}), 'lost: w0')
    assert.deepEqual(judge([WRITTEN, other, removed], { [copy]: ['w0'] }).faults, [])
  })

  test('a copy that is a file of its own is not set aside once more', () => {
    const copy = 'f.conflict-20270115T080001Z-n1-17762fdd'
    const view = new Map([
      ['f', ['w1']],
      [copy, ['w0']],
    ])
    const both = { view, before: heads('e1'), seen: heads('e1') }
    const setAside = act(2, 'remove', { ...both, machine: 1, settled: heads('e3') })
    const replaced = { ...both, view: new Map([[copy, ['w0']]]) }
    const removed = act(3, 'remove-copy', { ...replaced, name: copy, machine: 1 })
    const acts = [WRITTEN, act(1, 'write', UNHEARD), setAside, removed]
    assert.deepEqual(judge(acts, {}).faults, [])
    const late = act(4, 'remove', { view, before: heads('e3'), seen: heads('e3') })
    assert.deepEqual(judge([...acts, late], {}).faults, [])
  })

  test('what was removed for good is not there, unless it was not said to be', () => {
    const removed = act(1, 'remove', { ...HEARD, view: HELD })
    assertFault(judge([WRITTEN, removed], { f: ['w0'] }), 'back as f')
    const lost = { ...removed, fate: 'unknown' as const }
    assert.deepEqual(judge([WRITTEN, lost], { f: ['w0'] }).faults, [])
  })

  test('a line that nobody wrote is none', () => {
    const [one, other] = [lineOf('w1', 48), lineOf('w2', 48)]
    assert.deepEqual(tokensOf(one + other, 48), ['w1', 'w2'])
    assert.throws(() => tokensOf(one.slice(0, 20) + other.slice(20), 48), /nobody wrote/)
    assert.throws(() => tokensOf(one + other.slice(0, 20), 48), /nobody wrote/)
    assertFault(judge([], { f: ['w9'] }), 'nobody wrote what f holds')
  })
})
