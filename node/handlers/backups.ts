// The owner's calls about backups.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBackupKey } from '../../protocol/backup/key.ts'
import type { BackupEvent, BackupJobStatus, BackupsApi } from '../control/backups.ts'
import { dueMs, secretOf } from '../backup/backup-jobs.ts'
import type { BackupJob } from '../backup/backup-jobs.ts'
import { formatPath } from '../volume/paths.ts'
import { eventsOf } from './events-of.ts'
import type { NodeParts } from './parts.ts'

export function backupsApi(parts: NodeParts): BackupsApi {
  const { hosted: volumes, backups, until } = parts
  return {
    async addBackup({ key, path, ...request }, { signal } = {}) {
      const { hosted, parts: names } = volumes.at(path)
      const folder = hosted.namespace.resolvePath(names)
      if (folder.kind !== 'dir') throw new ShoalError('ENOTDIR', `${path}: is not a folder`)
      const { last, hourly, daily, weekly, monthly, yearly, ...job } = request
      const keep = { last, hourly, daily, weekly, monthly, yearly }
      const place = { volumeId: hosted.volume.id, path: formatPath(names) }
      const added = await backups.add({ ...job, ...place, keep }, key, until(signal))
      return { job: statusOf(parts, added), key: keyText(added) }
    },

    listBackups: async () => backups.jobs.all().map((job) => statusOf(parts, job)),

    async *runBackup(name, { mode, signal } = {}) {
      backups.jobs.get(name)
      const ended = until(signal)
      yield* eventsOf<BackupEvent>(ended, (emit, scope) =>
        backups.run(name, { mode, emit, signal: scope }),
      )
    },

    async backupAccess(name) {
      const job = backups.jobs.get(name)
      const { url, endpoint, region, storageClass, bytesPerSecond, accessKey, profile } = job
      const place = { url, endpoint, region, storageClass, bytesPerSecond, accessKey, profile }
      return { ...place, key: keyText(job), job: name, number: job.newest?.number }
    },

    removeBackup: async (name) => statusOf(parts, await backups.remove(name)),

    removeBackupAt: (name, id, { signal } = {}) => backups.removeBackup(name, id, until(signal)),
  }
}

function keyText(job: BackupJob): string {
  return formatBackupKey(secretOf(job), job)
}

function statusOf({ volumes, backups }: NodeParts, job: BackupJob): BackupJobStatus {
  const { name, volumeId, path, url, mode, everyMs, keep, last, newest } = job
  // The volume may be left by now.
  const volume = volumes.all().find(({ volume: { id } }) => id === volumeId)?.name ?? volumeId
  return {
    name,
    volume,
    path: `${volume}:${path}`,
    url,
    mode,
    everyMs,
    keep,
    isRunning: backups.isRunning(name),
    startedMs: last?.startedMs,
    endedMs: last?.endedMs,
    failure: last?.failure,
    number: newest?.number,
    dueMs: dueMs(job),
  }
}
