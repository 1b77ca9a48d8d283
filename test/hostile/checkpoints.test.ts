// A writer that would be more: it serves checkpoints of its own making, proposes cuts that leave
// out what others wrote, and grants itself a role. The others go by the members' attestations and
// the governing entries alone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  CHECKPOINT_PROTOCOL,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../protocol/wire/checkpoint.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { attest } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { FLAG_CLEAR_BODY, FLAG_GOVERNS } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import type { Op } from '../../protocol/op/op.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const FORGED = 'f0'.repeat(32) as NodeHash

let cluster: TestCluster
let anna: TestNode
let ben: TestNode
let members = 0

before(async () => {
  cluster = await TestCluster.create()
  anna = cluster.node('anna')
  ben = cluster.node('ben')
  await anna.start()
  await ben.start({ ticket: await anna.invite() })
  await cluster.connected()
  await anna.shoal('mkdir', '/kept')
})
after(() => cluster[Symbol.asyncDispose]())

/** A writer in the hands of the test, beside anna, an admin, and ben, a writer. */
async function join(): Promise<HostileMember> {
  const mallory = await HostileMember.join(anna, { name: `mallory${++members}` })
  await cluster.converged()
  await mallory.fetch(anna)
  return mallory
}

/**
 * An entry that announces what mallory holds as a cut, with a state that only it knows. after: an
 * entry of its own.
 */
function announcement(mallory: HostileMember, after?: Entry): Entry {
  const { volume } = mallory
  const held = volume.actors.vector()
  const { actor, seq, hlc } = after?.header ?? {
    actor: volume.actor,
    seq: 0,
    hlc: volume.actors.hlc,
  }
  if (after !== undefined) held.set(actor, seq)
  const governed = volume.membership.governance.headsIn(() => true)
  const cut = { hlc, vector: held, held, before: undefined, governed }
  const op = { kind: 'checkpoint', ...cut, clear: FORGED, sealed: FORGED } as const
  if (after === undefined) return mallory.entry([op])
  const next = { seq: seq + 1, prev: after.hash, deps: [], hlc: (hlc + 1n) as typeof hlc }
  return mallory.entry([op], next)
}

/** Mallory's attestation of it. */
function attestationOf({ identity, volume }: HostileMember, { hash }: Entry): Attestation {
  return attest(identity, volume.id, { cut: hash, clear: FORGED, sealed: FORGED })
}

/** Nobody has become more than it was, nothing is gone, and everybody still writes. */
async function assertUnharmed(
  { identity }: HostileMember,
  nodes: readonly TestNode[],
  files: readonly string[],
): Promise<void> {
  for (const node of nodes) {
    assert.ok(node.isRunning)
    const { peers } = await node.status()
    const mallory = peers.find(({ id }) => id === identity.peer)
    assert.equal(mallory?.volumes[0]?.role, 'writer', node.name)
    assert.ok(peers.some(({ name }) => name === 'anna' || name === 'ben'))
    const shown = await node.shoal('ls', '/')
    for (const file of files) assert.ok(shown.includes(file), `${node.name}: ${file} in ${shown}`)
    assert.equal((await node.volume()).log.stranded, undefined)
    await node.shoal('mkdir', `/of ${node.name} beside ${mallory?.name}`)
  }
}

test('a checkpoint that only its server attests is taken by nobody', async () => {
  await using mallory = await join()
  let asked = 0
  let wanted = 0
  await mallory.network.handle(CHECKPOINT_PROTOCOL, async (channel) => {
    const signal = mallory.deadline()
    const frame = await channel.receive({ signal })
    assert.equal(decodeCheckpointMessage(frame ?? new Uint8Array()).kind, 'get')
    asked++
    const entry = announcement(mallory)
    const attestations = [attestationOf(mallory, entry).bytes]
    const message = { kind: 'checkpoint', announcement: entry, attestations } as const
    await channel.send([encodeCheckpointMessage(message)], { signal })
    if ((await channel.receive({ signal })) !== undefined) wanted++
  })
  for (const [index, victim] of [anna, ben].entries()) {
    await mallory.say(victim, [{ kind: 'truncated' }])
    await eventually('the victim has looked', () => Promise.resolve(asked > index))
  }
  assert.equal(wanted, 0, 'none of its state was asked for')
  await assertUnharmed(mallory, [anna, ben], ['kept/'])
})

test('a cut that leaves out what others wrote makes nothing of that vanish', async () => {
  await using mallory = await join()
  // Acknowledged, on two disks, and not known to mallory.
  await ben.shoal('put', '--ack', 'copied', ben.home + '/config.yaml', '/acked')
  // What ben had not seen when it wrote that.
  const { peer } = mallory.identity
  const own = mallory.entry([
    { kind: 'member-info', peer, name: 'mallory2', zone: '', capacityBytes: 7 },
  ])
  const entry = announcement(mallory, own)
  for (const victim of [anna, ben]) {
    await mallory.give(victim, [own, entry])
    const { bytes } = attestationOf(mallory, entry)
    await mallory.say(victim, [{ kind: 'attestations', attestations: [bytes] }])
  }
  for (const victim of [anna, ben]) {
    const { proposed, late } = (await victim.volume()).log
    assert.ok(proposed !== undefined, 'it is known, as a proposal')
    assert.ok(proposed.missing.includes('anna') && proposed.missing.includes('ben'))
    assert.deepEqual(late, [])
  }
  await assertUnharmed(mallory, [anna, ben], ['kept/', 'acked'])
})

test('a role that a writer grants itself is none, whatever it is written under', async () => {
  await using mallory = await join()
  const { volume, identity } = mallory
  const op: Op = { kind: 'member', peer: identity.peer, role: 'admin', keys: [] }
  const governed = volume.membership.governance.headsIn(() => true)
  const flags = FLAG_CLEAR_BODY | FLAG_GOVERNS
  const origin = { publicKey: identity.publicKey, nonce: mallory.nonce }
  const [founding] = volume.membership.members().filter(({ role }) => role === 'admin')
  const grants = [undefined, founding?.grant, volume.id as string as EntryHash]
  for (const grant of grants) {
    const under = grant === undefined ? {} : { grant }
    const governing = mallory.entry([op], { flags, origin, governed, ...under })
    const plain = mallory.entry([op], under)
    for (const victim of [anna, ben])
      for (const entry of [governing, plain]) await mallory.give(victim, [entry]).catch(() => [])
  }
  await assertUnharmed(mallory, [anna, ben], ['kept/'])
})
