// For the tests of the packer: a volume on the first of some peers, and what of it is in no stripe
// yet.
import { PlacementQueue } from '../../../node/stripes/placement-queue.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { chunkIdOf, collect } from '../store/fixtures.ts'
import { PeerGroup } from './peer-group.ts'
import { VolumeState } from './volume-state.ts'
import type { TestContext } from 'node:test'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { VolumeOptions } from './volume-state.ts'

/** Stopped when the test ends. */
export async function open(
  t: TestContext,
  count: number,
  options: VolumeOptions = {},
): Promise<VolumeState> {
  const volume = await VolumeState.open(await PeerGroup.open(t, { count }), options)
  t.after(() => volume.packer.stop())
  return volume
}

/** Have the node keep chunks of `length` bytes, durably. */
export async function keep(volume: VolumeState, count: number, length: number): Promise<ChunkId[]> {
  const ids: ChunkId[] = []
  for (let i = 0; i < count; i++) {
    const sealed = xorshiftBytes(i + 1, length)
    const id = chunkIdOf(sealed)
    await volume.group.store.chunks.put(id, sealed)
    volume.packer.add(id, length, undefined)
    ids.push(id)
  }
  await volume.map.commit()
  return ids
}

/** The marks there are. */
export async function placementQueue(
  volume: VolumeState,
): Promise<{ chunks: ChunkId[]; stripes: string[] }> {
  await volume.map.commit()
  const marks = await PlacementQueue.open(volume.map.view)
  const chunks = await collect(marks.chunks('', 0, Number.MAX_SAFE_INTEGER))
  return { chunks: chunks.map(({ id }) => id), stripes: await collect(marks.stripes()) }
}
