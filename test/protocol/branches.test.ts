// Forked chains: what their branches are called here, and what others mean by what they call them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { BRANCHES_MAX } from '../../protocol/limits.ts'
import { Branches, renamed } from '../../protocol/log/branches.ts'
import { encodeFork } from '../../protocol/log/fork.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { BranchStart, Fork } from '../../protocol/log/fork.ts'
import { ACTOR, Replica, anyArrival, anyPart, anyTree, inOrder, labelsOf } from './fork-model.ts'
import type { Known, Node } from './fork-model.ts'

const RUNS = { seed: 1, numRuns: 600 }
const OTHER = 'ff'.repeat(16) as ActorId

describe('labels of branches', () => {
  test('are what the set of entries says, in whatever order they arrive', () => {
    const anyCase = anyTree.chain((tree) => fc.tuple(fc.constant(tree), anyArrival(tree)))
    fc.assert(
      fc.property(anyCase, ([tree, arrival]) => {
        const replica = new Replica()
        for (const node of arrival) {
          assert.ok(replica.receive(node))
          const expected = labelsOf(replica.held)
          for (const held of replica.held) assert.equal(replica.labelOf(held), expected.get(held))
        }
        assert.equal(replica.entries.size, tree.length, 'each entry has a name of its own')
        const inOtherOrder = Replica.of(inOrder(tree)).branches.forks()
        assert.deepEqual(replica.branches.forks(), inOtherOrder)
      }),
      RUNS,
    )
  })

  test('of entries below a clock do not depend on branches that begin above it', () => {
    fc.assert(
      fc.property(anyTree, fc.bigInt({ min: 1n, max: 60n }), (tree, cut) => {
        const below = new Set(tree.filter(({ hlc }) => hlc <= cut))
        const [then, now] = [labelsOf(below), Replica.of(inOrder(tree))]
        for (const node of below) assert.equal(now.labelOf(node), then.get(node))
      }),
      RUNS,
    )
  })

  test('never change where entries arrive in the order of their clocks', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const replica = new Replica()
        replica.onRename = () => assert.fail('renamed')
        for (const node of tree.toSorted(byClock)) assert.ok(replica.receive(node))
      }),
      RUNS,
    )
  })

  test('say where a path runs, and where each begins', () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const replica = Replica.of(inOrder(tree))
        const { branches } = replica
        for (const [label, seq] of replica.vector()) {
          assert.equal(branches.actor(label), ACTOR)
          const tip = tree.find((node) => node.seq === seq && replica.labelOf(node) === label)
          let first = seq
          for (let node = tip; node !== undefined; node = node.parent) {
            assert.equal(branches.labelAt(label, node.seq), replica.labelOf(node))
            if (replica.labelOf(node) === label) first = node.seq
          }
          assert.equal(branches.firstSeq(label), first)
        }
      }),
      RUNS,
    )
  })

  test('are renamed in vectors as in names', () => {
    const anyCase = anyTree.chain((tree) =>
      fc.tuple(anyArrival(tree), fc.nat(tree.length), anyPart(tree)),
    )
    fc.assert(
      fc.property(anyCase, ([arrival, count, part]) => {
        const replica = Replica.of(arrival.slice(0, count))
        const known = new Set([...part].filter((node) => replica.held.has(node)))
        let vector = replica.vector(known)
        for (const node of arrival.slice(count)) {
          replica.onRename = (rename) => (vector = renamed(vector, rename))
          replica.receive(node)
        }
        assert.deepEqual(vector, replica.vector(known))
      }),
      RUNS,
    )
  })

  test('are made of the actor and the hash of the entry that diverges', () => {
    const [first, second] = ['11'.repeat(32), '22'.repeat(32)] as [EntryHash, EntryHash]
    const clock = 7n as Hlc
    const { label, rename } = new Branches().add(
      ACTOR,
      5,
      { hash: second, hlc: clock },
      { hash: first, hlc: clock },
    )
    assert.equal(label, ACTOR, 'the smaller hash breaks a tie of clocks')
    const to = 'f80a837f3e31c9c5efc0d7211268f089' as ActorId
    assert.deepEqual(rename, { from: ACTOR, to, fromSeq: 5 })
  })

  test('cost an actor that never forked nothing, and are bounded for one that does', () => {
    const branches = new Branches()
    assert.deepEqual([branches.labels(OTHER), branches.firstSeq(OTHER)], [[OTHER], 1])
    assert.equal(branches.labelAt(OTHER, 9), OTHER)
    for (let n = 1; n < BRANCHES_MAX; n++) branches.add(ACTOR, 5, start(0), start(n))
    assert.equal(branches.labels(ACTOR).length, BRANCHES_MAX)
    const before = branches.forks()
    assert.throws(() => branches.add(ACTOR, 3, start(8), start(9)), { code: 'fork' })
    assert.deepEqual(branches.forks(), before)
  })

  test('are not given to branches that begin beside what a checkpoint has settled', () => {
    const branches = new Branches()
    for (const [existing, newcomer] of [
      [2, 1],
      [2, 3],
    ] as const) {
      const settled = new Map([[ACTOR, 5]])
      assert.throws(() => branches.add(ACTOR, 5, start(existing), start(newcomer), settled), {
        code: 'fork',
      })
      assert.deepEqual(branches.forks(), [])
    }
    const above = new Map([[ACTOR, 4]])
    const { label } = new Branches().add(ACTOR, 5, start(2), start(3), above)
    const both = new Map([
      [ACTOR, 5],
      [label, 5],
    ])
    assert.equal(branches.add(ACTOR, 5, start(2), start(3), both).label, label)
  })

  test('of a fork are all in a cut, or none', () => {
    fc.assert(
      fc.property(anyTree, fc.bigInt({ min: 0n, max: 60n }), (tree, hlc) => {
        const { branches } = Replica.of(inOrder(tree))
        const whole = branches.wholeUpTo(hlc as Hlc)
        assert.ok(whole <= hlc)
        for (const { branches: all } of branches.forks()) {
          for (const { parent } of all) {
            const siblings = all.filter((branch) => branch.parent === parent)
            const below = siblings.filter((branch) => branch.hlc <= whole).length
            assert.ok(below === 0 || below === siblings.length)
          }
        }
      }),
      RUNS,
    )
  })

  test('that begin beside what a cut covers, unknown to its maker, strayed', () => {
    const anyCase = anyTree.chain((tree) =>
      fc.tuple(anyPart(tree), anyPart(tree)).map(([seen, more]) => [seen, seen.union(more)]),
    ) as fc.Arbitrary<[Known, Known]>
    fc.assert(
      fc.property(anyCase, ([seen, held]) => {
        const replica = Replica.of(inOrder(held))
        const vector = replica.vector(seen)
        const strayed = replica.branches.strayed(vector, vector)
        const followed = new Set([...seen].map(({ parent }) => parent))
        const expected = [...held].filter((node) => !seen.has(node) && followed.has(node.parent))
        assert.deepEqual(strayed.sort(), expected.map(({ hash }) => hash).sort())
      }),
      RUNS,
    )
  })
})

