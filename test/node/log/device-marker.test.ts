// A node whose home was copied continues as another actor, from its first entry.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readDeviceMarker } from '../../../node/log/device-marker.ts'
import { Volumes } from '../../../node/log/volumes.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { MemoryStore, Replica } from './replicas.ts'

const disk = (identity: string): { identity(): Promise<string> } => ({
  identity: async () => identity,
})

describe('device marker', () => {
  test('a home is a copy on any disk but that of its last run, until that is recorded', async () => {
    const kv = MemoryKv.open()
    const first = await readDeviceMarker({ disk: disk('here'), kv })
    assert.equal(first.isCopy, false, 'a new home')
    await first.record()
    assert.equal((await readDeviceMarker({ disk: disk('here'), kv })).isCopy, false)
    // A run that ended before it had new incarnations.
    assert.equal((await readDeviceMarker({ disk: disk('there'), kv })).isCopy, true)
    const copy = await readDeviceMarker({ disk: disk('there'), kv })
    assert.equal(copy.isCopy, true)
    await copy.record()
    assert.equal((await readDeviceMarker({ disk: disk('there'), kv })).isCopy, false)
    assert.equal((await readDeviceMarker({ disk: disk('here'), kv })).isCopy, true)
  })

  test('a record is durable', async () => {
    const kv = MemoryKv.open()
    await (await readDeviceMarker({ disk: disk('here'), kv })).record()
    assert.equal(kv.unsyncedCount, 0)
  })

  test('the volumes of a copy get a new actor before their first entry, and keep it', async () => {
    const original = await Replica.founder('a')
    original.write('file', 'text')
    await original.volume.commit()
    const { actor } = original.volume
    const { seq } = original.volume.actors.get(actor) ?? assert.fail()
    const store = new MemoryStore(MemoryKv.open(original.store.kv.image()))
    const { identity, clock } = original
    const random = new SeededRandom('copy', 'replica')
    const components = { world: { clock, random }, store, identity }
    // Another capacity: there is something to write at once.
    const self = { name: 'a', zone: '', capacityBytes: 5 }
    const copy = await Volumes.open(components, self, { isCopy: true })
    const { volume } = copy.find(undefined)
    assert.notEqual(volume.actor, actor)
    assert.equal(volume.actors.get(actor)?.seq, seq, 'nothing is added to the old chain')
    assert.equal(volume.actors.get(volume.actor)?.seq, 1)
    assert.equal(volume.membership.member(identity.peer)?.capacityBytes, 5)
    const restarted = await Volumes.open(components, self)
    assert.equal(restarted.find(undefined).volume.actor, volume.actor)
  })

  test('a copy that ends before its first write keeps its new actor', async () => {
    const original = await Replica.founder('a')
    const store = new MemoryStore(MemoryKv.open(original.store.kv.image()))
    const { identity, clock } = original
    const components = { world: { clock, random: new SeededRandom('copy', 'r') }, store, identity }
    const self = { name: 'a', zone: '', capacityBytes: 1000 }
    const copy = await Volumes.open(components, self, { isCopy: true })
    const { actor } = copy.find(undefined).volume
    assert.notEqual(actor, original.volume.actor)
    const crashed = new MemoryStore(MemoryKv.open(store.kv.image()))
    const restarted = await Volumes.open({ ...components, store: crashed }, self)
    assert.equal(restarted.find(undefined).volume.actor, actor)
  })
})
