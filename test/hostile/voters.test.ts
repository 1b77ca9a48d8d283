// Members against the voters of a volume. Ballots as weapons: the highest at once, one above
// another without end, or in the name of who may not write. A member that would be the sole voter:
// by an entry that all hold, or by one of its own, with promises that voters gave.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BALLOT_MAX } from '../../protocol/limits.ts'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import { formatOffice, nextOffice, parseOffice } from '../../protocol/strong/office.ts'
import type { StrongReply } from '../../protocol/strong/acceptor.ts'
import type { Statement } from '../../protocol/strong/statement.ts'
import { LEAP_MAX } from '../../protocol/strong/turns.ts'
import type { Claim, Value } from '../../protocol/strong/value.ts'
import type { Groups } from '../../protocol/strong/voters.ts'
import type { StrongAnswer } from '../../protocol/wire/strong.ts'
import { TestCluster } from '../cluster/cluster.ts'
import { TestVolume } from './test-volume.ts'
import { Asker, besideMallory, codeOf } from './voting.ts'
import type { HostileMember } from './hostile-member.ts'
import type { TestNode } from '../cluster/cluster.ts'

const STRONG = ['--consistency', 'strong'] as const

type State = Extract<StrongReply, { kind: 'state' }>

/** As the first voter, which has just been asked, tells whoever wants the least ballot. */
async function termOf([asker]: readonly Asker[]): Promise<number> {
  assert.ok(asker !== undefined)
  for (let term = 0; term < 4; term++) {
    const answer = await asker.ask({ kind: 'prepare', counter: 1, term })
    if (codeOf(answer) !== 'missing-past') return term
  }
  assert.fail('it is in office for some time')
}

function askers(mallory: HostileMember, { nodes }: TestVolume): Promise<readonly Asker[]> {
  return Promise.all(nodes.map((node) => Asker.strong(mallory, node)))
}

/**
 * Two machines make one name at once, strongly: one may. Those who decide are those that were
 * named.
 */
async function assertWhole(volume: TestVolume): Promise<void> {
  for (let n = 0; n < 3; n++) {
    const both = volume.nodes.map((node) =>
      node.run('mkdir', ...STRONG, volume.at(`/contested-${n}`)),
    )
    const codes = (await Promise.all(both)).map(({ code }) => code)
    assert.deepEqual(codes.filter((code) => code === 0).length, 1, codes.join())
  }
  for (const node of volume.nodes) {
    const info = JSON.stringify(await node.json('volume', 'info', volume.name))
    assert.ok(!info.includes('"voters":"mallory"'), info)
  }
}

/**
 * All are asked to accept a value of which this member alone decides. returns what they answered.
 */
async function takeOver(
  mallory: HostileMember,
  volume: TestVolume,
  make: (newest: Claim & { readonly entry: Uint8Array }) => Omit<Value, 'groups'>,
): Promise<readonly string[]> {
  const all = await askers(mallory, volume)
  const self = mallory.identity.peer
  const text = mallory.volume.membership.policy('voters') ?? ''
  const { terms, voters } = parseOffice(text)
  const counter = 2 ** 20
  const answers: StrongAnswer[] = []
  for (const [at, asker] of all.entries()) {
    const peer = (await volume.nodes[at]?.status())?.node.id
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

describe('the voters of a volume', () => {
  let cluster: TestCluster
  let admin: TestNode
  let ben: TestNode
  let volumes = 0

  before(async () => {
    cluster = await TestCluster.start(2)
    ;[admin, ben] = cluster.nodes as [TestNode, TestNode]
  })
  after(() => cluster[Symbol.asyncDispose]())

  const fresh = (): Promise<TestVolume> => TestVolume.make(cluster.nodes, `v${++volumes}`)

  test('a reader is promised nothing, and has nothing accepted', async () => {
    const volume = await fresh()
    await using mallory = await besideMallory(volume, 'reader')
    for (const asker of await askers(mallory, volume)) {
      const query = await asker.ask({ kind: 'query', grounds: true })
      assert.equal(query.kind, 'state', 'it may ask')
      for (const counter of [1, 2 ** 20, BALLOT_MAX]) {
        const answer = await asker.ask({ kind: 'prepare', counter, term: 1 })
        assert.equal(codeOf(answer), 'EACCES')
      }
    }
    await ben.shoal('mkdir', ...STRONG, volume.at('/one'))
    await admin.shoal('ls', ...STRONG, volume.at('/one'))
  })

  test('a writer that outbids without end holds up nobody', async () => {
    const volume = await fresh()
    await using mallory = await besideMallory(volume, 'writer')
    const all = await askers(mallory, volume)
    const term = await termOf(all)
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
      for (let n = 0; n < 2; n++) {
        for (const node of volume.nodes)
          await node.shoal('mkdir', ...STRONG, volume.at(`/${node.name}-${n}`))
      }
    } finally {
      isOver = true
      await attack
    }
    assert.ok(promised > 0, 'it had its turns')
  })

  for (const role of ['reader', 'writer'] as const) {
    test(`a ${role} does not become the sole voter by an entry that all hold`, async () => {
      const volume = await fresh()
      await using mallory = await besideMallory(volume, role)
      const codes = await takeOver(mallory, volume, ({ name, entry }) => ({ name, entry }))
      assert.ok(!codes.includes('accepted'), codes.join())
      await assertWhole(volume)
    })
  }

  test('nor by one that it writes, in which it names itself without a right to', async () => {
    const volume = await fresh()
    await using mallory = await besideMallory(volume, 'writer')
    const self = mallory.identity.peer
    const office = parseOffice(mallory.volume.membership.policy('voters') ?? '')
    const value = formatOffice(nextOffice(office, office.voters, [self]))
    const entry = mallory.entry([{ kind: 'policy', key: 'voters', value }])
    for (const node of volume.nodes) await mallory.give(node, [entry])
    const codes = await takeOver(mallory, volume, () => {
      const { header, hash } = decodeEntry(encodeEntry(entry))
      return { name: { actor: header.actor, seq: header.seq, hash }, entry: encodeEntry(entry) }
    })
    assert.ok(!codes.includes('accepted'), codes.join())
    await assertWhole(volume)
  })

  test('no ballot of a writer ends strong calls, or keeps a node from starting', async () => {
    const volume = await fresh()
    await using mallory = await besideMallory(volume, 'writer')
    const all = await askers(mallory, volume)
    const term = await termOf(all)
    for (const asker of all) {
      for (const counter of [
        BALLOT_MAX,
        BALLOT_MAX - 1,
        2 ** 50,
        LEAP_MAX / 2,
        LEAP_MAX,
        2 ** 40,
      ]) {
        const answer = await asker.ask({ kind: 'prepare', counter, term })
        if (counter > LEAP_MAX) assert.equal(codeOf(answer), 'unsupported', String(counter))
      }
    }
    await ben.shoal('mkdir', ...STRONG, volume.at('/one'))
    const events = await admin.shoal('events')
    assert.match(events, /asks this voter for a ballot/)
    for (const node of volume.nodes) {
      await node.kill('SIGKILL')
      await node.start()
    }
    await cluster.connected()
    await admin.shoal('mkdir', ...STRONG, volume.at('/two'))
    assert.match(await ben.shoal('ls', ...STRONG, volume.at('/')), /one[^]*two/)
  })
})
