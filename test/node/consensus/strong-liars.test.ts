// Unreliable voters, in real volumes on simulated machines: a voter that contradicts itself, and
// one that lost its vote.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StrongLog } from '../../../node/consensus/strong-log.ts'
import { asShoalError } from '../../../protocol/errors.ts'
import { isProof, signStatement } from '../../../protocol/strong/statement.ts'
import { StrongGroup } from './strong-nodes.ts'
import type { Proof } from '../../../protocol/strong/statement.ts'
import type { StrongNode } from './strong-nodes.ts'

const never = new AbortController().signal

/** A node promises one ballot, and then one below it. */
function contradiction({ machine: { identity }, peer, volume }: StrongNode): Proof {
  const term = new StrongLog(volume).office.terms.get(peer) ?? 0
  const say = (counter: number, hex: string): Proof[0] =>
    signStatement(identity, volume.id, {
      term,
      promised: { counter, peer },
      accepted: { ballot: { counter: counter - 1, peer }, digest: hex.repeat(64) as never },
    })
  return [say(10, 'a'), say(10, 'b')]
}

describe('a voter that contradicts itself', () => {
  test('a contradicting voter is not counted, and is named until it is added again', async () => {
    const group = await StrongGroup.of('lie', 3)
    const [a, b, c] = group.nodes as [StrongNode, StrongNode, StrongNode]
    await group.finish(c.make('one'))
    const proof = contradiction(c)
    assert.ok(isProof(a.volume.id, proof))
    for (const statement of proof) a.strong.liars.heard(statement)
    assert.ok(a.strong.liars.has(c.peer))
    assert.deepEqual(
      a.events.map(({ kind, peer }) => [kind, peer]),
      [['voter-lied', c.peer]],
    )
    await group.finish(a.strong.liars.spread(never))
    assert.ok(b.strong.liars.has(c.peer) && c.strong.liars.has(c.peer), 'the others are told')
    await group.finish(a.make('two'))
    b.kill('killed')
    // No right to propose that was kept is used after so long.
    await group.scheduler.run(group.scheduler.nowMs + 2000)
    const error = await group.finish(a.make('three').then(() => undefined, asShoalError))
    assert.equal(error?.code, 'NO_QUORUM')
    assert.match(error?.message ?? '', /contradictory answers/)

    await group.finish(b.start())
    assert.ok(b.strong.liars.has(c.peer), 'the proof is kept')
    await group.finish(a.strong.changeVoters([a.peer, b.peer], never))
    await group.finish(a.strong.changeVoters([a.peer, b.peer, c.peer], never))
    await group.exchangeAll()
    assert.ok(!a.strong.liars.has(c.peer))
    b.kill('killed')
    await group.finish(a.make('four'))
  })

  test('a voter is not accused by statements that others forged', async () => {
    const group = await StrongGroup.of('made up', 3)
    const [a, b, c] = group.nodes as [StrongNode, StrongNode, StrongNode]
    const [one, two] = contradiction(c)
    a.strong.liars.learn([
      [
        { ...one, voter: b.peer },
        { ...two, voter: b.peer },
      ],
      [one, one],
    ])
    assert.deepEqual(a.strong.liars.proofs, [])
    assert.deepEqual(a.events, [])
  })
})

describe('an unreadable vote', () => {
  test('an unreadable vote prevents no start; the voter votes once it is named again', async () => {
    const group = await StrongGroup.of('unreadable', 3)
    const [a, b, c] = group.nodes as [StrongNode, StrongNode, StrongNode]
    await group.finish(a.make('one'))
    c.volume.view.put('Qv', new Uint8Array([1, 2, 3]))
    await group.finish(c.volume.commit())
    c.kill('killed')
    await group.finish(c.start())
    assert.deepEqual(
      c.events.map(({ kind }) => kind),
      ['vote-unreadable'],
    )
    await group.finish(a.make('two'))
    assert.deepEqual(await group.finish(c.list()), ['one', 'two'])
    b.kill('killed')
    // No right to propose that was kept is used after so long.
    await group.scheduler.run(group.scheduler.nowMs + 2000)
    const error = await group.finish(a.make('three').then(() => undefined, asShoalError))
    assert.equal(error?.code, 'NO_QUORUM')
    await group.finish(b.start())
    await group.finish(a.strong.changeVoters([a.peer, b.peer], never))
    await group.finish(a.strong.changeVoters([a.peer, b.peer, c.peer], never))
    b.kill('killed')
    await group.finish(a.make('three'))
  })
})
