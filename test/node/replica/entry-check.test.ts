// The harm that one bad writer can do to the log: nothing that jams it or parts the others
// (docs/formats/log.md#validity).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameFromText } from '../../../protocol/op/names.ts'
import { ROOT } from '../../../protocol/tree/records.ts'
import { concatBytes } from '../../../protocol/bytes.ts'
import { encodeCbor } from '../../../protocol/cbor.ts'
import { zstdCompress } from '../../../protocol/compress.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { BATCH_PLAIN_MAX } from '../../../protocol/limits.ts'
import { encodeBatch, sealBody } from '../../../protocol/log/batch.ts'
import { freshDirId } from '../../../protocol/tree/dir-ids.ts'
import { MemoryState } from '../../protocol/tree/sites.ts'
import { FLAG_CLEAR_BODY } from '../../../protocol/log/entry.ts'
import { Replica, exchange, forge, forgeOps, send } from '../log/replicas.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { Op } from '../../../protocol/op/op.ts'

const POLICY: Op = { kind: 'policy', key: 'ack', value: 'placed' }
const NAME = nameFromText('forged')
const MKDIR: Op = {
  kind: 'mkdir',
  id: freshDirId(new MemoryState(), ROOT, NAME),
  parent: ROOT,
  name: NAME,
  attributes: {},
}

interface Volume4 {
  readonly admin: Replica
  readonly bad: Replica
  readonly reader: Replica
  readonly keeper: Replica
}

async function fourMembers(): Promise<Volume4> {
  const admin = await Replica.founder('admin')
  const bad = await admin.member('bad')
  const reader = await admin.member('reader', 'reader')
  const keeper = await admin.member('keeper', 'keeper')
  await bad.volumes.describeSelf(bad.volume)
  bad.write('before', 'honest')
  await exchange(admin, bad, reader, keeper)
  return { admin, bad, reader, keeper }
}

/** Bodies that a writer's signature is on and nobody can read, by what is wrong with them. */
function badBodies(by: Replica): Record<string, Entry> {
  const { volume } = by
  const hlc = (volume.actors.hlc + 1n) as Hlc
  const seq = (volume.actors.get(volume.actor)?.seq ?? 0) + 1
  const secret = volume.membership.secret(1) ?? new Uint8Array()
  const context = { volume: volume.id, actor: volume.actor, seq, hlc }
  const sealed = (plain: Uint8Array): Entry =>
    forge(by, { body: sealBody(secret, context, plain, new Uint8Array(32)), fields: { hlc } })
  const clear = (body: Uint8Array): Entry => forge(by, { body, fields: { flags: FLAG_CLEAR_BODY } })
  const late = zstdCompress(encodeCbor([2, []]))
  const bad = zstdCompress(encodeCbor([1, [{ o: 'mkdir', id: 7 }]]))
  return {
    'does not open': forge(by, { body: new Uint8Array(100) }),
    'is empty': forge(by, { body: new Uint8Array() }),
    'is of an epoch nobody has': forge(by, { body: new Uint8Array(100), fields: { epoch: 9 } }),
    'is sealed and no zstd': sealed(new Uint8Array(10)),
    'is sealed and malformed': sealed(bad),
    'is sealed and of a later version': sealed(late),
    'is clear and of a later version': clear(late),
  }
}

/** Bodies that everyone can see to be no batch. */
function noBatches(): Record<string, Uint8Array> {
  const ops = (value: unknown): Uint8Array => zstdCompress(encodeCbor([1, value]))
  const batch = encodeBatch([MKDIR])
  return {
    nothing: new Uint8Array(),
    'no zstd': new Uint8Array(10),
    'two frames': concatBytes([batch, batch]),
    'no list of ops': ops(7),
    'an op that is malformed': ops([{ o: 'mkdir' }]),
    'not canonical': zstdCompress(Uint8Array.of(0x82, 0x18, 1, 0x80)),
    'too many items': ops(Array.from({ length: 200 }, () => Array.from({ length: 400 }, () => 0))),
    'nested too deep': zstdCompress(
      Uint8Array.from([0x82, 1, ...new Uint8Array(30).fill(0x81), 0x80]),
    ),
    'more than it may unpack to': ops([{ o: 'unknown', x: new Uint8Array(BATCH_PLAIN_MAX) }]),
  }
}

