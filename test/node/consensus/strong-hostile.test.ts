// Registers with one lying member, on random schedules. A member without a vote breaks nothing. A
// voter can hide what it accepted, or state two things at once: then a chosen value may be lost,
// and two of its statements prove it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { compareBallots } from '../../../protocol/strong/ballot.ts'
import { groupsAfter } from '../../../protocol/strong/grounds.ts'
import { isProof } from '../../../protocol/strong/statement.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Cloud, FIRST, MALLORY, PEERS, VOLUME, readEntry, valueOf } from './strong-cloud.ts'
import { assertLinearizable, run } from './strong-runs.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Ask, Report, StrongReply } from '../../../protocol/strong/acceptor.ts'
import type { Ground } from '../../../protocol/strong/grounds.ts'
import type { Proof, Statement } from '../../../protocol/strong/statement.ts'
import type { Groups } from '../../../protocol/strong/voters.ts'
import type { TrustRule } from '../../../protocol/trust.ts'
import type { Faults } from './strong-cloud.ts'
import { tries } from '../../effort.ts'

const CALM: Faults = { lossRate: 0, duplicateRate: 0, crashRate: 0, moves: false }
const ROUGH: Faults = { lossRate: 0.05, duplicateRate: 0.1, crashRate: 0.1, moves: true }

/**
 * A writer that has no vote, and does to the voters whatever it likes until the network is healed.
 */
async function lie(cloud: Cloud, seed: number): Promise<void> {
  const clock = new VirtualClock(new SimulatedProcess(cloud.scheduler, 'mallory'))
  const random = new SeededRandom(seed, 'mallory')
  const ask = async (peer: PeerId, request: Ask): Promise<StrongReply | undefined> => {
    try {
      return await cloud.ask(clock, MALLORY, peer, request, new AbortController().signal)
    } catch (error) {
      assert.ok(hasCode(error, 'timeout') || !hasCode(error, 'internal'), String(error))
      return undefined
    }
  }
  let counter = 1
  let count = 0
  let promises: Statement[] = []
  let reports: Report[] = []
  while (cloud.scheduler.nowMs < 3000) {
    await clock.sleep(random.number() * 20)
    const fate = random.number()
    counter++
    if (fate < 0.5) {
      const voters = PEERS.filter(() => random.chance(0.7))
      const leap = fate < 0.05 ? 2 ** Math.floor(random.number() * 51) : 0
      const term = Math.floor(random.number() * 3)
      const request = { kind: 'prepare', counter: counter + leap, term } as const
      const replies = await Promise.all(voters.map((peer) => ask(peer, request)))
      promises = []
      for (const reply of replies) {
        if (reply?.kind === 'refused') counter = Math.max(counter, reply.promised.counter)
        if (reply?.kind !== 'state' || reply.statement === undefined) continue
        promises.push(reply.statement)
        if (reply.accepted !== undefined) reports.push(reply.accepted)
      }
      reports = reports.slice(-8)
      continue
    }
    // Some value, old or new, with some of the grounds, at the ballot that was promised last; to
    // some this, to others that.
    const newest = reports.toSorted((a, b) => compareBallots(b.ballot, a.ballot))[0]
    const base =
      newest === undefined || random.chance(0.1)
        ? undefined
        : random.chance(0.6)
          ? newest
          : random.pick(reports)
    for (const peer of PEERS.filter(() => random.chance(0.8))) {
      const entry = base?.entry && readEntry(base.entry)
      const own = { id: `mallory#${count++}`, before: entry?.id ?? '' }
      const told = random.chance(0.5) && entry !== undefined ? entry : own
      const office = cloud.officeAfter(told)
      const honest = groupsAfter(base, FIRST, office)
      const taken: Groups = random.pick([[[MALLORY]], [[PEERS[0] as PeerId]], [[MALLORY], FIRST]])
      const value = valueOf(told, random.chance(0.6) ? honest : taken)
      const few = random.chance(0.5) ? promises : promises.filter(() => random.chance(0.7))
      const first: Ground = { promises: few, base }
      const grounds = [first, ...(random.chance(0.5) ? (base?.grounds ?? []) : [])]
      const at = random.chance(0.5) ? counter : (few[0]?.promised.counter ?? counter)
      void ask(peer, { kind: 'accept', counter: at, value, grounds })
    }
  }
}

