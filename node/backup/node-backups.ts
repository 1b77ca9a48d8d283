// The backups of a node: one run at a time, those that are due and those that its owner asks for,
// with what is to be run before and after.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { toHex } from '../../protocol/bytes.ts'
import { BACKUP_KEY_BYTES, parseBackupKey } from '../../protocol/backup/key.ts'
import { PACK_ID_BYTES } from '../../protocol/backup/pack.ts'
import { checkJobName } from '../../protocol/backup/record.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import { expired } from '../../protocol/backup/retention.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { BackupEvent, MadeBackup, PrunedBackups } from '../control/backups.ts'
import { Job } from '../jobs/background-job.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { World } from '../world/world.ts'
import type { BackupJob, BackupJobs } from './backup-jobs.ts'
import { dueMs, secretOf } from './backup-jobs.ts'
import { isOf, makeBackup } from './make-backup.ts'
import { BackupMoments } from './backup-moments.ts'
import type { BackupMomentsComponents } from './backup-moments.ts'
import { placeIn } from './open-place.ts'
import type { OpenedPlace } from './open-place.ts'
import { PlaceLock } from './place-lock.ts'
import type { LockKind } from './place-lock.ts'
import { prune } from './prune.ts'
import { Repository } from './repository.ts'
import type { NamedBackup } from './repository.ts'
import { VolumeSource } from './volume-source.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** How often it is looked whether a run is due. */
const LOOK_MS: number = MINUTE_MS / 2

/** Runs what the owner has set to be run around a backup. throws ShoalError 'hook-failed'. */
export type RunHook = (
  when: 'before' | 'after',
  backup: string,
  result: 'ok' | 'failed' | undefined,
  signal: AbortSignal,
) => Promise<void>

export interface NodeBackupsComponents extends BackupMomentsComponents {
  readonly world: World
  readonly runHook: RunHook
  readonly log: WriteLog
}

export interface RunOptions {
  readonly mode?: BackupMode | undefined
  readonly signal: AbortSignal
  readonly emit: (event: BackupEvent) => void
}

interface MakeOptions extends RunOptions {
  readonly mode: BackupMode
}

/** The folder that a backup is of, and the place where it is made. */
interface Made {
  readonly repository: Repository
  readonly lock: PlaceLock
  readonly named: NamedVolume
  readonly hosted: HostedVolume
  readonly folder: ViewTarget
  readonly view: SnapshotView
}

export class NodeBackups {
  readonly jobs: BackupJobs
  readonly #c: NodeBackupsComponents
  readonly #node: string
  readonly #moments: BackupMoments
  readonly #queue = new SerialQueue()
  readonly #stopped = new AbortController()
  readonly #job: Job
  #running: string | undefined