describe('a bad writer', () => {
  test('an entry with an unreadable body is held by all, and later ones are applied', async () => {
    const kinds = Object.keys(badBodies((await fourMembers()).bad))
    for (const kind of kinds) {
      const { admin, bad, reader, keeper } = await fourMembers()
      const entry = badBodies(bad)[kind]
      assert.ok(entry !== undefined)
      // The keeper takes it and points to it, as anyone may.
      for (const replica of [keeper, admin, reader])
        assert.equal(replica.volume.receive(entry), 'applied', kind)
      await keeper.volumes.describeSelf(keeper.volume)
      admin.write('after', 'honest')
      const fresh = await admin.member('fresh')
      await exchange(admin, reader, keeper, fresh)
      for (const replica of [reader, fresh]) {
        assert.deepEqual(await replica.names(), ['after', 'before'], kind)
        assert.equal(await replica.dump(), await admin.dump(), kind)
      }
      assert.equal(admin.notes.length, 1, kind)
    }
  })

  test('an entry whose clear body is not a batch is refused by all, and by a voter', async () => {
    const { admin, bad, reader, keeper } = await fourMembers()
    for (const [kind, body] of Object.entries(noBatches())) {
      const entry = forge(bad, { body, fields: { flags: FLAG_CLEAR_BODY } })
      for (const { volume } of [admin, reader, keeper]) {
        assert.throws(() => volume.receive(entry), { code: 'malformed' }, kind)
        assert.throws(() => volume.tentative.verdictOn(entry), { code: 'malformed' }, kind)
      }
    }
    // Of an unknown kind an op is skipped, and the entry is taken.
    const body = zstdCompress(encodeCbor([1, [{ o: 'of the future', x: 1 }]]))
    const entry = forge(bad, { body, fields: { flags: FLAG_CLEAR_BODY } })
    for (const { volume } of [admin, reader, keeper]) assert.equal(volume.receive(entry), 'applied')
  })

  test('an entry whose clock is not above that of its past is refused by all', async () => {
    const { admin, bad, reader, keeper } = await fourMembers()
    await send(admin, bad)
    admin.clock.advance(60_000)
    admin.write('later', 'x')
    await send(admin, bad)
    const [dep] = bad.volume.actors
      .dependenciesFor(bad.volume.actor)
      .filter(({ actor }) => actor === admin.volume.actor)
    assert.ok(dep !== undefined)
    const depHlc = bad.volume.entries.entry(dep.actor, dep.seq)?.header.hlc ?? HLC_ZERO
    for (const hlc of [depHlc, (depHlc - 1n) as Hlc]) {
      const entry = forge(bad, { body: encodeBatch([]), fields: { hlc, flags: FLAG_CLEAR_BODY } })
      await exchange(admin, reader, keeper)
      for (const replica of [admin, reader, keeper])
        assert.throws(() => replica.volume.receive(entry), { code: 'malformed' })
    }
    // Also where the dep is not the latest entry of its actor.
    const late = forge(bad, {
      body: encodeBatch([]),
      fields: { hlc: (depHlc + 1n) as Hlc, flags: FLAG_CLEAR_BODY },
    })
    const early = forge(bad, {
      body: encodeBatch([]),
      fields: { hlc: depHlc, flags: FLAG_CLEAR_BODY },
    })
    admin.clock.advance(60_000)
    admin.write('latest', 'x')
    await admin.volume.commit()
    assert.throws(() => admin.volume.receive(early), { code: 'malformed' })
    assert.equal(admin.volume.receive(late), 'applied')
  })

  test('an op without permission has no effect on any replica', async () => {
    const entries: readonly ((bad: Replica, admin: Replica) => Entry)[] = [
      (bad) => forgeOps(bad, [POLICY, MKDIR]),
      (bad, admin) => forgeOps(bad, [removal(admin), MKDIR]),
      (bad, admin) => forgeOps(bad, [removal(admin), MKDIR], true),
    ]
    for (const [index, make] of entries.entries()) {
      const { admin, bad, reader, keeper } = await fourMembers()
      const entry = make(bad, admin)
      for (const replica of [admin, reader, keeper])
        assert.equal(replica.volume.receive(entry), 'applied')
      await exchange(admin, reader, keeper)
      for (const replica of [admin, reader]) {
        assert.equal(replica.volume.membership.policy('ack'), undefined)
        assert.ok(replica.volume.membership.member(admin.identity.peer) !== undefined)
        // An op about the tree counts where a body is sealed, as the others' do.
        assert.deepEqual(await replica.names(), index < 2 ? ['before', 'forged'] : ['before'])
        assert.equal(await replica.dump(), await admin.dump())
      }
    }
  })

  test('a policy set by an admin holds on every replica that may read', async () => {
    const { admin, bad, reader, keeper } = await fourMembers()
    admin.volume.submit(POLICY)
    await exchange(admin, bad, reader, keeper)
    for (const replica of [admin, bad, reader])
      assert.equal(replica.volume.membership.policy('ack'), 'placed')
    assert.equal(keeper.volume.membership.policy('ack'), undefined)
  })

  test('a member without the right to write cannot, whatever it sends', async () => {
    const { admin, reader, keeper } = await fourMembers()
    for (const replica of [reader, keeper]) {
      await replica.volumes.describeSelf(replica.volume)
      await send(replica, admin)
      assert.throws(() => admin.volume.receive(forgeOps(replica, [MKDIR])), {
        code: 'not-a-member',
      })
    }
  })
})

function removal(of: Replica): Op {
  return { kind: 'remove-member', peer: of.identity.peer }
}
