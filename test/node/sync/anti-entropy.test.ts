// Exchanges of logs between two nodes, one of which may be wrong (docs/formats/sync.md#shoallog1).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { summaryOf } from '../../../node/log/log-summary.ts'
import { Inbox } from '../../../node/log/inbox.ts'
import { LogSync } from '../../../node/sync/anti-entropy.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { decodeEntry } from '../../../protocol/log/entry.ts'
import { LOG_PROTOCOL, decodeLogMessage, encodeLogMessage } from '../../../protocol/wire/log.ts'
import { instant } from '../../../simulations/clock.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meetAll } from '../log/machines.ts'
import { Replica, exchange } from '../log/replicas.ts'
import { channelPair, networkOf } from '../log/wires.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { Channel } from '../../../node/world/world.ts'
import type { EntryHash, PeerId } from '../../../protocol/ids.ts'
import type { LogMessage } from '../../../protocol/wire/log.ts'

interface Synced {
  readonly sync: LogSync
  readonly refused: ShoalError[]
  /** Peers to exchange with once more, and those to start from the checkpoints of. */
  readonly forked: PeerId[]
  readonly truncated: PeerId[]
  serve: (channel: Channel) => Promise<void>
  open: () => Channel
}

async function syncOf(replica: Replica): Promise<Synced> {
  const refused: ShoalError[] = []
  const forked: PeerId[] = []
  const truncated: PeerId[] = []
  const closed = new ShoalError('unreachable', 'nobody there')
  const state = {
    serve: (_channel: Channel): Promise<void> => Promise.reject(closed),
    open: (): Channel => {
      throw closed
    },
  }
  const network = networkOf(replica.identity.peer, {
    handle: async (_protocol, serve) => void (state.serve = serve),
    open: async () => state.open(),
  })
  const clock = instant(replica.clock)
  const world = { clock, network, random: new SeededRandom(1, 'sync') }
  const inbox = new Inbox({ volume: replica.volume, clock })
  const sync = new LogSync({
    world,
    volumeOf: () => replica.volume,
    inboxOf: () => inbox,
    isMember: () => true,
    onRefused: (_volume, error) => refused.push(error),
    onForked: (_volume, peer) => forked.push(peer),
    onTruncated: (_volume, peer) => truncated.push(peer),
    onDurable: () => undefined,
    onWhole: () => undefined,
  })
  await sync.start()
  return Object.assign(state, { sync, refused, forked, truncated })
}

/** One exchange that `a` begins. */
async function syncPair(a: Replica, b: Replica): Promise<[Synced, Synced]> {
  const [one, two] = [await syncOf(a), await syncOf(b)]
  let served: Promise<void> | undefined
  one.open = () => {
    const [here, there] = channelPair(a.identity.peer, b.identity.peer, LOG_PROTOCOL)
    served = two.serve(there).catch((error: Error) => there.abort(error))
    return here
  }
  await one.sync.sync(a.volume, b.identity.peer)
  await served
  return [one, two]
}

/**
 * A member, and the same one restored from a copy of its disk that is older than what it wrote, as
 * others did.
 */
async function restoredMember(): Promise<{
  readonly founder: Replica
  readonly other: Replica
  readonly member: Replica
  readonly restored: Replica
}> {
  const founder = await Replica.founder('founder')
  const other = await founder.member('other')
  const member = await founder.member('member')
  // Or it would do that first of all.
  await member.volumes.describeSelf(member.volume)
  member.write('base', 'x')
  await member.volume.commit()
  const restored = await member.clone('restored')
  for (let n = 0; n < 3; n++) {
    founder.write(`of the founder ${n}`, 'x')
    await exchange(founder, other, member)
    member.write(`forgotten ${n}`, 'x')
    await exchange(founder, member, other)
  }
  return { founder, other, member, restored }
}

function entriesOf(replica: Replica): Entry[] {
  return [...replica.volume.actors.vector()].flatMap(([actor, last]) =>
    Array.from({ length: last }, (_, seq) =>
      decodeEntry(replica.volume.entries.bytes(actor, seq + 1) ?? new Uint8Array()),
    ),
  )
}

