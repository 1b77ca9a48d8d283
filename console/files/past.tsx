// The former versions of a file, and what was removed from a folder: to look at, and to bring back.
import { all, call } from '../client.ts'
import { bytes, shown, time } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Action } from '../parts/action.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { tell } from '../parts/notices.tsx'
import { TEXT } from '../texts.ts'
import { downloadFile } from './download.ts'
import { nameOf, pathText } from './place.ts'
import type { JSX } from 'preact'
import type { Place } from './place.ts'

const SHOWN_MAX = 200

export interface PastProps {
  readonly place: Place
  readonly onClose: () => void
  readonly onChanged: () => void
}

export function Versions({ place, onClose, onChanged }: PastProps): JSX.Element {
  const words = TEXT.files
  const path = pathText(place)
  const { value, error } = useLoaded(() => all('listVersions', { path }, SHOWN_MAX), [path])
  const restore = async (version: string): Promise<void> => {
    await call('restore', { path, version })
    tell(words.restored(shown(nameOf(place))))
    onChanged()
    onClose()
  }
  return (
    <Dialog title={words.versionsOf(shown(nameOf(place)))} onClose={onClose}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value === undefined && error === undefined && <p>{TEXT.loading}</p>}
      <ul class="list">
        {value?.map(({ id, timeMs, author, sizeBytes, end, kind }) => (
          <li key={id}>
            <span>
              {time(timeMs)}, {shown(author)}, {bytes(sizeBytes)}{' '}
              <span class="tag">{words.ends[end]}</span>
            </span>
            {kind === 'file' && (
              <span>
                <Action run={() => downloadFile(place, end === 'current' ? undefined : id)}>
                  {words.download}
                </Action>{' '}
                {end !== 'current' && (
                  <Action run={() => restore(id)} label={words.restoreLabel(time(timeMs))}>
                    {words.restore}
                  </Action>
                )}
              </span>
            )}
          </li>
        ))}
      </ul>
    </Dialog>
  )
}

export function Removed({ place, onClose, onChanged }: PastProps): JSX.Element {
  const words = TEXT.files
  const { value, error, reload } = useLoaded(
    () => all('listRemoved', { path: pathText(place) }, SHOWN_MAX),
    [pathText(place)],
  )
  const undelete = async (path: string): Promise<void> => {
    await call('undelete', { path })
    tell(words.broughtBack(shown(path)))
    reload()
    onChanged()
  }
  return (
    <Dialog title={words.removedFrom(shown(nameOf(place)))} onClose={onClose}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value?.length === 0 && <p>{words.noneRemoved}</p>}
      <ul class="list">
        {value?.map(({ path, removedMs, removedBy, sizeBytes }) => (
          <li key={`${path} ${removedMs}`}>
            <span>
              <strong>{shown(path)}</strong> {bytes(sizeBytes)}
              <span class="quiet"> {words.removedBy(shown(removedBy), time(removedMs))}</span>
            </span>
            <Action run={() => undelete(path)} label={words.bringBackLabel(shown(path))}>
              {words.bringBack}
            </Action>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}
