// Gaps in a log are not passed over: neither by the node that computes a checkpoint of it, nor by
// the one that sends it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { governedHere } from '../../../node/checkpoint/announcement.ts'
import { computeCheckpoint } from '../../../node/checkpoint/compute-checkpoint.ts'
import { summaryOf } from '../../../node/log/log-summary.ts'
import { Inbox } from '../../../node/log/inbox.ts'
import { prefixEnd } from '../../../node/state/state-view.ts'
import { LogSync } from '../../../node/sync/anti-entropy.ts'
import { fromHex, toByteString } from '../../../protocol/bytes.ts'
import { decodeLogMessage, encodeLogMessage } from '../../../protocol/wire/log.ts'
import { instant } from '../../../simulations/clock.ts'
import { Replica } from './replicas.ts'
import { channelPair, networkOf } from './wires.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import type { Channel } from '../../../node/world/world.ts'
import type { LogMessage } from '../../../protocol/wire/log.ts'
import type { Volume } from '../../../node/log/volume.ts'

const options = { signal: new AbortController().signal }

async function storedEntries({ view }: Volume): Promise<string[]> {
  const keys: string[] = []
  for await (const [key] of view.scan('e', prefixEnd('e'))) keys.push(key)
  return keys
}

describe('a missing log entry', () => {
  test('a missing entry fails the computation of a checkpoint, by name', async () => {
    const a = await Replica.founder('a')
    for (const name of ['one', 'two', 'three', 'four']) {
      a.write(name, name)
      await a.volume.commit()
    }
    const { volume } = a
    const missing = 'e' + toByteString(fromHex(volume.actor)) + '\0\0\0\0\0\u0003'
    assert.ok(volume.view.get(missing) !== undefined)
    volume.view.delete(missing)
    const governed = governedHere(volume)
    const here = { hlc: volume.actors.hlc, vector: volume.actors.vector() }
    const cut = { ...here, before: undefined, governed }
    await assert.rejects(computeCheckpoint({ volume, clock: instant(a.clock) }, cut, options), {
      code: 'corrupt',
      message: new RegExp(`${volume.id}.*entry 3 of ${volume.actor}`),
    })
  })

  test('an entry dropped while the log is sent is reported as truncated', async () => {
    const a = await Replica.founder('a')
    const b = await a.member('b')
    const known = summaryOf(b.volume)
    for (let n = 0; n < 40; n++) {
      for (let m = 0; m < 20; m++) a.write(`${n} ${m}`, 'x'.repeat(2000))
      await a.volume.commit()
    }
    const [here, there] = channelPair(a.identity.peer, b.identity.peer, 'log')
    const told: LogMessage['kind'][] = []
    const send = async (parts: readonly Uint8Array[]): Promise<void> => {
      const { kind } = decodeLogMessage(Buffer.concat(parts))
      if (kind === 'entries' && !told.includes('entries'))
        await a.volume.entries.drop(a.volume.durableVector(), () => a.volume.commit())
      told.push(kind)
    }
    const channel: Channel = {
      peer: here.peer,
      protocol: 'log',
      send,
      receive: () => here.receive(options),
      receiveInto: (into) => here.receiveInto(into, options),
      close: () => here.close(),
      abort: (error) => here.abort(error),
    }
    const { clock } = a
    const inbox = new Inbox({ volume: a.volume, clock })
    const sync = new LogSync({
      world: {
        clock,
        network: networkOf(a.identity.peer, { open: async () => channel }),
        random: new SeededRandom(1, 'gaps'),
      },
      volumeOf: () => a.volume,
      inboxOf: () => inbox,
      isMember: () => true,
      onRefused: () => undefined,
      onForked: () => undefined,
      onTruncated: () => undefined,
      onDurable: () => undefined,
      onWhole: () => undefined,
    })
    const hello = { kind: 'hello', volume: a.volume.id, log: known } as const
    for (const message of [hello, { kind: 'done' }, { kind: 'durable', log: known }] as const)
      await there.send([encodeLogMessage(message)], options)
    await sync.sync(a.volume, b.identity.peer)
    assert.deepEqual(told, ['hello', 'entries', 'truncated', 'done', 'durable'])
  })
})

test('a drop of the log that a crash interrupts is finished afterwards', async () => {
  const a = await Replica.founder('a')
  // More than are dropped at once.
  for (let n = 0; n < 4200; n++) a.volume.merge()
  await a.volume.commit()
  let pauses = 0
  const crash = new Error('crash')
  const dropping = a.volume.entries.drop(a.volume.durableVector(), async () => {
    if (++pauses === 2) throw crash
    await a.volume.commit()
  })
  await assert.rejects(dropping, crash)
  const { volume } = await a.reopen()
  assert.ok((await storedEntries(volume)).length > 0)
  await volume.entries.finishDrop(() => volume.commit())
  assert.deepEqual(await storedEntries(volume), [])
  assert.equal(volume.view.get('Dx'), undefined)
})
