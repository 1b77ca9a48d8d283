// Exchanges of logs between two nodes, one of which may be wrong (docs/formats/sync.md#shoallog1).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LogSync } from '../../../node/namespace/sync.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { decodeEntry } from '../../../protocol/log/entry.ts'
import { LOG_PROTOCOL, encodeLogMessage } from '../../../protocol/wire/log.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { MemoryStore, Replica, exchange } from './replicas.ts'
import { channelPair, networkOf } from './wires.ts'
import type { Entry } from '../../../protocol/log/entry.ts'
import type { Channel } from '../../../node/world/world.ts'

interface Synced {
  readonly sync: LogSync
  readonly forks: ShoalError[]
  serve: (channel: Channel) => Promise<void>
  open: () => Channel
}

async function syncOf(replica: Replica): Promise<Synced> {
  const forks: ShoalError[] = []
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
  const { clock } = replica
  const world = { clock, network, random: new SeededRandom(1, 'sync') }
  const sync = new LogSync({
    world,
    volumeOf: () => replica.volume,
    isMember: () => true,
    onFork: (_volume, error) => forks.push(error),
    onDurable: () => undefined,
  })
  await sync.start()
  return Object.assign(state, { sync, forks })
}

/** One exchange that `a` begins. */
async function syncPair(a: Replica, b: Replica): Promise<[Synced, Synced]> {
  const [one, two] = [await syncOf(a), await syncOf(b)]
  one.open = () => {
    const [here, there] = channelPair(a.identity.peer, b.identity.peer, LOG_PROTOCOL)
    two.serve(there).catch((error: Error) => there.abort(error))
    return here
  }
  await one.sync.sync(a.volume, b.identity.peer)
  return [one, two]
}

function entriesOf(replica: Replica): Entry[] {
  return [...replica.volume.actors.vector()].flatMap(([actor, last]) =>
    Array.from({ length: last }, (_, seq) =>
      decodeEntry(replica.volume.entryBytes(actor, seq + 1) ?? new Uint8Array()),
    ),
  )
}

describe('an exchange of logs', () => {
  test('leaves both with all that either had', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    for (let n = 0; n < 300; n++) (n % 2 === 0 ? a : b).write(`f${n}`, 'x'.repeat(n))
    await syncPair(a, b)
    assert.equal(await a.dump(), await b.dump())
    assert.equal((await a.names()).length, 300)
  })

  test('entries out of order, twice and of actors unknown do no harm, and none is lost', async () => {
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
      await message({ kind: 'hello', volume: a.volume.id, vector: a.volume.durableVector() })
      await message({ kind: 'entries', entries: list })
      await message({ kind: 'done' })
      await message({ kind: 'durable', vector: a.volume.durableVector() })
      await synced.serve(there)
    }
    const stranger = await (await Replica.founder('c')).member('d')
    await send(entries.toReversed())
    await send([...entries.slice(5, 10), ...entries.slice(5, 10)])
    await assert.rejects(send(entriesOf(stranger)), { code: 'malformed' })
    // Of those in the wrong order only the one that was next.
    assert.deepEqual(await b.names(), ['f0'])
    await send([...entries, ...entries])
    assert.equal(await a.dump(), await b.dump())
  })

  test('a fork of one actor does not keep the others from each other', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const c = await a.member('c')
    await exchange(a, b, c)
    c.write('base', 'x')
    await exchange(a, b, c)
    const copy = await Replica.open('c', new MemoryStore(MemoryKv.open(c.store.kv.image())))
    c.write('on the disk', 'x')
    copy.clock.advance(5)
    copy.write('on its copy', 'x')
    await exchange(a, c)
    await exchange(b, copy)
    a.write('from a', 'x')
    b.write('from b', 'x')
    const [one, two] = await syncPair(a, b)
    assert.ok(one.forks.length + two.forks.length > 0)
    assert.ok([...one.forks, ...two.forks].every(({ code }) => code === 'fork'))
  })

  test('calls while one runs share the next', async () => {
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
