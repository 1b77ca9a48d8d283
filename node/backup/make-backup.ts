// Makes one backup: reads a folder of a volume, puts what the place lacks, and at last, when all of
// it is there, the record that says so. Killed at any step before that, it has only added packs,
// which the next run takes up.
import type { ShoalError } from '../../protocol/errors.ts'
import { encodeBackup } from '../../protocol/backup/record.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Clock } from '../world/world.ts'
import type { KnownPack } from './chunk-index.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'
import { TreeReader } from './tree-reader.ts'
import { TreeWriter } from './tree-writer.ts'
import type { Tally } from './tree-writer.ts'
import type { NamedBackup, Repository } from './repository.ts'
import type { BackupSource } from './volume-source.ts'

export interface BackupRequest {
  readonly job: string
  readonly node: string
  readonly volume: string
  readonly volumeId: string
  readonly path: string
  readonly mode: BackupMode
  /** The set of a run that was broken off, or a new one. */
  readonly set: string
  readonly folder: ViewTarget
  /** The greatest number that is known of, also where its backup is gone. */
  readonly numberBefore: number
}

export interface MakeComponents {
  readonly repository: Repository
  readonly source: BackupSource
  readonly clock: Clock
  /** Called before the record is put: whether it may be. */
  readonly check: (signal: AbortSignal) => Promise<void>
  readonly onProgress: (progress: MakeProgress) => void
  readonly onFailure: (path: string, error: ShoalError) => void
}

export interface MakeProgress extends Readonly<Tally> {
  readonly addedBytes: number
}

const PROGRESS_MS = 200

/** returns the backup that was made. throws ShoalError 'ENOSPC', 'cold-*', 'EBUSY'. */
export async function makeBackup(
  components: MakeComponents,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<NamedBackup> {
  const { repository, source, clock, onProgress, onFailure } = components
  const timeMs = clock.wall()
  const plan = planOf(repository, request)
  const packs = new PackWriter({ repository, signal }, { set: request.set, isKnown: plan.isKnown })
  packs.addToIndex(repository.untold)
  try {
    const tree = new TreeReader(new PackReader({ repository, unsent: packs }))
    const { gearSecret } = repository.place.keys
    const writer = new TreeWriter({ source, packs, tree, gearSecret, onFailure, signal })
    const tell = (): void => onProgress({ ...writer.tally, addedBytes: packs.addedBytes })
    const stop = every(clock, PROGRESS_MS, tell)
    const root = await writer
      .write(request.folder, plan.earlier?.root)
      .then(async (made) => {
        await packs.finish()
        return made
      })
      .finally(stop)
    tell()
    await components.check(signal)
    const { files, folders, specials, bytes, failed } = writer.tally
    const { job, node, volume, volumeId, path, set, numberBefore } = request
    const record = {
      number: 1 + Math.max(numberBefore, ...repository.backups.map(({ number }) => number)),
      job,
      node,
      volume,
      volumeId,
      path,
      mode: plan.mode,
      timeMs,
      endedMs: clock.wall(),
      set,
      builtOn: plan.builtOn,
      root,
      files,
      folders,
      specials,
      bytes,
      failed,
      addedBytes: packs.addedBytes,
      known: repository.backups.map(({ id }) => id),
    }
    const id = await repository.place.put('backups', encodeBackup(record), { signal })
    const made = { id, ...record }
    repository.backups.push(made)
    return made
  } catch (error) {
    await packs.stop()
    throw error
  }
}

interface Plan {
  readonly mode: BackupMode
  /** The backup whose files need not be read again. */
  readonly earlier: NamedBackup | undefined
  readonly builtOn: readonly string[] | undefined
  readonly isKnown: (pack: KnownPack) => boolean
}

/** Decides what a backup may build upon. */
function planOf(repository: Repository, request: BackupRequest): Plan {
  const { mode, set } = request
  const own = repository.backups.filter((backup) => isOf(backup, request))
  // With some of it gone, all is looked at again, and what is missing is put.
  const isWhole = repository.problems.length === 0
  if (mode === 'incremental') {
    const earlier = isWhole ? own.at(-1) : undefined
    return { mode, earlier, builtOn: undefined, isKnown: () => true }
  }
  const full = own.findLast((backup) => backup.mode === 'full' && backup.failed === 0)
  if (mode === 'full' || full === undefined || !isThere(repository, full))
    return { mode: 'full', earlier: undefined, builtOn: [], isKnown: (pack) => pack.set === set }
  const sets = new Set([set, full.set])
  const builtOn = [full.set]
  return { mode, earlier: full, builtOn, isKnown: (pack) => sets.has(pack.set) }
}

/** Are all packs of a full backup there? */
function isThere(repository: Repository, full: NamedBackup): boolean {
  return repository.index.packs().every((pack) => pack.set !== full.set || repository.isThere(pack))
}

/** Is it a backup of the same folder by the same job? */
export function isOf(
  backup: NamedBackup,
  { job, volumeId, path }: Pick<BackupRequest, 'job' | 'volumeId' | 'path'>,
): boolean {
  return backup.job === job && backup.volumeId === volumeId && backup.path === path
}

/** Calls `run` again and again until what is returned is called. */
function every(clock: Clock, ms: number, run: () => void): () => void {
  let timer = clock.timer(ms, again)
  function again(): void {
    run()
    timer = clock.timer(ms, again)
  }
  return () => timer.cancel()
}
