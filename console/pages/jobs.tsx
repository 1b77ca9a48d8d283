// The work that the node does in the background, and what of it can be asked for now: repair,
// checks of all that is stored, garbage, backups.
import { call } from '../client.ts'
import { bytes, shown, time } from '../format.ts'
import { Action } from '../parts/action.tsx'
import { Card } from '../parts/card.tsx'
import { Work } from '../parts/work.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'
import type { GarbageEvent } from '../../node/control/garbage.ts'
import type { ScrubEvent } from '../../node/control/upkeep.ts'
import type { BackupEvent } from '../../node/control/backups.ts'
import type { Shown } from '../live.ts'

export function Jobs({ seen: { status } }: PageProps): JSX.Element {
  const words = TEXT.jobs
  const { node, volumes, backups = [] } = status
  return (
    <>
      <h1>{TEXT.nav.jobs}</h1>
      <div class="cards">
        <Card title={words.repair}>
          <p>{words.repairHint}</p>
          <ul class="plain-list">
            {volumes.map(({ id, name, upkeep: { repairing, queued, moving, repairedBytes } }) => (
              <li key={id}>
                {words.repairOf(shown(name), repairing, queued, moving, bytes(repairedBytes))}
              </li>
            ))}
          </ul>
          <p>
            <Action run={() => call('repair')}>{words.repairNow}</Action>
          </p>
        </Card>
        <Card title={words.scrub}>
          <p>{words.scrubHint}</p>
          {node.scrub !== undefined && (
            <p>{words.under(bytes(node.scrub.doneBytes), bytes(node.scrub.totalBytes))}</p>
          )}
          {node.damage !== undefined && (
            <p class="bad">{words.damage(node.damage.found, time(node.damage.lastMs))}</p>
          )}
          <Work name="scrub" button={words.scrubNow} lineOf={scrubLine} />
        </Card>
        <Card title={words.garbage}>
          <p>{words.garbageHint}</p>
          <p>{words.space(bytes(node.trashBytes), bytes(node.reclaimableBytes))}</p>
          <Work name="collectGarbage" button={words.garbageNow} lineOf={garbageLine} />
        </Card>
        <Card title={words.backups}>
          {backups.length === 0 && <p>{words.noBackups}</p>}
          <ul class="list tall">
            {backups.map((job) => (
              <Backup key={job.name} job={job} />
            ))}
          </ul>
        </Card>
      </div>
    </>
  )
}

function Backup({
  job,
}: {
  readonly job: NonNullable<Shown['status']['backups']>[number]
}): JSX.Element {
  const words = TEXT.jobs
  const { name, path, url, endedMs, dueMs, failure, isRunning } = job
  return (
    <li>
      <p>
        <strong>{shown(name)}</strong> {words.backupOf(shown(path), shown(url))}
      </p>
      <p class="quiet">
        {isRunning && words.running}
        {endedMs !== undefined && words.lastRun(time(endedMs))}{' '}
        {dueMs !== undefined && words.due(time(dueMs))}
      </p>
      {failure !== undefined && <p class="bad">{shown(failure.message)}</p>}
      <Work
        name="runBackup"
        fields={{ name }}
        button={words.backupNow}
        label={`${words.backupNow}: ${shown(name)}`}
        lineOf={backupLine}
      />
    </li>
  )
}

function scrubLine(event: ScrubEvent): string | undefined {
  if (event.kind === 'progress') return undefined
  return TEXT.jobs.found(event.kind, event.state, event.action)
}

function garbageLine(event: GarbageEvent): string | undefined {
  return event.kind === 'done' ? TEXT.jobs.freed(bytes(event.freedBytes)) : undefined
}

function backupLine(event: BackupEvent): string | undefined {
  switch (event.kind) {
    case 'made':
      return TEXT.jobs.made(event.files, bytes(event.addedBytes))
    case 'failure':
      return `${shown(event.path)}: ${shown(event.message)}`
    case 'warning':
      return shown(event.message)
    default:
      return undefined
  }
}
