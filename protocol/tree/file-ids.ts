// Ids of inodes and links that are new: the time, then chance, as in a UUID of version 7 (RFC 9562,
// section 5.7). What is made together so lies together in the index and in a checkpoint's tree,
// whose keys begin with them: a thousand new files change a few of its leaves, not a thousand.
// Nobody relies on the time in an id.
import { concatBytes, toHex } from '../bytes.ts'
import type { NodeId } from '../ids.ts'

const TIME_BYTES = 6
const RANDOM_BYTES = 10

interface RandomBytes {
  bytes(count: number): Uint8Array
}

/** An id that nothing has. wallMs: since 1970, below 2^48. */
export function freshFileId(random: RandomBytes, wallMs: number): NodeId {
  const time = new Uint8Array(TIME_BYTES)
  new DataView(time.buffer).setUint16(0, Math.floor(wallMs / 2 ** 32))
  new DataView(time.buffer).setUint32(2, wallMs % 2 ** 32)
  return toHex(concatBytes([time, random.bytes(RANDOM_BYTES)])) as NodeId
}
