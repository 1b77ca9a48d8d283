// Stripes as they were recorded before a stripe had a register for each holder: rewritten once, in whatever state they
// are found. What comes out follows from the old records alone, so that all replicas of a checkpoint get the same.
//   s stripe -> [header, holders by index as public keys, stamp]; k chunk -> [stripe, index]; g what is shared -> count
import { decodeCbor } from '../../protocol/cbor.ts'
import { toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import type { ClearOp } from '../../protocol/tree/op.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const GROUP: ByteString = 'g'
const CHUNK: ByteString = 'k'
const STRIPE: ByteString = 's'

type OldStripe = readonly [header: Uint8Array, holders: Uint8Array[][], stamp: Uint8Array]

/** An op that recorded a stripe, and its stamp. */
export type Recorded = readonly [op: Extract<ClearOp, { kind: 'stripe' }>, stamp: Stamp]

/** Take the old records out of a view, if it has any. returns what to apply to it in their place. */
export async function takeOldStripes(view: ReplicaView): Promise<readonly Recorded[]> {
  if (!(await isOld(view))) return []
  const recorded: Recorded[] = []
  for await (const [, value] of view.scan(STRIPE, prefixEnd(STRIPE))) {
    const [header, holders, stamp] = decodeCbor(value, 'stripe record') as OldStripe
    const peers = holders.map((keys) => keys.map(peerIdFromPublicKey))
    recorded.push([{ kind: 'stripe', header, holders: peers }, toByteString(stamp) as Stamp])
  }
  for (const prefix of [STRIPE, CHUNK, GROUP]) {
    const keys: ByteString[] = []
    for await (const [key] of view.scan(prefix, prefixEnd(prefix))) keys.push(key)
    for (const key of keys) view.delete(key)
  }
  return recorded
}

/** A group was a number then. */
async function isOld(view: ReplicaView): Promise<boolean> {
  for await (const [, value] of view.scan(GROUP, prefixEnd(GROUP)))
    return typeof decodeCbor(value, 'stripe group') === 'number'
  return false
}
