// The attestations by which a replica believes a checkpoint: of enough members, an admin among
// them; and the fate of members that were away.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { announce, examine, governedHere } from '../../../node/checkpoint/announcement.ts'
import { hearAttestation } from '../../../node/replica/attestations.ts'
import { lateEntries } from '../../../node/log/late-entries.ts'
import { applySettings } from '../../../node/log/settings.ts'
import { waitedFor } from '../../../node/log/stability.ts'
import { HLC_MAX } from '../../../protocol/clock/hlc.ts'
import { attest } from '../../../protocol/log/attestation.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import {
  Machine,
  beacons,
  checkpoint,
  checkpointServer,
  fetchCheckpoint,
  meet,
  meetAll,
  tellAttestations,
} from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'
import type { EntryHash } from '../../../protocol/ids.ts'
import type { NodeHash } from '../../../protocol/prolly/prolly.ts'
import type { Role } from '../../../protocol/roles.ts'

const FORGED = 'f0'.repeat(32) as NodeHash

/** A founder and others in these roles, who hold the same. */
async function house(...roles: readonly Role[]): Promise<Machine[]> {
  const founder = await Replica.founder('a')
  const machines = [new Machine(founder)]
  for (const [index, role] of roles.entries()) {
    founder.clock.advance(10)
    machines.push(new Machine(await founder.member('bcdefg'.charAt(index), role)))
  }
  founder.write('shared', 'x')
  await exchange(...machines.map(({ replica }) => replica))
  return machines
}

/** Propose what a replica holds as a cut, with roots that only it has, and attest that. */
async function lie({ volume, replica }: Machine): Promise<EntryHash> {
  const cut = { hlc: volume.actors.hlc, vector: volume.actors.vector(), before: undefined }
  const governed = governedHere(volume)
  const id = announce(volume, { ...cut, governed, clear: FORGED, sealed: FORGED })
  assert.ok(id !== undefined)
  const state = { cut: id, clear: FORGED, sealed: FORGED }
  hearAttestation(volume, attest(replica.identity, volume.id, state))
  await volume.commit()
  return id
}

describe('a checkpoint proposal', () => {
  test('counts only once a majority attests it, an admin among them', async () => {
    const [a, b, c] = (await house('writer', 'reader')) as [Machine, Machine, Machine]
    beacons([a, b, c])
    await b.makeCheckpoint()
    const [proposed] = b.volume.cuts.proposed
    assert.ok(proposed !== undefined, b.notes.join())
    await exchange(b.replica, c.replica)
    await c.checkpoints.look()
    await tellAttestations([b, c])
    assert.equal(b.volume.attestations.of(proposed.id).length, 2)
    assert.equal(b.volume.checkpoint, undefined, 'two of three, but no admin')
    await exchange(b.replica, a.replica)
    await a.checkpoints.look()
    await tellAttestations([a, b, c])
    for (const { volume } of [a, b, c]) assert.equal(volume.checkpoint?.hlc, proposed.hlc)
  })

  test('a proposal with a false state is attested by nobody, and drops nothing', async () => {
    const [a, b, c] = (await house('writer', 'writer')) as [Machine, Machine, Machine]
    const id = await lie(c)
    await meetAll([a, b, c])
    for (const { volume } of [a, b]) {
      assert.equal(volume.cuts.get(id)?.counts, false)
      assert.equal(volume.checkpoint, undefined)
      assert.equal(volume.entries.dropped.size, 0)
    }
    assert.match(a.notes.join(), /the state of this node at .* differs/)
  })

  test('a proposal that would make an entry late is not attested by its holders', async () => {
    const [a, b, c] = (await house('writer', 'writer')) as [Machine, Machine, Machine]
    b.replica.write('acked', 'by b and a')
    await exchange(a.replica, b.replica)
    // c, which knows nothing of it, proposes what it holds itself, of which b had not seen all.
    c.replica.write('of c', 'x')
    await c.volume.commit()
    const cut = { hlc: c.volume.actors.hlc, vector: c.volume.actors.vector(), before: undefined }
    announce(c.volume, { ...cut, governed: governedHere(c.volume), clear: FORGED, sealed: FORGED })
    await meetAll([a, b, c])
    for (const { volume, replica } of [a, b, c]) {
      assert.deepEqual([...lateEntries(volume)], [])
      assert.ok((await replica.names()).includes('acked'))
    }
    const attesting = a.volume.attestations.all().map(({ peer }) => peer)
    assert.deepEqual(attesting, [c.replica.identity.peer])
  })

  test('does not count if its author states another past than the log', async () => {
    const [a, b] = (await house('writer')) as [Machine, Machine]
    const { volume } = b
    b.replica.write('of b', 'x')
    await volume.commit()
    const vector = volume.actors.vector()
    const governed = governedHere(volume)
    const cut = { hlc: volume.actors.hlc, vector, before: undefined, clear: FORGED, sealed: FORGED }
    const forged = [
      { ...cut, governed, held: new Map([...vector].slice(1)) },
      { ...cut, governed: [], held: vector },
      { ...cut, governed, held: vector, hlc: HLC_MAX },
    ]
    for (const op of forged) {
      volume.submit({ kind: 'checkpoint', ...op })
      await volume.commit()
    }
    await exchange(a.replica, b.replica)
    assert.deepEqual(a.volume.cuts.all, [])
  })
})

