// The namespace of a volume in a tier, and a volume made of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { identityFromSeed } from '../../../protocol/signed.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { checkpoint } from '../log/machines.ts'
import { Replica, send } from '../log/replicas.ts'
import { cast, recover } from './backup-cast.ts'
import type { MemoryTier } from './memory-tier.ts'

describe('a backup', () => {
  test('a backup of a checkpoint and the log after it is enough to recover a volume', async () => {
    const { a, b, tier, save, key } = await cast()
    for (let n = 0; n < 300; n++) a.replica.write(`f${n}`, 'x'.repeat(200))
    await checkpoint(a, b)
    assert(a.volume.entries.dropped.size > 0, 'the log alone would not do')
    a.replica.write('after', 'y')
    await save()
    const made = await recover(a, tier, key)
    assert.equal(made.volume.checkpoint?.sealed, a.volume.checkpoint?.sealed)
    assert.deepEqual(await made.names(), await a.replica.names())
    assert.equal(made.volume.membership.roleOf(made.identity.peer), 'admin')
    made.write('new', 'z')
    await made.volume.commit()
    await send(made, a.replica)
    assert((await a.replica.names()).includes('new'), 'others take what it writes')
  })

  test('a backup without a checkpoint is the whole log, and puts nothing twice', async () => {
    const { a, tier, save, key } = await cast()
    for (let n = 0; n < 50; n++) a.replica.write(`f${n}`, 'x')
    await save()
    const before = tier.asked.length
    await save()
    assert.equal(tier.asked.length, before, 'nothing is asked where there is no news')
    a.replica.write('later', 'x')
    await save()
    const put = tier.asked.slice(before).filter((each) => each.startsWith('put'))
    assert.deepEqual(
      put.map((each) => each.split('/')[1]),
      ['log', 'heads'],
    )
    assert.deepEqual(await (await recover(a, tier, key)).names(), await a.replica.names())
  })

  test('puts only what a newer checkpoint changed, and later removes unneeded nodes', async () => {
    const { a, b, tier, save, key } = await cast()
    for (let n = 0; n < 3000; n++) a.replica.write(`f${n}`, 'x'.repeat(200))
    await checkpoint(a, b)
    await save()
    const first = sizeOf(tier)
    a.replica.write('one-more', 'x')
    await checkpoint(a, b)
    const before = tier.asked.length
    await save()
    const nodes = tier.asked.slice(before).filter((each) => /^put .*checkpoints/.test(each))
    assert(nodes.length > 0)
    assert(sizeOf(tier) - first < first / 4, 'only what changed')
    for (let round = 0; round < 3; round++) {
      a.replica.clock.advance(2 * HOUR_MS)
      a.replica.write(`round-${round}`, 'x')
      await save()
    }
    const heads = [...tier.objects.keys()].filter((each) => each.includes('/heads/'))
    assert.equal(heads.length, 2)
    assert.deepEqual(await (await recover(a, tier, key)).names(), await a.replica.names())
  })

  test('a backup that reads back wrong does not count, and later damage is reported', async () => {
    const { a, tier, save, key } = await cast()
    a.replica.write('kept', 'x')
    await save()
    tier.onPut = (content) => content.subarray(1)
    a.replica.write('lost', 'x')
    await assert.rejects(save(), { code: 'cold-corrupt' })
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['kept'])
    tier.onPut = (content) => content
    await save()
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['kept', 'lost'])
    for (const [name, content] of tier.objects)
      if (name.includes('/log/')) tier.objects.set(name, content.with(40, (content[40] ?? 0) ^ 1))
    await assert.rejects(recover(a, tier, key), { code: 'corrupt' })
  })

  test('is opened by a key from before a newer epoch, and not by a removed key', async () => {
    const { a, b, tier, save, key } = await cast()
    a.replica.write('first', 'x')
    await a.replica.volumes.remove(a.volume, b.replica.identity.peer)
    a.replica.write('second', 'x')
    await save()
    assert.deepEqual(await (await recover(a, tier, key)).names(), ['first', 'second'])
    const newer = await a.replica.volumes.makeRecoveryKey(a.volume)
    await a.replica.volumes.remove(a.volume, identityFromSeed(key.seed).peer)
    await save()
    await assert.rejects(recover(a, tier, key), { code: 'EACCES' })
    assert.deepEqual(await (await recover(a, tier, newer)).names(), ['first', 'second'])
    const other = (await Replica.founder('other')).volumes
    const foreign = await other.makeRecoveryKey(other.find(undefined).volume)
    await assert.rejects(recover(a, tier, foreign), { code: 'ENOENT', message: /another volume/ })
  })
})

function sizeOf({ objects }: MemoryTier): number {
  let size = 0
  for (const [name, { length }] of objects) if (name.includes('/checkpoints/')) size += length
  return size
}