describe('names used by others', () => {
  test('mean the entry that their writer meant, whatever branches it knew', () => {
    const anyCase = anyTree.chain((tree) =>
      fc.tuple(anyPart(tree), anyPart(tree)).map(([past, more]) => [past, past.union(more)]),
    ) as fc.Arbitrary<[Known, Known]>
    fc.assert(
      fc.property(anyCase, ([past, held]) => {
        const replica = Replica.of(inOrder(held))
        const translate = replica.branches.translation(replica.vector(past))
        for (const [node, written] of labelsOf(past))
          assert.equal(translate(written, node.seq), replica.labelOf(node))
        assert.equal(translate(OTHER, 3), OTHER)
      }),
      RUNS,
    )
  })

  test('mean it too where only its own branch tells that the writer knew the path', () => {
    fc.assert(
      fc.property(anyTree, fc.nat(), (tree, pick) => {
        const replica = Replica.of(inOrder(tree))
        const tip = tree[pick % tree.length] ?? assert.fail()
        const path = new Set<Node>()
        for (let node: Node | undefined = tip; node !== undefined; node = node.parent)
          path.add(node)
        const own = new Map([[replica.labelOf(tip), tip.seq]])
        const translate = replica.branches.translation(own)
        for (const node of path) assert.equal(translate(ACTOR, node.seq), replica.labelOf(node))
      }),
      RUNS,
    )
  })
})

describe('the forks of a part', () => {
  test('are those that a replica with no more than that knows of', () => {
    const anyCase = anyTree.chain((tree) => fc.tuple(fc.constant(tree), anyPart(tree)))
    fc.assert(
      fc.property(anyCase, ([tree, part]) => {
        const replica = Replica.of(inOrder(tree))
        const within = replica.branches.forksWithin(replica.vector(part))
        assert.deepEqual(within, Replica.of(inOrder(part)).branches.forks())
      }),
      RUNS,
    )
  })
})

