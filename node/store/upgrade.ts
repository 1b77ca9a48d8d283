// A store of version 1 did not know what is live in which segment. It is counted once, from the
// index; nothing else changes. A crash meanwhile leaves it version 1, to be counted again.
import {
  checkpointKey,
  CHUNK_PREFIX,
  decodeAddress,
  decodePointers,
  encodeCheckpoint,
  encodeSegmentRow,
  prefixRange,
  segmentKey,
  SHARD_PREFIX,
} from './keys.ts'
import { scanPages } from './pages.ts'
import { CHUNK_HEAD_BYTES, SHARD_HEAD_BYTES } from './record.ts'
import { listSegments, segmentPath } from './segment-files.ts'
import type { Disk } from '../world/world.ts'
import type { Address, Checkpoint } from './keys.ts'
import type { Kv, KvWrite } from './kv.ts'

const VERSION = 1

/** Whether this is the checkpoint of such a store. */
export function isUncounted(checkpoint: Uint8Array): boolean {
  return checkpoint[0] === VERSION && checkpoint.byteLength === 33
}

/** Count, and write what is missing; durable when it resolves. */
export async function countSegments(
  { disk, kv }: { disk: Disk; kv: Kv },
  saved: Uint8Array,
): Promise<void> {
  const checkpoint = decodeUncounted(saved)
  const live = new Map<number, number>()
  const add = ({ segment, length }: Address, headBytes: number): void => {
    live.set(segment, (live.get(segment) ?? 0) + headBytes + length)
  }
  for await (const [, value] of scanPages(kv, prefixRange(CHUNK_PREFIX))) {
    add(decodeAddress(value), CHUNK_HEAD_BYTES)
  }
  for await (const [, value] of scanPages(kv, prefixRange(SHARD_PREFIX))) {
    for (const { address } of decodePointers(value)) add(address, SHARD_HEAD_BYTES)
  }
  const sizes = await sizesUpTo(disk, checkpoint)
  const segments = [...new Set([...sizes.keys(), ...live.keys()])]
  const rows = segments.map((segment): KvWrite => {
    const liveBytes = live.get(segment) ?? 0
    // A file may have lost bytes that the index points at.
    const bytes = Math.max(sizes.get(segment) ?? 0, liveBytes)
    return { kind: 'put', key: segmentKey(segment), value: encodeSegmentRow({ bytes, liveBytes }) }
  })
  const value = encodeCheckpoint(checkpoint)
  await kv.write([...rows, { kind: 'put', key: checkpointKey(), value }], { sync: true })
}

/** Bytes of each segment up to the checkpoint; what is behind it, recovery counts. */
async function sizesUpTo(
  disk: Disk,
  { segment: last, offset }: Checkpoint,
): Promise<Map<number, number>> {
  const sizes = new Map(offset > 0 ? [[last, offset]] : [])
  for (const segment of await listSegments(disk)) {
    if (segment >= last) break
    const file = await disk.open(segmentPath(segment), 'read')
    sizes.set(segment, await file.size())
    await file.close()
  }
  return sizes
}

function decodeUncounted(bytes: Uint8Array): Checkpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    segment: view.getUint32(1),
    offset: view.getUint32(5),
    chunkBytes: Number(view.getBigUint64(17)),
    shardBytes: Number(view.getBigUint64(25)),
    trashBytes: 0,
  }
}
