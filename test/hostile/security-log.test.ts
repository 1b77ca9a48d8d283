// Whoever has a node's home for a while must not be able to take away what its security log said:
// cut or changed, the log says so itself; put back as a whole, home and all, the other members say
// it.
import assert from 'node:assert/strict'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { SecurityCheck, SecurityEntry } from '../../node/control/observe/security.ts'
import {
  SECURITY_PROTOCOL,
  encodeSecurityAnswer,
  signSecurityHead,
} from '../../protocol/wire/security.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

async function eventsOf(node: TestNode): Promise<SecurityEntry[]> {
  return node.ask(async (client) => {
    const events: SecurityEntry[] = []
    for await (const page of client.readSecurity()) events.push(...page)
    return events
  })
}

/** As the command has it, with its exit code. */
async function check(node: TestNode): Promise<SecurityCheck & { code: number }> {
  const { code, stdout } = await node.run('--json', 'events', '--security', '--check')
  return { code, ...(JSON.parse(stdout) as SecurityCheck) }
}

/** Wait until a member holds the newest event of another. */
async function isHeldBy(node: TestNode, holder: TestNode): Promise<void> {
  await eventually(`${holder.name} holds the log of ${node.name}`, async () => {
    const { last, witnesses } = await node.ask((client) => client.checkSecurity())
    return witnesses.some(({ name, number }) => name === holder.name && number === last)
  })
}

let cluster: TestCluster

before(async () => {
  cluster = await TestCluster.start(2)
})
after(() => cluster[Symbol.asyncDispose]())

test('what members do to a volume is recorded by the others, with who did it', async () => {
  const [first, second] = cluster.nodes as [TestNode, TestNode]
  await first.shoal('volume', 'set', 'main', 'ack=copied')
  await second.run('join', await first.invite('--uses', '1'))
  await cluster.converged()
  const onFirst = await eventsOf(first)
  const kinds = onFirst.map(({ kind }) => kind)
  for (const kind of ['ticket-made', 'ticket-used', 'role-given', 'policy-set'] as const)
    assert.ok(kinds.includes(kind), kind)
  assert.ok(onFirst.some(({ kind, name }) => kind === 'role-given' && name === second.name))
  await eventually('the other one has recorded it, too', async () =>
    (await eventsOf(second)).some(
      ({ kind, name, message }) =>
        kind === 'policy-set' && name === first.name && message.startsWith('ack=copied'),
    ),
  )
  assert.ok((await eventsOf(second)).some(({ kind }) => kind === 'joined'))
  assert.deepEqual((await check(first)).problems, [])
})

test('a member cannot pretend that a log was altered', async () => {
  const [victim] = cluster.nodes as [TestNode]
  await using mallory = await HostileMember.join(victim)
  await mallory.network.handle(SECURITY_PROTOCOL, async (channel) => {
    const signal = mallory.deadline()
    await channel.receive({ signal })
    // As if the victim had said it.
    const forged = signSecurityHead(mallory.identity, 1_000_000, new Uint8Array(32))
    await channel.send([encodeSecurityAnswer(forged)], { signal })
    await channel.close()
  })
  await mallory.dial(victim)
  const { code, witnesses } = await check(victim)
  const holds = witnesses.find(({ name }) => name === 'mallory')?.holds
  assert.deepEqual([code, holds], [0, 'none'])
})

test('a home that is put back to an older state is told of by the others, and finds out itself', async () => {
  const [node, other] = cluster.nodes as [TestNode, TestNode]
  await isHeldBy(node, other)
  await node.kill('SIGTERM')
  const copy = join(node.folder, 'copy')
  await cp(node.home, copy, { recursive: true })
  await node.start()
  for (let n = 0; n < 5; n++) await node.invite('--role', 'admin')
  await isHeldBy(node, other)
  await node.kill('SIGTERM')
  await rm(node.home, { recursive: true })
  await cp(copy, node.home, { recursive: true })
  await node.start()
  await eventually('the other one tells of it', async () =>
    (await eventsOf(other)).some(
      ({ kind, name }) => kind === 'peer-log-back' && name === node.name,
    ),
  )
  assert.match(await other.shoal('peer', 'info', node.name), /went back from event \d+/)
})

test('a log that was cut while its node was down says so, and so does --check', async () => {
  const [node] = cluster.nodes as [TestNode]
  await node.invite()
  await node.invite('--role', 'admin')
  await node.kill('SIGTERM')
  const file = join(node.home, 'logs', 'security.log')
  const lines = (await readFile(file, 'utf8')).split('\n')
  await writeFile(file, lines.filter((line) => !line.includes('as admin')).join('\n'))
  await node.start()
  const told = (await eventsOf(node)).findLast(({ kind }) => kind === 'log-altered')
  assert.match(told?.message ?? '', /event \d+ (is missing|does not follow)/)
  const { code, problems } = await check(node)
  assert.equal(code, 1)
  assert.ok(problems.length > 0)
})
