// NAME[@WHEN] on the command line: which of the backups at a place is meant.
import { ShoalError } from '../../protocol/errors.ts'
import type { NamedBackup } from '../../node/backup/repository.ts'
import { formatTime, printable } from '../output.ts'
import { whenOf } from '../past/when.ts'

/** The part of an id that is shown. */
export const SHOWN_ID_CHARS = 8

export interface Wanted {
  /** Undefined: whichever there is. */
  readonly name: string | undefined
  /** As it was typed; undefined: the newest. */
  readonly when: string | undefined
}

export function parseWanted(text: string): Wanted {
  const at = text.indexOf('@')
  if (at < 0) return { name: text, when: undefined }
  const [name, when] = [text.slice(0, at), text.slice(at + 1)]
  if (when === '') throw new ShoalError('usage', `"${text}" says no time after the @`)
  return { name: name === '' ? undefined : name, when }
}

/** The one that is meant. throws ShoalError 'ENOENT', 'usage'. */
export function chooseBackup(all: readonly NamedBackup[], wanted: Wanted): NamedBackup {
  const { name, when } = wanted
  const backups = all.filter(({ job }) => name === undefined || job === name)
  const folders = new Set(all.map(({ job, volumeId, path }) => `${job} ${volumeId} ${path}`))
  const names = [...new Set(all.map(({ job }) => job))].map(printable).join(', ')
  if (backups.length === 0)
    throw new ShoalError('ENOENT', `there is no backup ${name} at this place, but ${names}`)
  const byId = when === undefined ? undefined : backupById(backups, when)
  if (byId !== undefined) return byId
  if (name === undefined && folders.size > 1)
    throw new ShoalError('usage', `there are several backups at this place, say which: ${names}`)
  if (when === undefined) return newestOf(backups)
  const moment = whenOf(when, Date.now())
  if (moment?.atMs === undefined)
    throw new ShoalError(
      'usage',
      `"${when}" is neither a time, an age, nor the id or number of a backup; ` +
        'see "shoal backup ls"',
    )
  const { atMs } = moment
  const before = backups.filter(({ timeMs }) => timeMs <= atMs)
  if (before.length > 0) return newestOf(before)
  throw new ShoalError(
    'ENOENT',
    `there is no backup of ${formatTime(atMs)} or before; the oldest is of ` +
      formatTime(Math.min(...backups.map(({ timeMs }) => timeMs))),
  )
}

function backupById(backups: readonly NamedBackup[], when: string): NamedBackup | undefined {
  if (/^\d{1,6}$/.test(when)) return backups.find(({ number }) => number === Number(when))
  if (!/^[0-9a-f]{4,64}$/.test(when)) return undefined
  const [found, another] = backups.filter(({ id }) => id.startsWith(when))
  return another === undefined ? found : undefined
}

function newestOf(backups: readonly NamedBackup[]): NamedBackup {
  const [newest] = backups.toSorted((a, b) => b.timeMs - a.timeMs || b.number - a.number)
  if (newest === undefined) throw new ShoalError('ENOENT', 'there is no backup at this place')
  return newest
}
