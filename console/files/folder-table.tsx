// The entries of a folder, or of a part of one, with what can be done to each.
import { bytes, shown, timeOfNs } from '../format.ts'
import { Action } from '../parts/action.tsx'
import { useRights } from '../rights.ts'
import { TEXT } from '../texts.ts'
import { inside, pageUrl } from './place.ts'
import type { JSX } from 'preact'
import type { Place } from './place.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { Wire } from '../wire.ts'

export type Entry = Wire<FileStat>

export type EntryAction = 'download' | 'rename' | 'versions' | 'holders' | 'remove'

export interface FolderTableProps {
  readonly place: Place
  readonly entries: readonly Entry[]
  readonly onAction: (entry: Entry, action: EntryAction) => Promise<void>
}

export function FolderTable({ place, entries, onAction }: FolderTableProps): JSX.Element {
  const words = TEXT.files
  if (entries.length === 0) return <p>{words.empty}</p>
  return (
    <table class="files">
      <thead>
        <tr>
          <th scope="col">{words.name}</th>
          <th scope="col" class="number">
            {words.size}
          </th>
          <th scope="col">{words.modified}</th>
          <th scope="col">
            <span class="hidden">{words.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <Row key={entry.nameBytes ?? entry.name} {...{ place, entry, onAction }} />
        ))}
      </tbody>
    </table>
  )
}

function Row({
  place,
  entry,
  onAction,
}: Omit<FolderTableProps, 'entries'> & { readonly entry: Entry }): JSX.Element {
  const words = TEXT.files
  const { name, kind, sizeBytes, modifiedNs, target } = entry
  const text = shown(name)
  const { isOwner, may } = useRights()
  const at = inside(place, name)
  const isOffered: Readonly<Record<EntryAction, boolean>> = {
    download: may('read', at),
    rename: may('write', at),
    versions: may('read', at),
    holders: isOwner,
    remove: may('write', at),
  }
  const actions = ACTIONS[kind === 'folder' ? 'folder' : kind === 'file' ? 'file' : 'other'].filter(
    (action) => isOffered[action],
  )
  return (
    <tr>
      <th scope="row">
        {kind === 'folder' ? (
          <a href={pageUrl(at)}>{text}/</a>
        ) : kind === 'file' && isOffered.versions ? (
          <button type="button" class="link" onClick={() => void onAction(entry, 'versions')}>
            {text}
          </button>
        ) : (
          <span>
            {text}{' '}
            {kind !== 'file' && (
              <span class="quiet">{target === undefined ? kind : `→ ${shown(target)}`}</span>
            )}
          </span>
        )}
      </th>
      <td class="number" data-label={words.size}>
        {kind === 'file' && bytes(sizeBytes)}
      </td>
      <td data-label={words.modified}>{timeOfNs(modifiedNs)}</td>
      <td class="actions">
        {actions.map((action) => (
          <Action
            key={action}
            kind={action === 'remove' ? 'danger' : undefined}
            label={`${words[action]}: ${text}`}
            run={() => onAction(entry, action)}
          >
            {words[action]}
          </Action>
        ))}
      </td>
    </tr>
  )
}

const ACTIONS: Readonly<Record<'folder' | 'file' | 'other', readonly EntryAction[]>> = {
  folder: ['download', 'rename', 'remove'],
  file: ['download', 'rename', 'versions', 'holders', 'remove'],
  other: ['rename', 'remove'],
}
