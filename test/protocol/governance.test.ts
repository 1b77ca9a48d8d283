// Governing acts (docs/formats/membership.md): who may govern, who takes whose role away, and that
// what comes of them is the same whatever order they came in.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { identityFromSeed } from '../../protocol/signed.ts'
import { GoverningDag } from '../../protocol/membership/governance.ts'
import { GovernanceState } from '../../protocol/membership/governance-state.ts'
import { isActive } from '../../protocol/membership/members.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { MemberRole } from '../../protocol/membership/members.ts'
import { isQuorum, seniorAdmin } from '../../protocol/membership/quorum.ts'
import type { GoverningAct } from '../../protocol/membership/governance.ts'
import type { Role } from '../../protocol/roles.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { GoverningOp } from '../../protocol/op/op.ts'
import { ALICE, ALICE_ACTOR, BOB, BOB_ACTOR, CAROL, VOLUME, filled, hlcAt } from './fixtures.ts'

const DAVE: PeerId = identityFromSeed(filled(0x44, 32)).peer
const GENESIS_GRANT = VOLUME as string as EntryHash
const PEERS = [ALICE.peer, BOB.peer, CAROL.peer, DAVE]

let count = 0

/** An act by somebody under a grant, after others. */
function act(
  author: PeerId,
  grant: EntryHash,
  parents: readonly GoverningAct[],
  ...ops: readonly GoverningOp[]
): GoverningAct {
  const ms = Math.max(0, ...parents.map(({ hlc }) => Number((hlc - hlcAt(0)) >> 16n))) + 1
  const id = toHex(blake3(Buffer.from(`act ${count++}`))) as EntryHash
  const actor = author === ALICE.peer ? ALICE_ACTOR : BOB_ACTOR
  const position = { id, author, actor, seq: count, hlc: hlcAt(ms), grant }
  return { ...position, parents: parents.map((parent) => parent.id).sort(), ops }
}

function grantTo(peer: PeerId, role: Role): GoverningOp {
  return { kind: 'member', peer, role, keys: [] }
}

function removal(peer: PeerId): GoverningOp {
  return { kind: 'remove-member', peer }
}

function dagOf(acts: readonly GoverningAct[]): GoverningDag {
  const dag = new GoverningDag({ volume: VOLUME, creator: ALICE.peer, created: 0 as WallTime })
  for (const one of acts) {
    dag.check(one)
    dag.add(one)
  }
  return dag
}

function rolesAfter(acts: readonly GoverningAct[]): Record<string, Role | undefined> {
  const state = GovernanceState.of(dagOf(acts))
  const roleOf = (peer: PeerId): Role | undefined => {
    const member = state.member(peer)
    return isActive(member) ? member.role : undefined
  }
  const [alice, bob, carol, dave] = PEERS.map(roleOf)
  return { alice, bob, carol, dave }
}

/** Alice founds, and admits bob and carol as admins. */
function founded(): [GoverningAct, GoverningAct, GoverningAct] {
  const founding = act(ALICE.peer, GENESIS_GRANT, [], grantTo(ALICE.peer, 'admin'))
  const bob = act(ALICE.peer, founding.id, [founding], grantTo(BOB.peer, 'admin'))
  const carol = act(ALICE.peer, founding.id, [bob], grantTo(CAROL.peer, 'admin'))
  return [founding, bob, carol]
}

