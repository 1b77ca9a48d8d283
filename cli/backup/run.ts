// `shoal backup run`: make one now, and show how it goes.
import { ShoalError } from '../../protocol/errors.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import { formatBytes } from '../../protocol/size.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { BackupEvent, MadeBackup } from '../../node/control/backups.ts'
import { count, printable } from '../output.ts'
import { showProgress } from '../progress.ts'
import type { Context } from '../context.ts'
import { SHOWN_ID_CHARS } from './choose.ts'

/** So many files that cannot be read are told one by one. */
const TOLD_MAX = 20

/** throws ShoalError 'chunk-unavailable' where some files could not be read. */
export async function runBackup(
  context: Context,
  name: string,
  mode: BackupMode | undefined,
): Promise<void> {
  const startedMs = performance.now()
  let files = 0
  let addedBytes = 0
  let failures = 0
  let made: MadeBackup | undefined
  const counts = (): string => `${count(files, 'file')}, ${formatBytes(addedBytes)} uploaded`
  const progress = showProgress(context, 'backup', { counts })
  const take = (event: BackupEvent): void => {
    switch (event.kind) {
      case 'waiting':
        return context.tell('Another backup is running; waiting for its end.')
      case 'progress':
        ;({ files, addedBytes } = event)
        return progress.reach(event.bytes, event.totalBytes)
      case 'failure':
        if (++failures > TOLD_MAX) return
        return context.warn(printable(`${event.path}: ${event.message}; left out`))
      case 'warning':
        return context.warn(printable(event.message))
      case 'made':
        made = event
    }
  }
  try {
    for await (const page of context.client.runBackup(name, { mode })) page.forEach(take)
  } finally {
    progress.end()
  }
  if (made === undefined) throw new ShoalError('internal', 'the node did not say how it ended')
  const result = made
  context.summarize(result, () => textOf(name, result, performance.now() - startedMs))
  if (result.failed === 0) return
  if (context.json) return void (context.exitCode = 1)
  throw new ShoalError(
    'chunk-unavailable',
    `${count(result.failed, 'file')} could not be read and is not in this backup`,
  )
}

function textOf(name: string, made: MadeBackup, ms: number): string {
  const { id, number, mode, files, bytes, unchanged, addedBytes, removed, freedBytes } = made
  const old =
    removed === 0 ? '' : `; removed ${count(removed, 'old one')}, ${formatBytes(freedBytes)} freed`
  return (
    `Made ${mode} backup ${number} (${id.slice(0, SHOWN_ID_CHARS)}) of ${printable(name)}: ` +
    `${count(files, 'file')} (${formatBytes(bytes)}), ${unchanged} unchanged, ` +
    `${formatBytes(addedBytes)} uploaded in ${(ms / SECOND_MS).toFixed(1)} s${old}`
  )
}
