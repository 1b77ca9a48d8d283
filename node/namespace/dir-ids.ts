// Ids of directories. Two nodes that make one directory at once must give it one id, in whichever spelling of its name:
// the hash of parent, collision key and how often it was made before (MEMO §2.3).
import { fromByteString, fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { blake3Concat } from '../../protocol/hash.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { collisionKey } from '../../protocol/tree/names.ts'
import type { Name } from '../../protocol/tree/names.ts'
import { childPrefix, readDir } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'

/** How often a directory was made here before: where to begin to look. */
const COUNTER: ByteString = 'z'

/** An id for a new directory that this replica has never seen. */
export function freshDirId(store: StateStore, parent: NodeId, name: Name): NodeId {
  const key = collisionKey(name)
  const counter = COUNTER + childPrefix(parent) + key
  for (let generation = readGeneration(store.get(counter)); ; generation++) {
    const id = dirId(parent, key, generation)
    if (readDir(store, id) !== undefined) continue
    if (generation > 0) store.put(counter, Buffer.from(String(generation)))
    return id
  }
}

function readGeneration(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : Number(Buffer.from(bytes).toString())
}

function dirId(parent: NodeId, key: ByteString, generation: number): NodeId {
  const digest = blake3Concat(
    utf8('shoal/dir/1\0'),
    fromHex(parent),
    utf8(`${generation}\0`),
    fromByteString(key),
  )
  return toHex(digest.subarray(0, SHORT_ID_BYTES)) as NodeId
}
