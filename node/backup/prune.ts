// Removes backups from a place, and then what no other one needs. In this order, so that whoever is
// killed at any step leaves what is kept whole: the record of the removal, the records of backups,
// copies of what is worth it in new packs, the new index, the old index, packs. Nothing but records
// is removed where some backup cannot be gone through. To be called with the place alone
// (place-lock.ts).
import { equalBytes } from '../../protocol/bytes.ts'
import { encodeRemoval } from '../../protocol/backup/record.ts'
import { DIGEST_BYTES } from '../../protocol/backup/pack.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../protocol/ids.ts'
import type { PrunedBackups } from '../control/backups.ts'
import type { Clock } from '../world/world.ts'
import { BackupWalk, SeenEntries } from './backup-walk.ts'
import type { KnownPack } from './chunk-index.ts'
import { PackWriter } from './pack-writer.ts'
import type { NamedBackup, Repository } from './repository.ts'

/** A pack of which less is needed is copied, so that the rest goes. */
const WORTH = 0.5

export interface PruneComponents {
  readonly repository: Repository
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** throws ShoalError 'corrupt' where the place is damaged, 'cold-*'. */
export async function prune(
  { repository, clock, signal }: PruneComponents,
  removed: readonly NamedBackup[],
): Promise<PrunedBackups> {
  const { place } = repository
  await removeRecords({ repository, clock, signal }, removed)
  const needed = await neededBytes(repository, signal)
  const gone = repository.index
    .packs()
    .filter((pack) => repository.isThere(pack) && needed.of(pack) < WORTH * pack.bytes)
  if (gone.length === 0) return { removed: removed.length, freedBytes: 0 }
  const addedBytes = await copyNeeded(repository, gone, needed.has, signal)
  const names = gone.map(({ id }) => id)
  await place.remove('packs', names, { signal })
  for (const pack of gone) repository.lost(pack)
  const freedBytes = gone.reduce((sum, { bytes }) => sum + bytes, 0) - addedBytes
  return { removed: removed.length, freedBytes }
}

async function removeRecords(
  { repository, clock, signal }: PruneComponents,
  removed: readonly NamedBackup[],
): Promise<void> {
  if (removed.length === 0) return
  const { place, backups } = repository
  const ids = removed.map(({ id }) => id)
  const record = encodeRemoval({ timeMs: clock.wall(), removed: ids })
  const name = await place.put('removed', record, { signal })
  for (const id of ids) repository.removed.set(id, name)
  await place.remove('backups', ids, { signal })
  repository.backups.splice(0, Infinity, ...backups.filter(({ id }) => !ids.includes(id)))
  // A removal of which nobody tells any more need not be known.
  const told = new Set(repository.backups.flatMap(({ known }) => known))
  const names = new Map<string, boolean>()
  for (const [id, record] of repository.removed)
    names.set(record, names.get(record) === true || told.has(id))
  const over = [...names].flatMap(([record, isTold]) => (isTold ? [] : [record]))
  await place.remove('removed', over, { signal })
}

interface Needed {
  readonly has: (entry: number) => boolean
  readonly of: (pack: KnownPack) => number
}

/** Finds what some backup needs. throws ShoalError 'corrupt' where that cannot be told. */
async function neededBytes(repository: Repository, signal: AbortSignal): Promise<Needed> {
  const { index } = repository
  const needed = new SeenEntries(index.count)
  const bytes = new Map<KnownPack, number>()
  const onChunk = (entry: number): void => {
    if (needed.add(entry)) return
    const { pack, length } = index.entry(entry)
    bytes.set(pack, (bytes.get(pack) ?? 0) + length)
  }
  const onProblem = (path: string, error: ShoalError): void => {
    throw new ShoalError(
      'corrupt',
      `nothing was removed but records, as a backup that is kept is damaged at ${path}: ` +
        `${error.message}; see "shoal backup verify"`,
      { cause: error },
    )
  }
  if (repository.problems.some(({ what }) => what.startsWith('backups/')))
    throw new ShoalError(
      'corrupt',
      'nothing was removed but records, as the record of a backup cannot be read; ' +
        'see "shoal backup verify"',
    )
  const walk = new BackupWalk(repository, { onChunk, onProblem }, signal)
  for (const backup of repository.backups) await walk.walk(backup)
  return { has: (entry) => needed.has(entry), of: (pack) => bytes.get(pack) ?? 0 }
}

/** Copies what is needed of packs, and makes the index tell of it and not of them. */
async function copyNeeded(
  repository: Repository,
  gone: readonly KnownPack[],
  isNeeded: (entry: number) => boolean,
  signal: AbortSignal,
): Promise<number> {
  const ids = new Set(gone.map(({ id }) => id))
  const old = [...repository.indexes].filter(([, packs]) => packs.some((id) => ids.has(id)))
  const kept = new Set(old.flatMap(([, packs]) => packs.filter((id) => !ids.has(id))))
  const told = [...kept].flatMap((id) => repository.index.pack(id) ?? [])
  const bySet = Map.groupBy(gone, ({ set }) => set)
  let addedBytes = 0
  for (const [set, packs] of bySet) {
    const writer = new PackWriter({ repository, signal }, { set, isKnown: () => false })
    writer.addToIndex(told.splice(0))
    try {
      for (const pack of packs) await copyOf(repository, pack, writer, isNeeded, signal)
      await writer.finish()
    } finally {
      await writer.stop()
    }
    addedBytes += writer.addedBytes
  }
  const names = old.map(([name]) => name)
  await repository.place.remove('index', names, { signal })
  for (const name of names) repository.indexes.delete(name)
  return addedBytes
}

async function copyOf(
  { index, place }: Repository,
  pack: KnownPack,
  writer: PackWriter,
  isNeeded: (entry: number) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const entries = Array.from({ length: pack.count }, (_, at) => pack.first + at).filter(isNeeded)
  if (entries.length === 0) return
  const all = await place.readPack(pack.id, 0, pack.bytes, { signal })
  for (const entry of entries) {
    const { digest, offset, length } = index.entry(entry)
    const sealed = all.subarray(offset, offset + length)
    const hash = blake3(sealed)
    if (!equalBytes(hash.subarray(0, DIGEST_BYTES), digest))
      throw new ShoalError('corrupt', `pack ${pack.id} is damaged; see "shoal backup verify"`)
    const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, hash))
    await writer.copy(pack.kind, id, sealed)
  }
}