describe('the governing members', () => {
  test('the creator does by genesis, others by a grant that they knew of', () => {
    const [founding, bob, carol] = founded()
    const stranger = act(DAVE, founding.id, [founding], grantTo(DAVE, 'admin'))
    assert.throws(() => dagOf([founding, stranger]), { code: 'not-a-member' })
    const early = act(BOB.peer, bob.id, [founding], grantTo(DAVE, 'writer'))
    assert.throws(() => dagOf([founding, bob, early]), { code: 'not-a-member' })
    const forged = act(BOB.peer, GENESIS_GRANT, [carol], grantTo(DAVE, 'writer'))
    assert.throws(() => dagOf([founding, bob, carol, forged]), { code: 'not-a-member' })
    const fine = act(BOB.peer, bob.id, [carol], grantTo(DAVE, 'writer'))
    assert.equal(rolesAfter([founding, bob, carol, fine])['dave'], 'writer')
    const byWriter = act(DAVE, fine.id, [fine], grantTo(DAVE, 'admin'))
    assert.throws(() => dagOf([founding, bob, carol, fine, byWriter]), { code: 'not-a-member' })
  })

  test('an act with a clock that is not above those of its past is refused', () => {
    const [founding, bob] = founded()
    assert.throws(() => dagOf([founding, { ...bob, hlc: founding.hlc }]), { code: 'malformed' })
  })
})

describe('who may not govern', () => {
  const base = (): [GoverningAct[], GoverningAct] => {
    const [founding, bob, carol] = founded()
    const dave = act(ALICE.peer, founding.id, [carol], grantTo(DAVE, 'reader'))
    return [[founding, bob, carol, dave], dave]
  }

  test('may leave, and do nothing else, nor more at once', () => {
    const [acts, dave] = base()
    const gone = act(DAVE, dave.id, [dave], removal(DAVE))
    assert.deepEqual(rolesAfter([...acts, gone])['dave'], undefined)
    const policy: GoverningOp = { kind: 'policy', key: 'class', value: 'copies1' }
    for (const ops of [
      [],
      [removal(BOB.peer)],
      [removal(DAVE), removal(BOB.peer)],
      [removal(DAVE), removal(DAVE)],
      [grantTo(DAVE, 'reader')],
      [policy],
    ])
      assert.throws(() => dagOf([...acts, act(DAVE, dave.id, [dave], ...ops)]), {
        code: 'not-a-member',
      })
    // Under the grant of another, or before its own.
    for (const forged of [
      act(DAVE, GENESIS_GRANT, [dave], removal(DAVE)),
      act(DAVE, dave.id, [], removal(DAVE)),
    ])
      assert.throws(() => dagOf([...acts, forged]), { code: 'not-a-member' })
  })

  test('comes back by a new grant, and may leave again; twice under one it may not', () => {
    const [acts, dave] = base()
    const gone = act(DAVE, dave.id, [dave], removal(DAVE))
    const again = act(DAVE, dave.id, [gone], removal(DAVE))
    assert.throws(() => dagOf([...acts, gone, again]), { code: 'not-a-member' })
    const back = act(ALICE.peer, acts[0]?.id ?? GENESIS_GRANT, [gone], grantTo(DAVE, 'writer'))
    assert.equal(rolesAfter([...acts, gone, back])['dave'], 'writer')
    const left = act(DAVE, back.id, [back], removal(DAVE))
    assert.equal(rolesAfter([...acts, gone, back, left])['dave'], undefined)
  })

  test('and hides that it left, to leave often, is heard once, in any order', () => {
    const [acts, dave] = base()
    const many = Array.from({ length: 2000 }, () => act(DAVE, dave.id, [dave], removal(DAVE)))
    for (const told of [many, many.toReversed()]) {
      const state = GovernanceState.of(dagOf([...acts, ...told]))
      assert.equal(isActive(state.member(DAVE)), false)
      assert.equal(state.revocations.length, 1)
      assert.equal(many.filter(({ id }) => !state.isVoid(id)).length, 1)
    }
  })
})