describe('a node that was away until the log entries it lacks were dropped', () => {
  test('takes a checkpoint that enough members attest', async () => {
    const [a, b, c] = (await house('writer', 'writer')) as [Machine, Machine, Machine]
    await applySettings(a.volume, { away: '1h' })
    await exchange(a.replica, b.replica)
    for (let n = 0; n < 20; n++) a.replica.write(`f${n}`, 'x')
    for (const { replica } of [a, b]) replica.clock.advance(2 * HOUR_MS)
    await checkpoint(a, b)
    assert.ok(a.volume.entries.dropped.size > 0)
    await meet(c, a)
    assert.equal(c.volume.checkpoint?.hlc, a.volume.checkpoint?.hlc)
    assert.equal((await c.replica.names()).length, 21)
  })

  test('refuses one that too few attest, turns read-only, and names the missing', async () => {
    const [a, b, c, d] = (await house('writer', 'writer', 'writer')) as [
      Machine,
      Machine,
      Machine,
      Machine,
    ]
    await applySettings(a.volume, { away: '1h' })
    await exchange(a.replica, b.replica, d.replica)
    for (let n = 0; n < 20; n++) a.replica.write(`f${n}`, 'x')
    for (const { replica } of [a, b, d]) replica.clock.advance(2 * HOUR_MS)
    await checkpoint(a, b, d)
    const served = await checkpointServer(a.replica)
    // What a alone attests is half of nothing.
    const { peer } = a.replica.identity
    const kept = await c.replica.state()
    const few = fetchCheckpoint(c.replica, a.replica, served, (fetched) => {
      const own = fetched.attestations.filter((one) => one.peer === peer)
      examine(c.volume, { ...fetched, attestations: own }, { from: peer })
    })
    await assert.rejects(few, { code: 'EACCES', message: /missing: b, c, d|missing: / })
    assert.deepEqual(c.volume.stranded?.peer, peer)
    assert.throws(() => c.replica.write('new', 'x'), {
      code: 'EROFS',
      message: new RegExp(`missing: .*accept-checkpoint ${peer}`),
    })
    assert.equal(await c.replica.state(), kept)
    // Its owner may decide otherwise.
    const accepted = await fetchCheckpoint(c.replica, a.replica, served, (fetched) => {
      const own = fetched.attestations.filter((one) => one.peer === peer)
      examine(c.volume, { ...fetched, attestations: own }, { from: peer, accepted: true })
    })
    await c.checkpoints.install(accepted)
    c.volume.strand(undefined)
    await meet(c, a)
    assert.equal((await c.replica.names()).length, 21)
    c.replica.write('new', 'x')
  })

  test('is not made read-only by a checkpoint that no admin attests', async () => {
    const [a, b, c] = (await house('writer', 'writer')) as [Machine, Machine, Machine]
    const id = await lie(c)
    const announcement = c.volume.entries.entry(
      c.volume.actor,
      c.volume.actors.get(c.volume.actor)?.seq ?? 0,
    )
    assert.equal(announcement?.hash, id)
    const cut = c.volume.cuts.get(id)
    assert.ok(cut?.proposal !== undefined && announcement !== undefined)
    const { proposal, ...rest } = cut
    const attestations = c.volume.attestations.of(id)
    const fetched = { ...rest, ...proposal.roots, proposal, announcement, attestations }
    const { peer } = c.replica.identity
    for (const { volume } of [a, b]) {
      assert.throws(() => examine(volume, fetched, { from: peer }), { code: 'EACCES' })
      assert.equal(volume.stranded, undefined)
    }
  })

  test('trusts no checkpoint as a joiner before it learns of its own admission', async () => {
    const [a, b] = (await house('writer')) as [Machine, Machine]
    for (let n = 0; n < 20; n++) a.replica.write(`f${n}`, 'x')
    await checkpoint(a, b)
    const joiner = await Replica.open('joiner')
    joiner.clock.advance(a.replica.clock.wall() - joiner.clock.wall())
    await a.replica.admit(joiner)
    const machine = new Machine(joiner)
    // b has not heard of it.
    await machine.startFrom(b)
    const clockOf = ({ volume }: Machine): unknown => volume.checkpoint?.hlc
    assert.equal(clockOf(machine), undefined)
    await machine.startFrom(a)
    assert.equal(clockOf(machine), clockOf(a))
    assert.ok(!machine.volume.membership.isAwaited())
  })
})

