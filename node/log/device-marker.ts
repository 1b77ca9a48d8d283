// Whether this home is where it last ran. A copy, or a home restored from one, may not number its
// entries on: what it was copied from may have done so too, and an actor's chain would fork.
// Invariants:
//   the home is known by Disk.identity(), kept in its store; one that never ran is no copy
//   a copy is so until record(): that must come after its new incarnations are durable
// What a marker cannot tell: an image of the whole disk put back, and old files copied over those
// of the home without replacing its marker. Then peers that hold more of the chain tell, and at
// last the fork.
import { equalBytes, utf8 } from '../../protocol/bytes.ts'
import { deviceKey } from '../store/keys.ts'
import type { Kv } from '../store/kv.ts'
import type { Disk } from '../world/world.ts'

export interface DeviceMarker {
  readonly isCopy: boolean
  /** From now on the home is known to be here. Durable when it resolves. */
  readonly record: () => Promise<void>
}

export async function readDeviceMarker({
  disk,
  kv,
}: {
  disk: Pick<Disk, 'identity'>
  kv: Kv
}): Promise<DeviceMarker> {
  const key = deviceKey()
  const value = utf8(await disk.identity())
  const last = kv.get(key)
  const isHere = last !== undefined && equalBytes(last, value)
  return {
    isCopy: last !== undefined && !isHere,
    record: async () => {
      if (!isHere) await kv.write([{ kind: 'put', key, value }], { sync: true })
    },
  }
}