describe('the holdings of a peer', () => {
  const anyTwo = anyTree.chain((tree) => fc.tuple(anyPart(tree), anyPart(tree)))

  test('is known exactly where one of both holds all that the other does', () => {
    fc.assert(
      fc.property(anyTwo, fc.boolean(), ([a, b], peerHasMore) => {
        const all = a.union(b)
        const [mine, theirs] = peerHasMore ? [a, all] : [all, a]
        const [me, peer] = [Replica.of(inOrder(mine)), Replica.of(inOrder(theirs))]
        const vector = me.branches.vectorOf(peer.hello(), me.hashAt)
        assert.deepEqual(me.missing(vector), inOrder(mine.difference(theirs)))
      }),
      RUNS,
    )
  })

  test('is known exactly where both know the same forks', () => {
    fc.assert(
      fc.property(anyTwo, ([a, b]) => {
        const [me, peer] = [Replica.of(inOrder(a)), Replica.of(inOrder(b))]
        const whole = Replica.of(inOrder(a.union(b))).branches.forks()
        fc.pre([me, peer].every(({ branches }) => sameForks(branches.forks(), whole)))
        const vector = me.branches.vectorOf(peer.hello(), me.hashAt)
        assert.deepEqual(me.missing(vector), inOrder(a.difference(b)))
      }),
      RUNS,
    )
  })

  test('is never more than the truth where all forks of both are known here', () => {
    fc.assert(
      fc.property(anyTwo, ([a, b]) => {
        const [me, peer] = [Replica.of(inOrder(a)), Replica.of(inOrder(b))]
        const whole = Replica.of(inOrder(a.union(b))).branches.forks()
        fc.pre(sameForks(me.branches.forks(), whole))
        const missing = new Set(me.missing(me.branches.vectorOf(peer.hello(), me.hashAt)))
        assert.ok(a.difference(b).isSubsetOf(missing))
      }),
      RUNS,
    )
  })

  test('is read from a durable vector that lags behind the forks it knows of', () => {
    fc.assert(
      fc.property(anyTwo, ([durable, more]) => {
        const peer = Replica.of(inOrder(durable.union(more)))
        const me = Replica.of(inOrder(peer.held))
        const vector = peer.vector(durable)
        const { forks } = peer.hello()
        const held = me.branches.vectorOf({ vector, forks, tips: new Map() }, me.hashAt)
        assert.deepEqual(sorted(held), sorted(me.vector(durable)))
      }),
      RUNS,
    )
  })

  test('lets two that forked unawares end with the same entries and labels', () => {
    let roundsMax = 0
    fc.assert(
      fc.property(anyTwo, ([a, b]) => {
        const [one, two] = [Replica.of(inOrder(a)), Replica.of(inOrder(b))]
        let rounds = 0
        for (; !sameForks([...one.held], [...two.held]); rounds++) {
          assert.ok(rounds < 4, 'no end')
          const [toTwo, toOne] = [
            one.missing(one.branches.vectorOf(two.hello(), one.hashAt)),
            two.missing(two.branches.vectorOf(one.hello(), two.hashAt)),
          ]
          for (const node of toOne) one.receive(node)
          for (const node of toTwo) two.receive(node)
        }
        roundsMax = Math.max(rounds, roundsMax)
        assert.deepEqual(sorted(one.vector()), sorted(two.vector()))
        for (const node of one.held) assert.equal(one.labelOf(node), two.labelOf(node))
      }),
      RUNS,
    )
    assert.equal(roundsMax, 2)
  })

  test('is nothing of a virtual actor that the peer does not explain', () => {
    const branches = new Branches()
    const { label } = branches.add(ACTOR, 5, start(1), start(2))
    const vector = new Map([[label, 9]])
    const held = branches.vectorOf({ vector, forks: [], tips: new Map() }, () => undefined)
    assert.equal(held.size, 0)
  })
})

function byClock(a: Node, b: Node): number {
  return Number(a.hlc - b.hlc) || (a.hash < b.hash ? -1 : 1)
}

function start(n: number): BranchStart {
  return { hash: `${n}`.repeat(64) as EntryHash, hlc: BigInt(n) as Hlc }
}

function sameForks(a: readonly (Fork | Node)[], b: readonly (Fork | Node)[]): boolean {
  const text = (items: readonly (Fork | Node)[]): string[] =>
    items.map((item) => ('actor' in item ? toHex(encodeFork(item)) : item.hash)).sort()
  return text(a).join() === text(b).join()
}

function sorted(vector: ReadonlyMap<ActorId, number>): (readonly [ActorId, number])[] {
  return [...vector].sort(([a], [b]) => (a < b ? -1 : 1))
}