/** The contradictions in statements: pairs that no honest voter can have made. */
function proofsOf(said: readonly Statement[]): readonly Proof[] {
  const proofs: Proof[] = []
  for (const statements of Map.groupBy(said, ({ voter }) => voter).values()) {
    const distinct = [...new Map(statements.map((one) => [String(one.signature), one])).values()]
    for (const [n, a] of distinct.entries())
      for (const b of distinct.slice(0, n)) if (isProof(VOLUME, [a, b])) proofs.push([a, b])
  }
  return proofs
}

describe('a lying member without a vote', () => {
  for (const [name, faults] of [
    ['a calm network', CALM],
    ['crashes and voters that change', ROUGH],
  ] as const) {
    test(`breaks no sequence, and blocks none, with ${name}`, async () => {
      let done = 0
      for (let seed = 1; seed <= tries(2); seed++) {
        const cloud = new Cloud(`lie ${seed}`, faults)
        void lie(cloud, seed)
        const { calls, chain } = await run(cloud)
        try {
          assertLinearizable(calls, chain)
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error })
        }
        done += calls.filter(({ outcome, endMs }) => outcome === 'done' && endMs < 3000).length
        assert.deepEqual(proofsOf(cloud.said), [], 'nobody is said to have lied')
        assert.ok(!cloud.deciders.has(MALLORY), 'nobody named it')
      }
      assert.ok(done > tries(20), `${done} calls`)
    })
  }

  const checks: readonly TrustRule[] = ['votes-have-grounds', 'voters-are-named']
  for (const rule of checks) {
    test(`breaks or blocks one without the check "${rule}"`, async () => {
      const restore = plantWeakness(rule)
      try {
        let isCaught = false
        for (let seed = 1; seed <= 6 && !isCaught; seed++) {
          const cloud = new Cloud(`lie ${seed}`, CALM)
          void lie(cloud, seed)
          isCaught = await run(cloud).then(
            ({ calls, chain }) =>
              cloud.deciders.has(MALLORY) || !isRight(() => assertLinearizable(calls, chain)),
            () => true,
          )
        }
        assert.ok(isCaught)
      } finally {
        restore()
      }
    })
  }
})

describe('a voter that hides what it accepted', () => {
  test('a lying voter breaks only what its statements prove, and no other is blamed', async () => {
    const [liar] = FIRST as unknown as [PeerId]
    let proven = 0
    for (let seed = 1; seed <= tries(3); seed++) {
      const cloud = new Cloud(`hide ${seed}`, CALM)
      const random = new SeededRandom(seed, 'liar')
      cloud.corrupt(liar, (truth, _request, sign) => {
        if (truth.kind !== 'state' || truth.statement === undefined || random.chance(0.5))
          return truth
        const { term, promised } = truth.statement
        const statement = sign({ term, promised, accepted: undefined })
        return { kind: 'state', accepted: undefined, statement }
      })
      const broken = await run(cloud).then(
        ({ calls, chain }) => !isRight(() => assertLinearizable(calls, chain)),
        () => true,
      )
      const proofs = proofsOf(cloud.said)
      if (broken) assert.ok(proofs.length > 0, `seed ${seed}: nobody is proven to lie`)
      for (const [{ voter }] of proofs) assert.equal(voter, liar)
      proven += proofs.length > 0 ? 1 : 0
    }
    assert.ok(proven > 0)
  })
})

function isRight(check: () => void): boolean {
  try {
    check()
    return true
  } catch {
    return false
  }
}