describe('whose role is taken away', () => {
  test('of two admins who remove each other the senior stays', () => {
    const [founding, bob, carol] = founded()
    const one = act(BOB.peer, bob.id, [carol], removal(CAROL.peer))
    const other = act(CAROL.peer, carol.id, [carol], removal(BOB.peer))
    for (const both of [
      [one, other],
      [other, one],
    ]) {
      const roles = rolesAfter([founding, bob, carol, ...both])
      assert.deepEqual([roles['bob'], roles['carol']], ['admin', undefined])
    }
  })

  test('an admin who was made a writer cannot govern on by pretending that it has not heard', () => {
    const [founding, bob, carol] = founded()
    const demoted = act(ALICE.peer, founding.id, [carol], grantTo(BOB.peer, 'writer'))
    const secret = act(BOB.peer, bob.id, [carol], grantTo(DAVE, 'admin'), removal(CAROL.peer))
    for (const both of [
      [demoted, secret],
      [secret, demoted],
    ]) {
      const roles = rolesAfter([founding, bob, carol, ...both])
      assert.deepEqual(roles, { alice: 'admin', bob: 'writer', carol: 'admin', dave: undefined })
    }
  })

  test('a role that may more takes nothing away', () => {
    const [founding, bob, carol] = founded()
    const dave = act(BOB.peer, bob.id, [carol], grantTo(DAVE, 'admin'))
    const again = act(ALICE.peer, founding.id, [carol], grantTo(BOB.peer, 'admin'))
    assert.equal(rolesAfter([founding, bob, carol, dave, again])['dave'], 'admin')
  })

  test('a grant by a member without the right is void, also through others', () => {
    const [founding, bob, carol] = founded()
    const out = act(ALICE.peer, founding.id, [carol], removal(BOB.peer))
    const dave = act(BOB.peer, bob.id, [carol], grantTo(DAVE, 'admin'))
    const byDave = act(DAVE, dave.id, [dave], removal(ALICE.peer), removal(CAROL.peer))
    assert.deepEqual(rolesAfter([founding, bob, carol, dave, byDave, out]), {
      alice: 'admin',
      bob: undefined,
      carol: 'admin',
      dave: undefined,
    })
  })

  test('a state as of some acts knows nothing of the others', () => {
    const [founding, bob, carol] = founded()
    const dag = dagOf([founding, bob, carol])
    const then = GovernanceState.of(dag, dag.upTo([bob.id]))
    assert.equal(then.member(CAROL.peer), undefined)
    assert.equal(then.grant(carol.id, CAROL.peer), undefined)
    assert.ok(isActive(then.member(BOB.peer)))
  })
})

test('the same acts make the same members, keys and policies, in whatever order they come', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 25 }),
      fc.infiniteStream(fc.nat(1 << 20)),
      (steps, dice) => {
        const acts = historyOf(steps)
        const expected = told(acts)
        for (let round = 0; round < 3; round++) {
          const roll = (): number => dice.next().value as number
          assert.deepEqual(told(inOrderOfNames(acts, roll)), expected)
        }
      },
    ),
    { seed: 5, numRuns: 150 },
  )
})

describe('a quorum', () => {
  const member = (peer: PeerId, role: Role, ms: number): MemberRole => {
    const granted = String(ms).padStart(26, '0') as Stamp
    return { peer, role, grant: GENESIS_GRANT, granted, removed: undefined }
  }
  const [a, b, c, d] = PEERS as [PeerId, PeerId, PeerId, PeerId]

  test('is a majority with an admin among it; of two halves that with the senior admin', () => {
    const four = [member(a, 'admin', 2), member(b, 'writer', 3), member(c, 'reader', 4)]
    assert.ok(isQuorum(four, new Set([a, b])))
    assert.ok(!isQuorum(four, new Set([b, c])), 'no admin')
    assert.ok(!isQuorum(four, new Set([a])), 'too few')
    const withJunior = [...four, member(d, 'admin', 5)]
    assert.ok(isQuorum(withJunior, new Set([a, b])), 'half, with the senior admin')
    assert.ok(!isQuorum(withJunior, new Set([c, d])), 'half, with another')
    assert.equal(seniorAdmin(withJunior)?.peer, a)
    assert.ok(!isQuorum([], new Set()))
  })

  test('counts no recovery key, on either side', () => {
    const members = [member(a, 'admin', 2), member(b, 'recovery', 1), member(c, 'recovery', 1)]
    assert.ok(isQuorum(members, new Set([a])))
    assert.ok(!isQuorum(members, new Set([b, c])))
  })

  test('has a member in common with every other', () => {
    fc.assert(
      fc.property(fc.nat(15), fc.nat(15), fc.nat(15), (admins, one, other) => {
        const members = PEERS.map((peer, i) =>
          member(peer, (admins >> i) & 1 ? 'admin' : 'writer', i + 1),
        )
        const setOf = (bits: number): Set<PeerId> =>
          new Set(PEERS.filter((_, i) => (bits >> i) & 1))
        if (!isQuorum(members, setOf(one)) || !isQuorum(members, setOf(other))) return
        assert.ok((one & other) !== 0)
      }),
      { seed: 6, numRuns: 2000 },
    )
  })
})

