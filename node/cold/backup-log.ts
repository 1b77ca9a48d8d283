// The log of a volume in a backup: of what was put for the head before only the last part, which
// was not full, is put anew; and its governing entries, which are put anew only where any came.
import { fromHex } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { logPrefix } from '../../protocol/cold/backup.ts'
import type { BackupPart } from '../../protocol/cold/backup.ts'
import type { BackupHead } from '../../protocol/cold/head.ts'
import { blake3 } from '../../protocol/hash.ts'
import { encodeEntry } from '../../protocol/log/entry.ts'
import { MIB } from '../../protocol/units.ts'
import { TimeSlices } from '../log/time-slices.ts'
import type { Volume } from '../log/volume.ts'
import type { World } from '../world/world.ts'
import type { BackupObjects } from './backup-objects.ts'

/** A part ends after so many bytes of entries. Until then it is written anew with each head. */
const LOG_PART_BYTES: number = MIB

export interface BackupLogParts {
  readonly objects: BackupObjects
  readonly volume: Volume
  readonly world: Pick<World, 'clock' | 'random'>
  readonly signal: AbortSignal
}

/**
 * Put what is new of the log: all above `start`, what the checkpoint has, up to `vector`. base: the
 * head before.
 */
export async function putLog(
  { objects, volume, world, signal }: BackupLogParts,
  { start, vector }: { readonly start: VersionVector; readonly vector: VersionVector },
  base: BackupHead | undefined,
): Promise<Pick<BackupHead, 'log' | 'full' | 'fullMark'>> {
  // The backup of an older checkpoint contains what this one tells, and under a label may be
  // another branch by now.
  const goesOn =
    base !== undefined &&
    dominates(base.full, start) &&
    dominates(vector, base.full) &&
    Buffer.compare(markOf(volume, base.full, start), base.fullMark) === 0
  const log: BackupPart[] = goesOn ? base.log.slice(0, -1) : []
  let full = goesOn ? base.full : start
  const upTo = new Map(full)
  let items: Uint8Array[] = []
  let bytes = 0
  const pace = new TimeSlices(world.clock, signal)
  const flush = async (): Promise<void> => {
    log.push(await objects.putPart(logPrefix(volume.id), items, world.random))
    items = []
    bytes = 0
  }
  for (const { label, entry } of volume.entries.between(full, vector)) {
    if (bytes >= LOG_PART_BYTES) {
      await flush()
      full = new Map(upTo)
    }
    const encoded = encodeEntry(entry)
    items.push(encoded)
    bytes += encoded.length
    upTo.set(label, entry.header.seq)
    await pace.after(entry)
  }
  await flush()
  return { log, full, fullMark: markOf(volume, full, start) }
}

/**
 * Put all governing entries: who has nothing else believes in nothing without them. base: the head
 * before.
 */
export async function putGoverning(
  { objects, volume, world }: BackupLogParts,
  base: BackupHead | undefined,
): Promise<Pick<BackupHead, 'governing' | 'governed'>> {
  const { governance } = volume.membership
  const governed = governance.headsIn(() => true)
  if (base?.governed.join() === governed.join()) return { governing: base.governing, governed }
  const governing: BackupPart[] = []
  let items: Uint8Array[] = []
  let bytes = 0
  for (const entry of governance.beyond([])) {
    const encoded = encodeEntry(entry)
    items.push(encoded)
    bytes += encoded.length
    if (bytes < LOG_PART_BYTES) continue
    governing.push(await objects.putPart(logPrefix(volume.id), items, world.random))
    items = []
    bytes = 0
  }
  governing.push(await objects.putPart(logPrefix(volume.id), items, world.random))
  return { governing, governed }
}

/** Tells the last entries that a vector names above another. */
function markOf({ entries }: Volume, vector: VersionVector, above: VersionVector): Uint8Array {
  const labels = [...vector.keys()].sort()
  const last = labels
    .map((label) => [label, vector.get(label) ?? 0] as const)
    .filter(([label, seq]) => seq > (above.get(label) ?? 0))
  return blake3(
    encodeCbor(last.map(([label, seq]) => [fromHex(label), seq, entries.hash(label, seq) ?? ''])),
  )
}