  constructor(components: NodeBackupsComponents, { name }: { readonly name: string }) {
    this.#c = components
    this.#node = name
    this.jobs = components.jobs
    this.#moments = new BackupMoments(components)
    const { world, log } = components
    this.#job = new Job({
      clock: world.clock,
      random: world.random,
      name: 'backups',
      everyMs: LOOK_MS,
      run: (signal) => this.#runDue(signal),
      log,
    })
  }

  /** A node without backups looks for none. */
  start(): void {
    if (this.jobs.all().length > 0) this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new ShoalError('stopped', 'the node is stopping'))
    await this.#job.stop()
    await this.#queue.idle()
  }

  isRunning(name: string): boolean {
    return this.#running === name
  }

  /**
   * Keep a job, once its place was seen to work. key: the text of one that the place has backups
   * of, or undefined for a new one. throws ShoalError 'EEXIST', 'usage', 'ENOENT', 'cold-*'.
   */
  async add(
    job: Omit<BackupJob, 'key' | 'addedMs'>,
    key: string | undefined,
    signal: AbortSignal,
  ): Promise<BackupJob> {
    checkJobName(job.name)
    this.#checkNew(job.name)
    const { random, clock, tiers } = this.#c.world
    const secret = key === undefined ? random.bytes(BACKUP_KEY_BYTES) : parseBackupKey(key)
    await using opened = placeIn({ tiers, random }, job, secret)
    await opened.check(signal)
    // A key that is wrong is found out now, and not when it is too late.
    const found =
      key === undefined ? undefined : await Repository.openRecords(opened.place, { signal })
    this.#checkNew(job.name)
    const own = found?.backups.findLast((backup) => isOf(backup, { ...job, job: job.name }))
    const newest = own && { number: own.number, id: own.id }
    const added = { ...job, key: toHex(secret), addedMs: clock.wall(), newest }
    await this.jobs.put(added)
    this.#look()
    return added
  }

  /** throws ShoalError 'ENOENT', 'EBUSY'. */
  async remove(name: string): Promise<BackupJob> {
    const job = this.jobs.get(name)
    if (this.isRunning(name))
      throw new ShoalError('EBUSY', `backup ${name} is running; try again when it is done`)
    await this.#moments.leave(job, this.#stopped.signal)
    await this.jobs.remove(name)
    return job
  }

  /** Make a backup now, after those that are under way. throws as runBackup() of the API. */
  run(name: string, options: RunOptions): Promise<void> {
    this.jobs.get(name)
    if (this.#running !== undefined) options.emit({ kind: 'waiting' })
    return this.#queue.run(() => this.#run(name, options))
  }

  /** Remove one backup. throws ShoalError 'ENOENT', 'EBUSY', 'cold-*'. */
  removeBackup(name: string, id: string, signal: AbortSignal): Promise<PrunedBackups> {
    const { clock } = this.#c.world
    return this.#queue.run(() =>
      this.#at(this.jobs.get(name), 'alone', signal, async (opened) => {
        const repository = await Repository.open(opened.place, { signal })
        const [found, another] = repository.backups.filter((one) => one.id.startsWith(id))
        if (found === undefined || another !== undefined)
          throw new ShoalError('ENOENT', `${id} is not the id of one backup of ${name}`)
        return prune({ repository, clock, signal }, [found])
      }),
    )
  }

  async #runDue(signal: AbortSignal): Promise<void> {
    const { world, log } = this.#c
    for (const { name } of this.jobs.all()) {
      signal.throwIfAborted()
      const job = this.jobs.has(name) ? this.jobs.get(name) : undefined
      const due = job && dueMs(job)
      if (due === undefined || due > world.clock.wall() || this.#running === name) continue
      const emit = (event: BackupEvent): void => {
        if (event.kind === 'warning' || event.kind === 'failure')
          log('backup.damaged', { backup: name, ...event })
      }
      // Its failure is kept with the job, where its owner sees it.
      await this.run(name, { signal, emit }).catch((error: unknown) => {
        const { code, message } = asShoalError(error)
        log('backup.failed', { backup: name, code, message })
      })
    }
  }

  async #run(name: string, { signal: asked, emit, mode }: RunOptions): Promise<void> {
    const signal = AbortSignal.any([asked, this.#stopped.signal])
    signal.throwIfAborted()
    const { clock } = this.#c.world
    const startedMs = clock.wall()
    const job = this.jobs.get(name)
    this.#running = name
    try {
      await this.jobs.change(name, { last: { startedMs } })
      const made = await this.#withHooks(job, emit, signal, () =>
        this.#make(job, { mode: mode ?? job.mode, emit, signal }),
      )
      await this.jobs.change(name, { last: { startedMs, endedMs: clock.wall() } })
      emit(made)
    } catch (error) {
      const { code, message } = asShoalError(error)
      const failure = { code, message }
      // Nobody can write down anything any more when the node stops.
      if (!this.#stopped.signal.aborted)
        await this.jobs.change(name, { last: { startedMs, endedMs: clock.wall(), failure } })
      throw error
    } finally {
      this.#running = undefined
    }
  }

  async #withHooks<Result>(
    { name }: BackupJob,
    emit: RunOptions['emit'],
    signal: AbortSignal,
    run: () => Promise<Result>,
  ): Promise<Result> {
    const { runHook } = this.#c
    let result: 'ok' | 'failed' = 'failed'
    try {
      await runHook('before', name, undefined, signal)
      const done = await run()
      result = 'ok'
      return done
    } finally {
      // Also where the first failed half way, or was interrupted: what it began is to end.
      await runHook('after', name, result, this.#stopped.signal).catch((error: unknown) =>
        emit({ kind: 'warning', message: asShoalError(error).message }),
      )
    }
  }

  #make(job: BackupJob, options: MakeOptions): Promise<MadeBackup> {
    const { signal, emit } = options
    return this.#at(job, 'shared', signal, async (opened, lock) => {
      await opened.check(signal)
      const repository = await Repository.open(opened.place, { signal, isNew: true })
      for (const { what, why } of repository.problems)
        emit({ kind: 'warning', message: `${what} ${why}` })
      const before = job.newest
      if (before !== undefined && isMissing(repository, before))
        emit({
          kind: 'warning',
          message:
            `backup ${before.number}, which was made from here, is not at the place any more: ` +
            'somebody brought back an older state of it, or took it away',
        })
      const made = await this.#makeAt(job, repository, lock, options)
      const pruned = await this.#pruneAfter(job, opened, lock, options)
      return { ...made, ...pruned }
    })
  }

  async #makeAt(
    job: BackupJob,
    repository: Repository,
    lock: PlaceLock,
    options: MakeOptions,
  ): Promise<Omit<MadeBackup, keyof PrunedBackups>> {
    const { named, hosted } = this.#c.volumeOf(job.volumeId)
    const { path } = job
    const folder = hosted.namespace.resolvePath(path.split('/').filter((part) => part !== ''))
    if (folder.kind !== 'dir') throw new ShoalError('ENOTDIR', `${path}: is not a folder`)
    const moment = { job, hosted, folder: folder.id }
    return this.#moments.run(moment, options.signal, (view) =>
      this.#makeOf(job, { repository, lock, named, hosted, folder, view }, options),
    )
  }

  async #makeOf(
    job: BackupJob,
    { repository, lock, named, hosted, folder, view }: Made,
    { mode, signal, emit }: MakeOptions,
  ): Promise<Omit<MadeBackup, keyof PrunedBackups>> {
    const { world } = this.#c
    const { name, path, volumeId, unfinished } = job
    const set = unfinished?.mode === mode ? unfinished.set : repository.place.freshId(PACK_ID_BYTES)
    await this.jobs.change(name, { unfinished: { set, mode } })
    const { objectSecret: markKey } = repository.place.keys
    const source = new VolumeSource(hosted, { view, markKey })
    const before = repository.backups.findLast((one) => isOf(one, { job: name, volumeId, path }))
    const totalBytes = before?.bytes ?? (await source.bytesBelow(folder.id, signal))
    let unchanged = 0
    const made = await makeBackup(
      {
        repository,
        source,
        clock: world.clock,
        check: (ended) => lock.check(ended),
        onProgress: ({ files, doneBytes: bytes, addedBytes, ...tally }) => {
          ;({ unchanged } = tally)
          emit({
            kind: 'progress',
            files,
            bytes,
            totalBytes: Math.max(bytes, totalBytes),
            addedBytes,
          })
        },
        onFailure: (failed, { message }) => emit({ kind: 'failure', path: failed, message }),
      },
      {
        job: name,
        node: this.#node,
        volume: named.name,
        volumeId,
        path,
        mode,
        set,
        folder,
        numberBefore: job.newest?.number ?? 0,
      },
      signal,
    )
    const newest = { number: made.number, id: made.id }
    await this.jobs.change(name, { unfinished: undefined, newest })
    return { ...shown(made), unchanged }
  }

  /** A failure leaves the backup that was made. */
  async #pruneAfter(
    job: BackupJob,
    opened: OpenedPlace,
    lock: PlaceLock,
    { signal, emit }: MakeOptions,
  ): Promise<PrunedBackups> {
    const none = { removed: 0, freedBytes: 0 }
    if (Object.values(job.keep).every((count) => count === undefined)) return none
    const { clock } = this.#c.world
    await lock.release()
    try {
      return await this.#locked(opened, 'alone', signal, async () => {
        const repository = await Repository.open(opened.place, { signal })
        const own = repository.backups.filter((backup) => isOf(backup, { ...job, job: job.name }))
        const old = expired(own, job.keep)
        return old.length === 0 ? none : await prune({ repository, clock, signal }, old)
      })
    } catch (error) {
      signal.throwIfAborted()
      const { message } = asShoalError(error)
      emit({ kind: 'warning', message: `old backups were not removed this time: ${message}` })
      return none
    }
  }

  async #at<Result>(
    job: BackupJob,
    kind: LockKind,
    signal: AbortSignal,
    run: (opened: OpenedPlace, lock: PlaceLock) => Promise<Result>,
  ): Promise<Result> {
    const { tiers, random } = this.#c.world
    await using opened = placeIn({ tiers, random }, job, secretOf(job))
    return await this.#locked(opened, kind, signal, (lock) => run(opened, lock))
  }

  async #locked<Result>(
    { place }: OpenedPlace,
    kind: LockKind,
    signal: AbortSignal,
    run: (lock: PlaceLock) => Promise<Result>,
  ): Promise<Result> {
    const { clock, network } = this.#c.world
    const options = { kind, node: this.#node, nodeId: network.self }
    const lock = await PlaceLock.take({ place, clock }, options, signal)
    try {
      return await run(lock)
    } finally {
      await lock.release()
    }
  }

  #look(): void {
    this.#job.start()
    this.#job.wake()
  }

  #checkNew(name: string): void {
    if (this.jobs.has(name))
      throw new ShoalError('EEXIST', `there is a backup ${name} already; see "shoal backup ls"`)
  }
}

function isMissing(repository: Repository, { id }: { readonly id: string }): boolean {
  return !repository.removed.has(id) && !repository.backups.some((backup) => backup.id === id)
}

function shown(made: NamedBackup): Omit<MadeBackup, keyof PrunedBackups | 'unchanged'> {
  const { id, number, mode, timeMs, files, folders, specials, bytes, addedBytes, failed } = made
  const counted = { files, folders, specials, bytes, addedBytes, failed }
  return { kind: 'made', id, number, mode, timeMs, ...counted }
}