interface Step {
  readonly by: number
  readonly whom: number
  /** How many of the acts so far it has heard of. */
  readonly heard: number
  readonly what: 'admin' | 'writer' | 'keeper' | 'remove' | 'epoch' | 'policy'
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  by: fc.nat(3),
  whom: fc.nat(3),
  heard: fc.nat(24),
  what: fc.constantFrom('admin', 'writer', 'keeper', 'remove', 'epoch', 'policy'),
})

/** Acts that nodes could make: each under the newest grant that its author has heard of. */
function historyOf(steps: readonly Step[]): readonly GoverningAct[] {
  const acts: GoverningAct[] = [...founded()]
  for (const { by, whom, heard, what } of steps) {
    const author = PEERS[by] ?? ALICE.peer
    const peer = PEERS[whom] ?? ALICE.peer
    const known = acts.slice(0, Math.max(1, acts.length - heard))
    const dag = dagOf(acts)
    const grant = known.findLast(({ ops }) =>
      ops.some((op) => op?.kind === 'member' && op.peer === author),
    )
    const under = grant?.id ?? GENESIS_GRANT
    const named = new Set(known.flatMap(({ parents }) => parents))
    const parents = known.filter(({ id }) => !named.has(id))
    const sealed = blake3(Buffer.from(`${acts.length}`))
    const op: GoverningOp =
      what === 'remove'
        ? removal(peer)
        : what === 'epoch'
          ? { kind: 'epoch', epoch: acts.length, keys: [{ peer, sealed }] }
          : what === 'policy'
            ? { kind: 'policy', key: 'k', value: `${acts.length}` }
            : grantTo(peer, what)
    const one = act(author, under, parents, op)
    try {
      dag.check(one)
    } catch {
      continue // Its author may not govern.
    }
    acts.push(one)
  }
  return acts
}

/** Another order in which each comes after all that it names. */
function inOrderOfNames(acts: readonly GoverningAct[], roll: () => number): GoverningAct[] {
  const left = [...acts]
  const done = new Set<EntryHash>()
  const out: GoverningAct[] = []
  while (left.length > 0) {
    const ready = left.filter(({ parents }) => parents.every((parent) => done.has(parent)))
    const next = ready[roll() % ready.length] ?? assert.fail()
    left.splice(left.indexOf(next), 1)
    done.add(next.id)
    out.push(next)
  }
  return out
}

function told(acts: readonly GoverningAct[]): unknown {
  const state = GovernanceState.of(dagOf(acts))
  return {
    members: [...state.members()].sort((x, y) => (x.peer < y.peer ? -1 : 1)),
    void: acts
      .filter(({ id }) => state.isVoid(id))
      .map(({ id }) => id)
      .sort(),
    revoked: state.revocations.map(({ act: by, target }) => `${by.id} ${target}`).sort(),
    keys: PEERS.map((peer) => state.keysOf(peer)),
    policy: state.policy('k'),
  }
}
