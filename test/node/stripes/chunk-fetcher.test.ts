// Reads of chunks that are no longer local: from the holders of their shards, whichever of them is
// lost, damaged or lies.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../protocol/bytes.ts'
import { MIB } from '../../../protocol/units.ts'
import { ContentReader } from '../../../node/content/read-pipeline.ts'
import { writeContent } from '../../../node/content/file-writer.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { PeerGroup, peerOf } from './peer-group.ts'
import { VolumeState } from './volume-state.ts'
import type { TestContext } from 'node:test'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Content } from '../../../node/content/content.ts'

const { signal } = new AbortController()
const BYTES = xorshiftBytes(3, MIB + 5)

describe('chunk fetcher', () => {
  test('a file is read when any m of the holders are lost', async (t) => {
    const { volume, content } = await placed(t)
    for (const [one, other] of pairs(volume.group.peers.slice(1))) {
      const { away } = volume.group
      away.clear()
      away.add(one).add(other)
      const again = await volume.forgetLocal()
      assert.deepEqual(await read(again, content), BYTES, `without ${one} and ${other}`)
    }
  })

  test('a file with more than m holders lost fails and says what is missing', async (t) => {
    const { volume, content } = await placed(t)
    for (const number of [1, 2, 3]) volume.group.away.add(peerOf(number))
    const reading = read(await volume.forgetLocal(), content)
    await assert.rejects(reading, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'chunk-unavailable')
      assert.match(error.message, /of stripe b\w+: 4 of its 6 shards are needed, no answer from /)
      return true
    })
  })

  test('a damaged shard is found, named, and read around', async (t) => {
    const { volume, content } = await placed(t)
    const [holders] = volume.stripes().map((stripe) => stripe.holders)
    const victim = holders
      ?.slice(0, 4)
      .flat()
      .find((peer) => peer !== volume.group.self)
    assert.ok(victim !== undefined)
    volume.group.rotten.add(victim)
    const again = await volume.forgetLocal()
    assert.deepEqual(await read(again, content), BYTES)
    assert.ok(again.badShards.length > 0)
    for (const shard of again.badShards) assert.ok(shard.endsWith(` ${victim}`), shard)
  })

  test('damage on the local disk is read around', async (t) => {
    const { volume, content } = await placed(t)
    await volume.group.rot()
    assert.deepEqual(await read(volume, content), BYTES)
  })

  test('a chunk in no stripe yet is read from the peer that has it', async (t) => {
    const group = await PeerGroup.open(t, { count: 2 })
    const volume = await VolumeState.open(group)
    const ref = await volume.chunks.writer(undefined).write(BYTES.slice(0, 9000), { signal })
    const sealed = await group.store.chunks.read(ref.id)
    assert.ok(sealed !== undefined)
    await group.storeOf(peerOf(1)).chunks.put(ref.id, sealed)
    group.store.chunks.delete(ref.id)
    const plain = await volume.chunks.reader([]).read(ref, { signal })
    assert.deepEqual(Uint8Array.from(plain), BYTES.slice(0, 9000))
  })
})

/** A file whose stripe six peers hold. */
async function placed(t: TestContext): Promise<{ volume: VolumeState; content: Content }> {
  const group = await PeerGroup.open(t, { count: 6 })
  const volume = await VolumeState.open(group, { redundancy: 'rs4+2' })
  const content = await writeContent(once(BYTES), volume.editing, { signal })
  await volume.map.commit()
  await volume.packer.settle({ signal })
  return { volume, content }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function read(volume: VolumeState, content: Content): Promise<Uint8Array> {
  const reader = new ContentReader(content, volume.editing.reader)
  return Uint8Array.from(concatBytes(await reader.read(0, reader.size, { signal })))
}

function* pairs(peers: readonly PeerId[]): Generator<readonly [PeerId, PeerId]> {
  for (const [at, one] of peers.entries()) {
    for (const other of peers.slice(at + 1)) yield [one, other]
  }
}
