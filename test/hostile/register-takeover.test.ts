// A member that would be the sole voter: by an entry that all hold, or by one of its own, with
// promises that voters gave.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import { formatOffice, nextOffice, parseOffice } from '../../protocol/strong/office.ts'
import type { StrongReply } from '../../protocol/strong/acceptor.ts'
import type { Statement } from '../../protocol/strong/statement.ts'
import type { Claim, Value } from '../../protocol/strong/value.ts'
import type { Groups } from '../../protocol/strong/voters.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { Asker, besideMallory, codeOf } from './voting.ts'
import type { HostileMember } from './hostile-member.ts'
import type { Two } from './voting.ts'

type State = Extract<StrongReply, { kind: 'state' }>

/**
 * Two machines make one name at once, strongly: one may. Those who decide are those that were
 * named.
 */
async function assertWhole(cluster: TestCluster): Promise<void> {
  const [admin, ben] = cluster.nodes as unknown as Two
  for (let n = 0; n < 3; n++) {
    const both = [admin, ben].map((node) =>
      node.run('mkdir', '--consistency', 'strong', `/contested-${n}`),
    )
    const codes = (await Promise.all(both)).map(({ code }) => code)
    assert.deepEqual(codes.filter((code) => code === 0).length, 1, codes.join())
  }
  const { volumes } = await ben.status()
  const info = JSON.stringify(await ben.json('volume', 'info', 'main'))
  assert.ok(volumes.length > 0 && !info.includes('"voters":"mallory"'), info)
}

/**
 * All are asked to accept a value of which this member alone decides. returns what they answered.
 */
async function takeOver(
  mallory: HostileMember,
  cluster: TestCluster,
  make: (newest: Claim & { readonly entry: Uint8Array }) => Omit<Value, 'groups'>,
): Promise<readonly string[]> {
  const [admin, ben] = cluster.nodes as unknown as Two
  const all = await Promise.all([admin, ben].map((node) => Asker.strong(mallory, node)))
  const self = mallory.identity.peer
  const text = mallory.volume.membership.policy('voters') ?? ''
  const { terms, voters } = parseOffice(text)
  const counter = 2 ** 20
  const answers: StrongAnswer[] = []
  for (const [at, asker] of all.entries()) {
    const peer = (await cluster.nodes[at]?.status())?.node.id
    const term = (peer && terms.get(peer)) ?? 0
    answers.push(await asker.ask({ kind: 'prepare', counter, term }))
  }
  const states = answers.filter((answer): answer is State => answer.kind === 'state')
  const promises = states.flatMap(({ statement }): Statement[] => (statement ? [statement] : []))
  const queries = await Promise.all(all.map((asker) => asker.ask({ kind: 'query', grounds: true })))
  const [report] = [...states, ...queries].flatMap((answer) =>
    answer.kind === 'state' && answer.accepted !== undefined ? [answer.accepted] : [],
  )
  assert.ok(report?.entry !== undefined, 'there is a newest value')
  const { ballot, groups, name, entry } = report
  const base = { ballot, groups, name }
  const wanted: readonly Groups[] = [[[self]], [voters, [self]], [[self], voters]]
  const codes: string[] = []
  for (const theirs of wanted) {
    const value = { groups: theirs, ...make({ ...base, entry }) }
    for (const grounds of [[{ promises, base }], [{ promises: [], base: undefined }], []]) {
      for (const asker of all)
        codes.push(codeOf(await asker.ask({ kind: 'accept', counter, value, grounds })))
    }
  }
  return codes
}

for (const role of ['reader', 'writer'] as const) {
  test(`a ${role} does not become the sole voter by an entry that all hold`, async () => {
    await using cluster = await TestCluster.start(2)
    await using mallory = await besideMallory(cluster, role)
    const codes = await takeOver(mallory, cluster, ({ name, entry }) => ({ name, entry }))
    assert.ok(!codes.includes('accepted'), codes.join())
    await assertWhole(cluster)
  })
}

test('nor by one that it writes, in which it names itself without a right to', async () => {
  await using cluster = await TestCluster.start(2)
  await using mallory = await besideMallory(cluster, 'writer')
  const self = mallory.identity.peer
  const office = parseOffice(mallory.volume.membership.policy('voters') ?? '')
  const value = formatOffice(nextOffice(office, office.voters, [self]))
  const entry = mallory.entry([{ kind: 'policy', key: 'voters', value }])
  for (const node of cluster.nodes.slice(0, 2)) await mallory.give(node, [entry])
  const codes = await takeOver(mallory, cluster, () => {
    const { header, hash } = decodeEntry(encodeEntry(entry))
    return { name: { actor: header.actor, seq: header.seq, hash }, entry: encodeEntry(entry) }
  })
  assert.ok(!codes.includes('accepted'), codes.join())
  await assertWhole(cluster)
})
