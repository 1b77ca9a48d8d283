// Ballots as weapons: the highest at once, one above another without end, or in the name of who may
// not write.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BALLOT_MAX } from '../../protocol/limits.ts'
import { LEAP_MAX } from '../../protocol/strong/turns.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { Asker, besideMallory, codeOf } from './voting.ts'
import type { HostileMember } from './hostile-member.ts'
import type { Two } from './voting.ts'

/** As a voter that has just been asked tells whoever wants the least ballot. */
async function termOf(asker: Asker): Promise<number> {
  for (let term = 0; term < 4; term++) {
    const answer = await asker.ask({ kind: 'prepare', counter: 1, term })
    if (codeOf(answer) !== 'missing-past') return term
  }
  assert.fail('it is in office for some time')
}

async function askers(mallory: HostileMember, cluster: TestCluster): Promise<readonly Asker[]> {
  return Promise.all(cluster.nodes.slice(0, 2).map((node) => Asker.strong(mallory, node)))
}

test('a reader is promised nothing, and has nothing accepted', async () => {
  await using cluster = await TestCluster.start(2)
  await using mallory = await besideMallory(cluster, 'reader')
  const [admin, ben] = cluster.nodes as unknown as Two
  for (const asker of await askers(mallory, cluster)) {
    const query = await asker.ask({ kind: 'query', grounds: true })
    assert.equal(query.kind, 'state', 'it may ask')
    for (const counter of [1, 2 ** 20, BALLOT_MAX]) {
      const answer = await asker.ask({ kind: 'prepare', counter, term: 1 })
      assert.equal(codeOf(answer), 'EACCES')
    }
  }
  await ben.shoal('mkdir', '--consistency', 'strong', '/one')
  await admin.shoal('ls', '--consistency', 'strong', '/one')
})

test('no ballot of a writer ends strong calls, or keeps a node from starting', async () => {
  await using cluster = await TestCluster.start(2)
  await using mallory = await besideMallory(cluster, 'writer')
  const [admin, ben] = cluster.nodes as unknown as Two
  const all = await askers(mallory, cluster)
  const [first] = all
  assert.ok(first !== undefined)
  const term = await termOf(first)
  for (const asker of all) {
    for (const counter of [BALLOT_MAX, BALLOT_MAX - 1, 2 ** 50, LEAP_MAX / 2, LEAP_MAX, 2 ** 40]) {
      const answer = await asker.ask({ kind: 'prepare', counter, term })
      if (counter > LEAP_MAX) assert.equal(codeOf(answer), 'unsupported', String(counter))
    }
  }
  await ben.shoal('mkdir', '--consistency', 'strong', '/one')
  for (const node of cluster.nodes.slice(0, 2)) {
    await node.kill('SIGKILL')
    await node.start()
  }
  await cluster.connected()
  await admin.shoal('mkdir', '--consistency', 'strong', '/two')
  assert.match(await ben.shoal('ls', '--consistency', 'strong', '/'), /one[^]*two/)
  const events = await admin.shoal('events')
  assert.match(events, /asks this voter for a ballot/)
})

test('a writer that outbids without end holds up nobody', async () => {
  await using cluster = await TestCluster.start(2)
  await using mallory = await besideMallory(cluster, 'writer')
  const [admin, ben] = cluster.nodes as unknown as Two
  const all = await askers(mallory, cluster)
  const [first] = all
  assert.ok(first !== undefined)
  const term = await termOf(first)
  let [isOver, promised] = [false, 0]
  const outbid = async (asker: Asker): Promise<void> => {
    for (let counter = 1; !isOver; counter++) {
      const answer = await asker.ask({ kind: 'prepare', counter, term })
      if (answer.kind === 'state') promised++
      if (answer.kind === 'refused') counter = Math.max(counter, answer.promised.counter)
    }
  }
  const attack = Promise.all(all.map(outbid))
  try {
    for (let n = 0; n < 4; n++) {
      for (const node of [admin, ben])
        await node.shoal('mkdir', '--consistency', 'strong', `/${node.name}-${n}`)
    }
  } finally {
    isOver = true
    await attack
  }
  assert.ok(promised > 0, 'it had its turns')
})
