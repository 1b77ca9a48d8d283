// The files of a volume, a folder at a time: to look through, to send and to get, to rename, remove
// and bring back.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { downloadFile, downloadFolder } from '../files/download.ts'
import { FolderTable } from '../files/folder-table.tsx'
import { Holders } from '../files/holders.tsx'
import { Removed, Versions } from '../files/past.tsx'
import { inside, nameOf, pageUrl, pathText } from '../files/place.ts'
import { UploadArea } from '../files/upload-area.tsx'
import { shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Action } from '../parts/action.tsx'
import { Ask } from '../parts/dialog.tsx'
import { tell, tellFailure } from '../parts/notices.tsx'
import { useRights } from '../rights.ts'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Entry, EntryAction } from '../files/folder-table.tsx'
import type { Place } from '../files/place.ts'
import type { PageProps } from '../pages.ts'

const PAGE_ENTRIES = 200

type Open =
  | { readonly what: 'rename' | 'versions' | 'holders'; readonly name: string }
  | { readonly what: 'folder' | 'removed' }

export function Files({ seen, rest }: PageProps): JSX.Element {
  const readable = seen.status.volumes.filter(({ role }) => role !== 'keeper')
  return <FilesOf rest={rest} readable={readable} />
}

/** readable: volumes, with something that is another for each change of them. */
export function FilesOf({
  rest,
  readable,
}: Pick<PageProps, 'rest'> & {
  readonly readable: readonly {
    readonly name: string
    readonly isDefault: boolean
    readonly heads: readonly string[]
  }[]
}): JSX.Element {
  const [first = readable.find(({ isDefault }) => isDefault)?.name ?? readable[0]?.name] = rest
  const volume = readable.find(({ name }) => name === first)
  if (first === undefined) return <Empty />
  if (volume === undefined)
    return (
      <>
        <h1>{TEXT.nav.files}</h1>
        <p class="bad">{TEXT.files.noVolume(shown(first))}</p>
      </>
    )
  const place = { volume: first, path: rest.slice(1) }
  return (
    <>
      <div class="card-head">
        <h1>{TEXT.nav.files}</h1>
        {readable.length > 1 && (
          <label>
            {TEXT.files.volume}{' '}
            <select
              value={first}
              onChange={({ currentTarget }) => {
                location.hash = pageUrl({ volume: currentTarget.value, path: [] })
              }}
            >
              {readable.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </div>
      <Folder key={pathText(place)} place={place} heads={volume.heads.join()} />
    </>
  )
}

function Empty(): JSX.Element {
  return (
    <>
      <h1>{TEXT.nav.files}</h1>
      <p>
        {TEXT.files.noVolumes} <a href="#/volumes">{TEXT.nav.volumes}</a>
      </p>
    </>
  )
}

/** heads: another for each change of the volume. */
function Folder({ place, heads }: { readonly place: Place; readonly heads: string }): JSX.Element {
  const words = TEXT.files
  const [pages, setPages] = useState<Pages>([undefined])
  const [open, setOpen] = useState<Open>()
  const after = pages.at(-1)
  const load = (): ReturnType<typeof listPage> => listPage(place, after)
  const { value, error, reload } = useLoaded(load, [after, heads])
  const close = (): void => setOpen(undefined)
  const rights = useRights()
  const act = (entry: Entry, action: EntryAction): Promise<void> => {
    if (action === 'rename' || action === 'versions' || action === 'holders') {
      setOpen({ what: action, name: entry.name })
      return Promise.resolve()
    }
    const at = inside(place, entry.name)
    if (action === 'remove') return remove(at, reload)
    return entry.kind === 'folder' ? downloadFolder(at, tellZipped(at)) : downloadFile(at)
  }
  return (
    <UploadArea place={place} onDone={reload}>
      <Trail place={place} />
      <div class="row">
        {rights.may('add', place) && (
          <button type="button" onClick={() => setOpen({ what: 'folder' })}>
            {words.newFolder}
          </button>
        )}
        {rights.may('read', place) && (
          <>
            <Action run={() => downloadFolder(place, tellZipped(place))}>
              {words.downloadAll}
            </Action>
            <button type="button" onClick={() => setOpen({ what: 'removed' })}>
              {words.removed}
            </button>
          </>
        )}
      </div>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value === undefined && error === undefined && <p>{TEXT.loading}</p>}
      {value !== undefined && <FolderTable place={place} entries={value.entries} onAction={act} />}
      <Pager pages={pages} next={value?.next} onPages={setPages} />
      {open !== undefined && <OpenDialog {...{ place, open, reload }} onClose={close} />}
    </UploadArea>
  )
}

type Pages = readonly (string | undefined)[]

/** From one part of a large folder to the next. */
function Pager({
  pages,
  next,
  onPages,
}: {
  readonly pages: Pages
  readonly next: string | undefined
  readonly onPages: (pages: Pages) => void
}): JSX.Element | null {
  const words = TEXT.files
  if (pages.length === 1 && next === undefined) return null
  return (
    <div class="row">
      <button
        type="button"
        disabled={pages.length === 1}
        onClick={() => onPages(pages.slice(0, -1))}
      >
        {words.before}
      </button>
      <span>{words.page(pages.length)}</span>
      <button type="button" disabled={next === undefined} onClick={() => onPages([...pages, next])}>
        {words.after}
      </button>
    </div>
  )
}

/** The dialog that is open. */
function OpenDialog({
  place,
  open,
  reload,
  onClose: close,
}: {
  readonly place: Place
  readonly open: Open
  readonly reload: () => void
  readonly onClose: () => void
}): JSX.Element {
  const words = TEXT.files
  return (
    <>
      {open.what === 'folder' && (
        <Ask
          title={words.newFolder}
          label={words.name}
          button={words.make}
          onClose={close}
          onAnswer={async (name) => {
            await call('makeFolder', { path: pathText(inside(place, checkName(name))) })
            reload()
          }}
        />
      )}
      {open.what === 'rename' && (
        <Ask
          title={words.renameOf(shown(open.name))}
          label={words.newName}
          initial={open.name}
          button={words.rename}
          onClose={close}
          onAnswer={(name) => rename(place, open.name, checkName(name)).then(reload)}
        />
      )}
      {open.what === 'versions' && (
        <Versions place={inside(place, open.name)} onClose={close} onChanged={reload} />
      )}
      {open.what === 'holders' && <Holders place={inside(place, open.name)} onClose={close} />}
      {open.what === 'removed' && <Removed place={place} onClose={close} onChanged={reload} />}
    </>
  )
}

function listPage(
  place: Place,
  after: string | undefined,
): Promise<{ readonly entries: readonly Entry[]; readonly next?: string | undefined }> {
  return call('listPage', { path: pathText(place), limit: PAGE_ENTRIES, after })
}

/** The way to a folder, each part a link. */
function Trail({ place: { volume, path } }: { readonly place: Place }): JSX.Element {
  const steps = [volume, ...path].map((name, at) => ({ name, path: path.slice(0, at) }))
  return (
    <nav aria-label={TEXT.files.trail} class="trail">
      {steps.map(({ name, path: to }, at) => (
        <span key={to.join('/')}>
          {at > 0 && ' / '}
          {at === steps.length - 1 ? (
            <strong aria-current="location">{shown(name)}</strong>
          ) : (
            <a href={pageUrl({ volume, path: to })}>{shown(name)}</a>
          )}
        </span>
      ))}
    </nav>
  )
}

/** throws Error for what would be a path. */
function checkName(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !name.includes('/')) return name
  throw new Error(TEXT.files.badName)
}

async function rename(folder: Place, from: string, to: string): Promise<void> {
  if (from === to) return
  const move = (one: string, other: string): Promise<unknown> =>
    call('move', {
      from: pathText(inside(folder, one)),
      to: pathText(inside(folder, other)),
      exact: true,
      ifTag: '',
    })
  await move(from, to)
  tell(TEXT.files.renamed(shown(from), shown(to)), {
    label: TEXT.files.undo,
    run: () => void move(to, from).catch(tellFailure),
  })
}

async function remove(place: Place, reload: () => void): Promise<void> {
  const path = pathText(place)
  await call('remove', { path, recursive: true })
  reload()
  tell(TEXT.files.wasRemoved(shown(nameOf(place))), {
    label: TEXT.files.undo,
    run: () => void call('undelete', { path }).then(reload, tellFailure),
  })
}

/** Tells now and then how far an archive is. */
function tellZipped(place: Place): (done: number) => void {
  return (done) => {
    if (done % 100 === 0) tell(TEXT.files.zipped(shown(nameOf(place)), done))
  }
}