describe('an exchange of logs', () => {
  test('leaves both with all entries that either had', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (let n = 0; n < 300; n++) (n % 2 === 0 ? a : b).write(`f${n}`, 'x'.repeat(n))
    await syncPair(a, b)
    assert.equal(await a.dump(), await b.dump())
    assert.equal((await a.names()).length, 300)
  })

  test("takes repeated, unordered or unknown actors' entries without harm or loss", async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (let n = 0; n < 20; n++) {
      a.write(`f${n}`, 'x')
      await a.volume.commit()
    }
    const entries = entriesOf(a)
    const synced = await syncOf(b)
    const send = async (list: readonly Entry[]): Promise<void> => {
      const [here, there] = channelPair(a.identity.peer, b.identity.peer, LOG_PROTOCOL)
      const options = { signal: new AbortController().signal }
      const message = async (m: Parameters<typeof encodeLogMessage>[0]): Promise<void> =>
        here.send([encodeLogMessage(m)], options)
      await message({ kind: 'hello', volume: a.volume.id, log: summaryOf(a.volume) })
      await message({ kind: 'entries', entries: list })
      await message({ kind: 'done' })
      await message({ kind: 'durable', log: summaryOf(a.volume) })
      await synced.serve(there)
    }
    const stranger = await (await Replica.founder('c')).member('d')
    await send(entries.toReversed())
    await send([...entries.slice(5, 10), ...entries.slice(5, 10)])
    await assert.rejects(send(entriesOf(stranger)), { code: 'malformed' })
    // Those that came before their past have waited for it.
    assert.deepEqual(await b.names(), await a.names())
    await send([...entries, ...entries])
    assert.equal(await a.dump(), await b.dump())
  })

  test('brings both branches of a forked chain, and asks for one more exchange', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const c = await a.member('c')
    await exchange(a, b, c)
    c.write('base', 'x')
    await exchange(a, b, c)
    const copy = await c.clone('copy of c')
    c.write('on the disk', 'x')
    copy.clock.advance(5)
    copy.write('on its copy', 'x')
    await exchange(a, c)
    await exchange(b, copy)
    a.write('from a', 'x')
    b.write('from b', 'x')
    const machines = [new Machine(a), new Machine(b)]
    const settled = (): Promise<unknown> => Promise.all(machines.map((one) => one.settled()))
    const [one, two] = await syncPair(a, b)
    // b has more of the chain than a, and so took what a holds of it for a part of that.
    assert.deepEqual([one.forked, two.forked], [[b.identity.peer], []])
    await settled()
    const [, again] = await syncPair(a, b)
    assert.deepEqual([...one.refused, ...two.refused, ...again.refused], [])
    await settled()
    assert.equal(await a.dump(), await b.dump())
    assert.deepEqual(await a.names(), ['base', 'from a', 'from b', 'on its copy', 'on the disk'])
    for (const machine of machines) await machine.stop()
  })

  test('tells an author beside what a checkpoint has settled to start from that', async () => {
    const a = await Replica.founder('a')
    const c = await a.member('c')
    c.write('base', 'x')
    await exchange(a, c)
    const copy = await c.clone('copy of c')
    copy.write('on its copy', 'x')
    for (let n = 0; n < 3; n++) c.write(`on the disk ${n}`, 'x')
    const machines = [new Machine(a), new Machine(c)]
    await meetAll(machines)
    for (let round = 0; round < 2; round++) {
      beacons(machines)
      await machines[0]?.makeCheckpoint()
      await meetAll(machines)
    }
    const [one] = await syncPair(copy, a)
    assert.deepEqual(one.truncated, [a.identity.peer])
    for (const machine of machines) await machine.stop()
  })

  test('is not misled by a peer that claims to have more of the log of this node', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    b.write('f', 'x')
    await b.volume.commit()
    const { actor } = b.volume
    const log = summaryOf(b.volume)
    const vector = new Map(log.vector).set(actor, 10_000)
    const claimed = {
      ...log,
      vector,
      tips: new Map(log.tips).set(actor, '11'.repeat(32) as EntryHash),
    }
    const [here, there] = channelPair(a.identity.peer, b.identity.peer, LOG_PROTOCOL)
    for (const message of [
      { kind: 'hello', volume: b.volume.id, log: claimed },
      { kind: 'done' },
      { kind: 'durable', log: claimed },
    ] as LogMessage[])
      await here.send([encodeLogMessage(message)], { signal: new AbortController().signal })
    const { serve } = await syncOf(b)
    await serve(there)
    assert.equal(b.volume.actor, actor)
  })

  test('makes a restored node another actor at the first entry that proves it', async () => {
    const { member, restored } = await restoredMember()
    // Others wrote before: what it has forgotten would come long after.
    const [here, there] = channelPair(restored.identity.peer, member.identity.peer, LOG_PROTOCOL)
    const { signal } = new AbortController()
    const { serve } = await syncOf(member)
    const served = serve(there)
    const hello = {
      kind: 'hello',
      volume: member.volume.id,
      log: summaryOf(restored.volume),
    } as const
    await here.send([encodeLogMessage(hello)], { signal })
    let first: Entry | undefined
    while (first === undefined) {
      const message = decodeLogMessage((await here.receive({ signal })) ?? new Uint8Array())
      if (message.kind === 'entries') first = message.entries[0]
    }
    here.abort(new ShoalError('stopped', 'that is all'))
    await assert.rejects(served)
    const { actor } = restored.volume
    const inbox = new Inbox({ volume: restored.volume, clock: restored.clock })
    assert.equal(inbox.take({ ...first, signature: new Uint8Array(64) }), 'missing-past')
    assert.equal(restored.volume.actor, actor, 'no proof')
    assert.equal(inbox.take(first), 'missing-past')
    assert.notEqual(restored.volume.actor, actor)
    await syncPair(restored, member)
    assert.deepEqual(await restored.names(), await member.names())
    restored.write('more', 'x')
    await syncPair(restored, member)
    assert.ok(restored.volume.branches.isEmpty)
    inbox.stop()
  })

  test('makes a restored node another actor also if that part of the log is dropped', async () => {
    const { founder, other, member, restored } = await restoredMember()
    const { actor } = restored.volume
    const machines = [founder, other, member].map((replica) => new Machine(replica))
    beacons(machines)
    await machines[0]?.makeCheckpoint()
    await meetAll(machines)
    beacons(machines)
    for (const machine of machines) await machine.settled()
    assert.ok((member.volume.entries.dropped.get(actor) ?? 0) > 1)
    const back = new Machine(restored)
    const [one] = await syncPair(restored, member)
    assert.deepEqual(one.truncated, [member.identity.peer])
    const [, , source] = machines
    assert.ok(source !== undefined)
    await back.startFrom(source)
    assert.notEqual(restored.volume.actor, actor)
    for (const machine of [...machines, back]) await machine.stop()
  })

  test('shares the next run between calls made during one', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    let opened = 0
    const [one, two] = [await syncOf(a), await syncOf(b)]
    one.open = () => {
      opened++
      const [here, there] = channelPair(a.identity.peer, b.identity.peer, LOG_PROTOCOL)
      two.serve(there).catch((error: Error) => there.abort(error))
      return here
    }
    await Promise.all(Array.from({ length: 10 }, () => one.sync.sync(a.volume, b.identity.peer)))
    assert.equal(opened, 2)
  })
})
