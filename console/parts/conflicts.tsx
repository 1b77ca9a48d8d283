// Files that several have written at once, each side with a button that ends it.
import { all, call } from '../client.ts'
import { bytes, shown, time } from '../format.ts'
import { useLoaded } from '../live.ts'
import { tell, tellFailure } from './notices.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'
import type { Item } from '../wire.ts'
import type { NodeApi } from '../../node/control/api.ts'

type Conflict = Item<NodeApi['listConflicts']>

const SHOWN_MAX = 20

export function Conflicts({
  volumes,
}: {
  readonly volumes: Shown['status']['volumes']
}): JSX.Element {
  const words = TEXT.conflicts
  const some = volumes.filter(({ conflicts }) => conflicts > 0)
  const key = some.map(({ id, conflicts, heads }) => `${id} ${conflicts} ${heads[0]}`).join()
  const { value, error, reload } = useLoaded(() => load(some.map(({ name }) => name)), [key])
  if (some.length === 0) return <p>{words.none}</p>
  return (
    <>
      <p>{words.explain}</p>
      {error !== undefined && <p class="bad">{error.message}</p>}
      <ul class="list tall">
        {value?.map((conflict) => (
          <li key={conflict.path}>
            <ConflictOf conflict={conflict} onKept={reload} />
          </li>
        ))}
      </ul>
    </>
  )
}

async function load(volumes: readonly string[]): Promise<readonly Conflict[]> {
  const lists = await Promise.all(
    volumes.map((name) => all('listConflicts', { path: `${name}:/` }, SHOWN_MAX)),
  )
  return lists.flat().slice(0, SHOWN_MAX)
}

function ConflictOf({
  conflict: { path, sides, moreCount },
  onKept,
}: {
  readonly conflict: Conflict
  readonly onKept: () => void
}): JSX.Element {
  const words = TEXT.conflicts
  const mayKeep = sides.every(({ kind }) => kind !== 'folder')
  const keep = (side: string): void =>
    void call('keepConflict', { path: side }).then(
      (kept) => {
        tell(words.kept(shown(kept.path)))
        onKept()
      },
      (failure: unknown) => tellFailure(failure),
    )
  return (
    <>
      <p>
        <strong>{shown(path)}</strong>
      </p>
      <ul class="list">
        {sides.map((side) => (
          <li key={side.path}>
            <span>
              {words.side(shown(side.author), time(side.writtenMs), bytes(side.sizeBytes))}
            </span>
            {mayKeep && (
              <button
                type="button"
                aria-label={words.keepLabel(shown(side.path), shown(side.author))}
                onClick={() => keep(side.path)}
              >
                {words.keep}
              </button>
            )}
          </li>
        ))}
      </ul>
      {!mayKeep && <p class="quiet">{words.isFolder}</p>}
      {moreCount > 0 && <p class="quiet">{words.more(moreCount)}</p>}
    </>
  )
}
