// Lists what no op can refer to any more in all tables of a state: objects of the tree
// (protocol/tree/purge.ts), records of stripes that have no effect any more, and pins that were
// removed. The list is made of the state at a cut; the state in use is purged by the same list, and
// is then as if the ops above the cut had come to the purged one.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { CID_BYTES } from '../../protocol/ids.ts'
import { STAMP_BYTES } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { GARBAGE_PREFIXES, garbageOf, purge } from '../../protocol/tree/purge.ts'
import type { Garbage, PurgeLimits } from '../../protocol/tree/purge.ts'
import { MASS_LOSS, isLossOver } from '../state/mass-losses.ts'
import { PIN, deadPin, forgetPin } from '../state/pins.ts'
import { SNAPSHOT, deadSnapshot, forgetSnapshot } from '../state/snapshots.ts'
import type { ReplicaView } from '../state/state-view.ts'
import type { Oblivion } from '../shard-map/stripe-record.ts'
import { TRACE } from '../shard-map/stripe-table.ts'
import type { StripeTable } from '../shard-map/stripe-table.ts'

/** The tables of a state. */
interface Tables {
  readonly view: ReplicaView
  readonly stripes: StripeTable
}

/** Keys that begin with these tell what there may be to purge; ascending. */
export const TELLTALES: readonly ByteString[] = [
  ...GARBAGE_PREFIXES,
  MASS_LOSS,
  TRACE,
  PIN,
  SNAPSHOT,
].sort()

const TRACE_BYTES = TRACE.length + CID_BYTES

/** The records to purge from the state at a cut for one record under TELLTALES. */
export function garbageBy(
  { view, stripes }: Tables,
  record: readonly [ByteString, Uint8Array],
  limits: PurgeLimits,
): readonly Garbage[] {
  const [key] = record
  if (key.startsWith(TRACE)) {
    const oblivion = stripes.oblivionOf(key, limits.deadBy)
    return oblivion === undefined ? [] : [(key + encodeOblivion(oblivion)) as Garbage]
  }
  if (key.startsWith(PIN)) {
    const stamp = deadPin(view, record, limits.deadBy)
    return stamp === undefined ? [] : [(key + stamp) as Garbage]
  }
  if (key.startsWith(MASS_LOSS)) {
    const { deadBy, history } = limits
    return isLossOver(record, { deadBy, at: history.at }) ? [key as Garbage] : []
  }
  if (key.startsWith(SNAPSHOT)) {
    const stamp = deadSnapshot(record, limits.deadBy)
    return stamp === undefined ? [] : [(key + stamp) as Garbage]
  }
  return garbageOf(view, record, limits)
}

/** Delete this from a state; in as many calls as one likes. */
export function purgeAll({ view, stripes }: Tables, garbage: readonly Garbage[]): void {
  for (const item of garbage) {
    if (item.startsWith(TRACE)) {
      stripes.forget(item.slice(0, TRACE_BYTES), decodeOblivion(item.slice(TRACE_BYTES)))
    } else if (item.startsWith(PIN)) {
      forgetPin(view, item.slice(0, -STAMP_BYTES), item.slice(-STAMP_BYTES) as Stamp)
    } else if (item.startsWith(MASS_LOSS)) {
      view.delete(item)
    } else if (item.startsWith(SNAPSHOT)) {
      forgetSnapshot(view, item.slice(0, -STAMP_BYTES), item.slice(-STAMP_BYTES) as Stamp)
    } else {
      purge(view, [item])
    }
  }
}

function encodeOblivion({ upTo, isGone }: Oblivion): ByteString {
  const bytes = Buffer.alloc(9)
  bytes.writeBigUInt64BE(upTo, 0)
  bytes.writeUInt8(isGone ? 1 : 0, 8)
  return toByteString(bytes)
}

function decodeOblivion(text: ByteString): Oblivion {
  const bytes = Buffer.from(fromByteString(text))
  return {
    upTo: bytes.readBigUInt64BE(0) as Hlc,
    isGone: bytes.readUInt8(8) === 1,
  }
}