describe('a late entry', () => {
  /** d, who is away, has written a file that c got from it after the others went on without it. */
  async function withLate(): Promise<{ all: [Machine, Machine, Machine]; d: Machine }> {
    const [a, b, c, d] = (await house('writer', 'writer', 'writer')) as Machine[]
    assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
    await applySettings(a.volume, { away: '1h' })
    await exchange(a.replica, b.replica, c.replica)
    for (let n = 0; n < 20; n++) a.replica.write(`f${n}`, 'x')
    beacons([a, b, c])
    for (const { replica } of [a, b, c, d]) replica.clock.advance(2 * HOUR_MS)
    await checkpoint(a, b, c)
    d.replica.write('late', 'of d')
    await d.volume.commit()
    await exchange(c.replica, d.replica)
    await d.stop()
    beacons([a, b, c])
    return { all: [a, b, c], d }
  }

  test('a late entry of an absent writer is repeated by one of its holders', async () => {
    const { all } = await withLate()
    const [a, b, c] = all
    const names = [...lateEntries(c.volume)].map(({ peer }) => c.volume.membership.nameOf(peer))
    assert.equal(names.length, 1)
    assert.ok(!(await c.replica.names()).includes('late'))
    await meetAll(all)
    for (const { replica, volume } of all) {
      const shown = (await replica.names()).filter((name) => name.includes('late'))
      assert.deepEqual(shown, ['late'], replica.name)
      assert.deepEqual([...lateEntries(volume)], [])
    }
    for (const { replica } of all) replica.clock.advance(5 * HOUR_MS)
    beacons(all)
    await meetAll(all)
    for (const { replica } of [b, c]) assert.equal(await replica.state(), await a.replica.state())
  })

  test('a late entry is not repeated by its returning writer if a member has done so', async () => {
    const { all, d } = await withLate()
    await meetAll(all)
    const reopened = await d.replica.reopen()
    reopened.clock.advance(all[0].replica.clock.wall() - reopened.clock.wall())
    const back = new Machine(reopened)
    await meetAll([...all, back])
    for (const { replica } of [...all, back]) {
      const shown = (await replica.names()).filter((name) => name.includes('late'))
      assert.deepEqual(shown, ['late'], replica.name)
    }
  })
})

test('a member that beacons but confirms nothing new is not waited for until it does', async () => {
  const [a, b, c] = (await house('writer', 'writer')) as [Machine, Machine, Machine]
  const { volume } = a
  const { clock } = a.replica
  const named = new Map([b, c].map(({ replica }) => [replica.identity.peer, replica.name]))
  const waited = (): unknown[] => waitedFor(volume, clock).map(({ peer }) => named.get(peer))
  beacons([a, b, c])
  volume.beacons.watch(volume.durableClaim(), clock.wall())
  a.replica.write('more', 'x')
  await volume.commit()
  await exchange(a.replica, b.replica)
  for (let hour = 0; hour < 8; hour++) {
    for (const { replica } of [a, b, c]) replica.clock.advance(HOUR_MS)
    beacons([a, b, c])
    volume.beacons.watch(volume.durableClaim(), clock.wall())
  }
  assert.deepEqual(waited(), ['b'])
  await exchange(a.replica, c.replica)
  beacons([a, b, c])
  volume.beacons.watch(volume.durableClaim(), clock.wall())
  assert.deepEqual(new Set(waited()), new Set(['b', 'c']))
})
