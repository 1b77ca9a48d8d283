// A writer that would be more: it serves checkpoints of its own making, proposes cuts that leave
// out what others wrote, grants itself a role, and names files, folders and dots of an entry that
// is in nobody's past. The others go by the members' attestations, the governing entries, and what
// an entry's author can have seen. But what a member may say, they hear.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  CHECKPOINT_PROTOCOL,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../protocol/wire/checkpoint.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { makeDot } from '../../protocol/clock/dot.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { EntryHash, NodeId, PeerId } from '../../protocol/ids.ts'
import { attest } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import { FLAG_CLEAR_BODY, FLAG_GOVERNS } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { nameFromText, parseXattrName } from '../../protocol/op/names.ts'
import type { Op } from '../../protocol/op/op.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { ROOT, readDir, seenOf } from '../../protocol/tree/records.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'
import { TestVolume } from './test-volume.ts'

const FORGED = 'f0'.repeat(32) as NodeHash

const name = nameFromText
const fileId = (digit: string): NodeId => digit.repeat(32) as NodeId

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

test('what a member in the hands of a test may say is taken by the others', async () => {
  await using mallory = await HostileMember.join(anna, { role: 'reader' })
  const { peer } = mallory.identity
  const op = { kind: 'member-info', peer, name: 'renamed', zone: '', capacityBytes: 1 } as const
  const answers = await mallory.give(anna, [mallory.entry([op])])
  assert.equal(answers.at(-1)?.kind, 'durable')
  await eventually('an admin calls it so', async () =>
    (await anna.status()).peers.some(({ name }) => name === 'renamed'),
  )
})

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
  // An entry that ben had not seen when it wrote that.
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

test('a member that may not govern takes itself out, and nobody with it', async () => {
  for (const role of ['writer', 'reader', 'keeper'] as const) {
    await using mallory = await HostileMember.join(anna, { name: `leaver-${role}`, role })
    await cluster.converged()
    await mallory.fetch(anna)
    const { peer } = mallory.identity
    const benPeer = (await ben.status()).node.id
    const removal = (whom: PeerId): Op => ({ kind: 'remove-member', peer: whom })
    const governs = true
    const refused = [
      mallory.entry([removal(benPeer)], { governs }),
      mallory.entry([removal(peer), removal(benPeer)], { governs }),
      mallory.entry([removal(peer), { kind: 'policy', key: 'class', value: 'copies1' }], {
        governs,
      }),
      mallory.entry([], { governs, body: new Uint8Array(8) }),
    ]
    for (const victim of [anna, ben])
      for (const entry of refused) await mallory.give(victim, [entry]).catch(() => [])
    for (const victim of [anna, ben]) {
      const ids = (await victim.status()).peers.map(({ id }) => id)
      assert.ok(ids.includes(peer), `${role}: nothing else was said`)
    }
    const departure = mallory.entry([removal(peer)], { governs })
    // Its second one is under a role that it has given up.
    const { actor, seq, hlc } = departure.header
    const next = { actor, seq: seq + 1, prev: departure.hash, deps: [], hlc: (hlc + 1n) as Hlc }
    const again = mallory.entry([removal(peer)], { governs, ...next, governed: [departure.hash] })
    for (const victim of [anna, ben]) await mallory.give(victim, [departure, again]).catch(() => [])
    for (const victim of [anna, ben])
      await eventually(`${victim.name} has it as no member`, async () =>
        (await victim.status()).peers.every(
          ({ id, volumes }) => id !== peer || volumes.every(({ role: is }) => is === undefined),
        ),
      )
    const names = (await anna.status()).peers.map(({ id }) => id)
    assert.ok(names.includes(benPeer))
  }
  await anna.shoal('mkdir', '/after they left')
  await cluster.converged()
  assert.match(await ben.shoal('ls', '/'), /after they left/)
})

test('what a writer names and has not seen is not there for it, whoever has it', async () => {
  const volume = await TestVolume.make([anna, ben], 'unseen')
  await anna.shoal('mkdir', volume.at('/kept'))
  await using mallory = await HostileMember.join(anna, { volume: volume.name })
  await volume.converged()
  const [made, named] = entriesOf(mallory)
  await Promise.all([anna, ben].map((victim) => mallory.dial(victim)))
  await Promise.all([give(mallory, anna, [made, named]), give(mallory, ben, [named, made])])
  await volume.converged()
  const [first, other] = await Promise.all([anna, ben].map((node) => seen(volume, node)))
  assert.deepEqual(first, other)
  assert.deepEqual(first, { root: ['kept/', 'new/'], folder: ['file'], mode: 0o600 })
})

/**
 * An entry that makes things, and one, of another incarnation, that has not seen it and names them.
 */
function entriesOf(mallory: HostileMember): [Entry, Entry] {
  const { view } = mallory.volume
  const kept = freshDirId(view, ROOT, name('kept')).slice(0, -8) + '00000000'
  const folder = freshDirId(view, ROOT, name('new'))
  const [inode, link, another, its] = ['a', 'b', 'c', 'd'].map(fileId) as [
    NodeId,
    NodeId,
    NodeId,
    NodeId,
  ]
  const dir = kept as NodeId
  const made = alone(mallory, [
    { kind: 'mkdir', id: folder, parent: ROOT, name: name('new'), attributes: {} },
    {
      kind: 'create',
      inode,
      link,
      parent: folder,
      name: name('file'),
      attributes: { mode: 0o600 },
      target: undefined,
    },
    { kind: 'move-dir', id: dir, from: ROOT, parent: ROOT, name: name('kept'), saw: [] },
  ])
  const { actor } = made.header
  const attributes = { mode: 0o777 }
  const saw = [makeDot(actor, 1, 1)]
  const named = alone(mallory, [
    {
      kind: 'create',
      inode: another,
      link: its,
      parent: folder,
      name: name('inner'),
      attributes,
      target: undefined,
    },
    { kind: 'attributes', id: inode, attributes },
    { kind: 'xattr', id: folder, name: parseXattrName('user.a'), value: Uint8Array.of(1) },
    { kind: 'move', link, inode, from: folder, parent: ROOT, name: name('stolen'), saw },
    {
      kind: 'rmdir',
      id: dir,
      from: ROOT,
      saw: [...presenceOf(mallory, dir), makeDot(actor, 1, 2)],
    },
  ])
  return [made, named]
}

function presenceOf({ volume }: HostileMember, id: NodeId): readonly Dot[] {
  const dir = readDir(volume.view, id)
  return dir === undefined ? [] : seenOf(volume.view, 'dir', id, dir)
}

/** The first entry of an incarnation of its own: it has seen what mallory's node had. */
function alone(mallory: HostileMember, ops: readonly Op[]): Entry {
  return mallory.entry(ops, { ...mallory.first(), sealed: true })
}

/** One after the other, in this order. */
async function give(
  mallory: HostileMember,
  victim: TestNode,
  entries: readonly Entry[],
): Promise<void> {
  await mallory.say(
    victim,
    entries.map((entry) => ({ kind: 'entries', entries: [entry] })),
  )
}

async function seen(
  volume: TestVolume,
  node: TestNode,
): Promise<{ root: string[]; folder: string[]; mode: number | undefined }> {
  const lines = async (path: string): Promise<string[]> =>
    (await node.shoal('ls', volume.at(path))).split('\n').filter((line) => line !== '')
  const [root, folder] = [await lines('/'), await lines('/new')]
  const { mode } = await node.json<{ mode: number }>('stat', volume.at('/new/file'))
  return { root, folder, mode }
}
