// An entry that is valid and cannot be applied here: nothing of it is kept, nothing of it is
// skipped, the node goes on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Inbox } from '../../../node/log/inbox.ts'
import { StoppedEntry } from '../../../node/log/stopped-entry.ts'
import { StateView } from '../../../node/state/state-view.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { MemoryStore, Replica, send } from './replicas.ts'
import type { Replica as State } from '../../../node/replica/replica.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { WallTime } from '../../../protocol/units.ts'

const NONE = { code: 'EIO' }

/**
 * The state of a member breaks half-way through the first entry of another that it takes from now
 * on.
 */
function breakState({ volume }: Replica): void {
  const state = volume.replica as { apply: State['apply'] }
  const { apply } = state
  state.apply = (entry, ...how) => {
    if (entry.header.actor === volume.actor) return apply.call(volume.replica, entry, ...how)
    volume.view.put('x', new Uint8Array([1]))
    throw new TypeError('a bug')
  }
}

interface Cast {
  readonly anna: Replica
  readonly ben: Replica
  /** Two entries of ben that anna lacks, the later on the earlier. */
  readonly bad: Entry
  readonly next: Entry
}

async function cast(): Promise<Cast> {
  const anna = await Replica.founder('anna')
  const ben = await anna.member('ben')
  anna.write('before', 'x')
  await anna.volume.commit()
  const entries: Entry[] = []
  ben.volume.onOwnEntries((own) => entries.push(...own))
  for (const name of ['bad', 'next']) {
    ben.write(name, 'x')
    await ben.volume.commit()
  }
  const [bad, next] = entries.slice(-2)
  assert.ok(bad !== undefined && next !== undefined)
  return { anna, ben, bad, next }
}

describe('an entry that breaks the state', () => {
  test('an entry that breaks the state leaves nothing behind, and stops all changes', async () => {
    const { anna, ben, bad, next } = await cast()
    const events: SecurityEvent[] = []
    anna.volume.events.security.add((event) => events.push(event))
    const before = await anna.dump()
    breakState(anna)
    anna.write('never acknowledged', 'x')
    assert.throws(() => anna.volume.receive(bad), NONE)
    assert.throws(() => anna.volume.receive(next), NONE)
    assert.throws(() => anna.write('more', 'x'), NONE)
    await assert.rejects(anna.volume.commit(), NONE)
    assert.equal(await anna.dump(), before)
    assert.ok(anna.volume.stop.isHalted)
    assert.equal(anna.volume.stop.at?.entry, bad.hash)
    assert.match(anna.volume.stop.at.reason, /a bug/)
    assert.deepEqual(
      events.map(({ kind, peer }) => [kind, peer]),
      [['volume-stopped', ben.identity.peer]],
    )
    // What it has, others still get, and it takes nothing.
    const inbox = new Inbox(anna)
    inbox.takeAll([bad, next], assert.fail)
    assert.deepEqual(anna.volume.durableVector(), (await anna.reopen()).volume.durableVector())
    inbox.stop()
  })

  test('a breaking entry is skipped after a restart with all that follows it', async () => {
    const { anna, ben, bad, next } = await cast()
    breakState(anna)
    assert.throws(() => anna.volume.receive(bad), NONE)
    await anna.volume.close()
    const again = await anna.reopen()
    again.clock.advance(anna.clock.wall() - again.clock.wall())
    assert.ok(!again.volume.stop.isHalted)
    assert.equal(again.volume.receive(bad), 'stopped')
    assert.equal(again.volume.receive(next), 'missing-past')
    again.write('mine', 'x')
    const cleo = await again.member('cleo')
    await send(cleo, again)
    cleo.write('of cleo', 'x')
    await send(cleo, again)
    assert.deepEqual(await again.names(), ['before', 'mine', 'of cleo'])
    // A day later it is tried again; all is as if nothing had been.
    again.clock.advance(DAY_MS)
    for (const entry of [bad, next]) assert.equal(again.volume.receive(entry), 'applied')
    await again.volume.commit()
    assert.equal(again.volume.stop.at, undefined)
    await send(again, ben)
    await send(ben, again)
    assert.equal(await again.dump(), await ben.dump())
    assert.equal((await again.reopen()).volume.stop.at, undefined)
  })

  test('a breaking entry is retried when the owner asks for it', async () => {
    const { anna, bad } = await cast()
    breakState(anna)
    assert.throws(() => anna.volume.receive(bad), NONE)
    await anna.volume.close()
    const again = await anna.reopen()
    assert.equal(again.volume.receive(bad), 'stopped')
    await again.volume.stop.retry()
    assert.equal(again.volume.receive(bad), 'applied')
  })
})

describe('a node that crashes again and again', () => {
  const clock = { wall: () => 1_800_000_000_000 as WallTime }
  const open = (store: MemoryStore, version = '1', isCareful = true): StoppedEntry =>
    new StoppedEntry({ view: new StateView(store.kv, 'ab'), store, clock, version, isCareful })

  test('a crashing node stops at the entry that crashed it twice, and at no other', async () => {
    const { bad, next, anna, ben } = await cast()
    const author = ben.identity.peer
    const store = new MemoryStore()
    const held = new Set<string>()
    const start = (version?: string): StoppedEntry => {
      const stop = open(store, version)
      stop.examine((_actor, _seq, entry) => held.has(entry))
      return stop
    }
    await start().before(bad, author)
    const second = start()
    assert.equal(second.at, undefined, 'once may be chance')
    // Others come first, and are taken.
    await second.before(next, author)
    held.add(next.hash)
    await second.before(bad, author)
    const third = start()
    assert.ok(third.holds(bad.hash))
    assert.match(third.at?.reason ?? '', /2 times/)
    await third.before(next, author)
    assert.ok(start().holds(bad.hash), 'also after the next start')
    assert.ok(!start('2').holds(bad.hash), 'a newer program tries again')
    assert.ok(anna.volume.stop.at === undefined)
  })
})
