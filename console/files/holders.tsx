// The holders of a file, in a dialog: the share of its parts of which each machine has a shard.
import { call } from '../client.ts'
import { count, shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Fill } from '../parts/bar.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { TEXT } from '../texts.ts'
import { nameOf, pathText } from './place.ts'
import type { JSX } from 'preact'
import type { PastProps } from './past.tsx'

export function Holders({ place, onClose }: Omit<PastProps, 'onChanged'>): JSX.Element {
  const words = TEXT.holders
  const path = pathText(place)
  const { value, error } = useLoaded(() => call('fileHolders', { path }), [path])
  return (
    <Dialog title={words.title(shown(nameOf(place)))} onClose={onClose}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value === undefined && error === undefined && <p>{TEXT.loading}</p>}
      {value !== undefined && (
        <>
          {value.stripes + value.unplaced === 0 && <p>{words.inLog}</p>}
          {value.unplaced > 0 && <p>{words.unplaced}</p>}
          {value.inTiers > 0 && <p>{words.inTiers(count(value.inTiers, 'part'))}</p>}
          <ul class="list tall">
            {value.holders.map(({ peer, name, shards }) => (
              <li key={peer}>
                <p class="between">
                  <strong>{shown(name)}</strong>
                  <span>{words.share(shards, value.stripes)}</span>
                </p>
                <Fill used={Math.min(shards, value.stripes)} whole={value.stripes} isPlain />
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  )
}
