// The backup jobs of this node: what is copied where, how often, and how the last run went. They
// are in the index of its home alone, which is for its owner only and sealed in a protected home,
// with their keys; nothing of them is in any log.
import { fromHex, toByteString, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import type { SnapshotId } from '../../protocol/op/snapshot-op.ts'
import type { Retention } from '../../protocol/backup/retention.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Kv } from '../store/kv.ts'
import type { PlaceAddress } from './open-place.ts'

const PREFIX = STORE_PREFIXES.backupJob
const AFTER_PREFIX: string = String.fromCharCode(PREFIX.charCodeAt(0) + 1)
/** A run that failed is tried again after this, or when the next is due if that is sooner. */
const RETRY_MS = HOUR_MS

export interface BackupJob extends PlaceAddress {
  readonly name: string
  readonly volumeId: string
  /** In the volume. */
  readonly path: string
  /** In hex. */
  readonly key: string
  readonly mode: BackupMode
  readonly everyMs?: number | undefined
  readonly keep: Retention
  readonly addedMs: WallTime
  readonly last?: LastRun | undefined
  /** The newest backup that this node knows of. */
  readonly newest?: { readonly number: number; readonly id: string } | undefined
  /** The set of a run that did not end, and its mode: the next of that mode goes on with it. */
  readonly unfinished?: { readonly set: string; readonly mode: BackupMode } | undefined
  /** The snapshot of the run that is under way, or was killed. */
  readonly moment?: SnapshotId | undefined
}

interface LastRun {
  readonly startedMs: WallTime
  readonly endedMs?: WallTime | undefined
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
}

export class BackupJobs {
  readonly #kv: Kv
  readonly #jobs = new Map<string, BackupJob>()

  private constructor(kv: Kv) {
    this.#kv = kv
  }

  static async load(kv: Kv): Promise<BackupJobs> {
    const jobs = new BackupJobs(kv)
    for await (const [, value] of kv.scan({ from: PREFIX, to: AFTER_PREFIX })) {
      const job = JSON.parse(Buffer.from(value).toString()) as BackupJob
      jobs.#jobs.set(job.name, job)
    }
    return jobs
  }

  /** By name. */
  all(): readonly BackupJob[] {
    return [...this.#jobs.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** throws ShoalError 'ENOENT'. */
  get(name: string): BackupJob {
    const job = this.#jobs.get(name)
    if (job !== undefined) return job
    throw new ShoalError('ENOENT', `there is no backup ${name} here; see "shoal backup ls"`)
  }

  has(name: string): boolean {
    return this.#jobs.has(name)
  }

  async put(job: BackupJob): Promise<void> {
    const value = utf8(JSON.stringify(job))
    await this.#kv.write([{ kind: 'put', key: keyOf(job.name), value }], { sync: true })
    this.#jobs.set(job.name, job)
  }

  /** Change something of a job, unless it is gone. */
  async change(name: string, change: Partial<BackupJob>): Promise<void> {
    const job = this.#jobs.get(name)
    if (job !== undefined) await this.put({ ...job, ...change })
  }

  async remove(name: string): Promise<void> {
    await this.#kv.write([{ kind: 'delete', key: keyOf(name) }], { sync: true })
    this.#jobs.delete(name)
  }
}

/** When a job runs next by itself; undefined: never. However many were missed, it is once. */
export function dueMs({ everyMs, last, addedMs }: BackupJob): WallTime | undefined {
  if (everyMs === undefined) return undefined
  if (last === undefined) return addedMs
  const isDone = last.endedMs !== undefined && last.failure === undefined
  return (last.startedMs + (isDone ? everyMs : Math.min(everyMs, RETRY_MS))) as WallTime
}

export function secretOf({ key }: BackupJob): Uint8Array {
  return fromHex(key)
}

function keyOf(name: string): string {
  return PREFIX + toByteString(utf8(name))
}
