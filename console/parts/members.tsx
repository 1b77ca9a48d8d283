// The members of a volume, their roles, and how one is renamed or removed.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Card } from './card.tsx'
import { Ask } from './dialog.tsx'
import { tell } from './notices.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'

export interface MembersProps {
  readonly volume: string
  /** Another whenever something about members may be. */
  readonly heads: string
  readonly self: string
  /** This node may remove others. */
  readonly isAdmin: boolean
}

type Asking =
  | { readonly what: 'rename' | 'drain' | 'remove'; readonly peer: string; readonly name: string }
  | undefined

export function Members({ volume, heads, self, isAdmin }: MembersProps): JSX.Element {
  const words = TEXT.members
  const [asking, setAsking] = useState<Asking>()
  const { value, error, reload } = useLoaded(() => call('volumeInfo', { volume }), [volume, heads])
  const close = (): void => setAsking(undefined)
  return (
    <Card title={words.title(shown(volume))}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      <ul class="list">
        {value?.members.map(({ peer, name, role }) => (
          <li key={peer}>
            <span>
              <strong>{shown(name)}</strong> <span class="tag">{role}</span>
              {peer === self && <span class="quiet"> ({TEXT.machines.self})</span>}
            </span>
            <span class="row tight">
              {(isAdmin || peer === self) && role !== 'recovery' && (
                <Button what="rename" {...{ peer, name, setAsking }} />
              )}
              {isAdmin && peer !== self && <Button what="drain" {...{ peer, name, setAsking }} />}
              {isAdmin && peer !== self && <Button what="remove" {...{ peer, name, setAsking }} />}
            </span>
          </li>
        ))}
      </ul>
      {asking?.what === 'rename' && (
        <Ask
          title={words.rename}
          label={TEXT.files.newName}
          initial={asking.name}
          button={words.rename}
          onClose={close}
          onAnswer={async (name) => {
            await call('renamePeer', { peer: asking.peer, name, volume })
            reload()
          }}
        />
      )}
      {asking !== undefined && asking.what !== 'rename' && (
        <Ask
          title={words[asking.what]}
          text={words.explain[asking.what](shown(asking.name))}
          button={words[asking.what]}
          isDanger
          onClose={close}
          onAnswer={async () => {
            const now = asking.what === 'remove'
            await call('removePeer', { peer: asking.peer, volume, now })
            tell(words.removed(shown(asking.name)))
            reload()
          }}
        />
      )}
    </Card>
  )
}

function Button({
  what,
  peer,
  name,
  setAsking,
}: {
  readonly what: 'rename' | 'drain' | 'remove'
  readonly peer: string
  readonly name: string
  readonly setAsking: (asking: Asking) => void
}): JSX.Element {
  return (
    <button
      type="button"
      class={what === 'remove' ? 'danger' : undefined}
      aria-label={`${TEXT.members[what]}: ${shown(name)}`}
      onClick={() => setAsking({ what, peer, name })}
    >
      {TEXT.members[what]}
    </button>
  )
}
