// The volumes: what each holds and costs, its policies, and how one is made or left.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { bytes, count, shown, time } from '../format.ts'
import { Action } from '../parts/action.tsx'
import { Card } from '../parts/card.tsx'
import { costText } from '../parts/class-cost.ts'
import { Ask } from '../parts/dialog.tsx'
import { Choice, Form, Text } from '../parts/form.tsx'
import { Join } from '../parts/invite.tsx'
import { tell, tellFailure } from '../parts/notices.tsx'
import { Redundancy } from '../parts/redundancy.tsx'
import { CLASSES, VolumeSettings } from '../parts/volume-settings.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'
import type { Shown } from '../live.ts'

type Volume = Shown['status']['volumes'][number]

export function Volumes({ seen: { status, traffic } }: PageProps): JSX.Element {
  const { volumes, peers } = status
  return (
    <>
      <h1>{TEXT.nav.volumes}</h1>
      <div class="cards">
        {volumes.map((volume) => (
          <VolumeCard
            key={volume.id}
            volume={volume}
            minutes={traffic.minutes}
            machines={peers.length + 1}
          />
        ))}
        <Create machines={peers.length + 1} />
        <Join />
      </div>
    </>
  )
}

function VolumeCard({
  volume,
  minutes,
  machines,
}: {
  readonly volume: Volume
  readonly minutes: Shown['traffic']['minutes']
  readonly machines: number
}): JSX.Element {
  const words = TEXT.volumes
  const [isLeaving, setLeaving] = useState(false)
  const { name, role, files, space, massLosses, logCopies } = volume
  const times = space.dataBytes === 0 ? undefined : space.shardBytes / space.dataBytes
  const isAlone = logCopies.nodes <= 1
  return (
    <Card title={shown(name)}>
      <p>
        {role !== undefined && <span class="tag">{role}</span>}{' '}
        {words.holds(count(files, 'file'), bytes(volume.bytes))}
      </p>
      {times !== undefined && (
        <p class="quiet">
          {words.space(bytes(space.dataBytes), bytes(space.shardBytes), times.toFixed(2))}
        </p>
      )}
      <Redundancy volumes={[volume]} minutes={minutes} />
      {massLosses.map(({ member, atMs }) => (
        <p key={member} class="bad">
          {words.massLoss(shown(member), time(atMs))}{' '}
          <Action run={() => call('restore', { path: `${name}:/`, atMs })}>
            {words.bringBackAll}
          </Action>{' '}
          <Action run={() => call('dismissLosses', { volume: name })}>{words.dismiss}</Action>
        </p>
      ))}
      <details>
        <summary>{words.settings}</summary>
        <VolumeSettings volume={name} machines={machines} />
      </details>
      <p class="row">
        <a class="button" href={`#/files/${encodeURIComponent(name)}`}>
          {TEXT.nav.files}
        </a>
        <button type="button" class="danger" onClick={() => setLeaving(true)}>
          {isAlone ? words.remove : words.leave}
        </button>
      </p>
      {isLeaving && (
        <Ask
          title={isAlone ? words.remove : words.leave}
          text={isAlone ? words.removeHint(shown(name)) : words.leaveHint(shown(name))}
          label={words.typeName(shown(name))}
          button={isAlone ? words.remove : words.leave}
          isDanger
          onClose={() => setLeaving(false)}
          onAnswer={async (answer) => {
            if (answer !== name) throw new Error(words.notThatName)
            await call(isAlone ? 'removeVolume' : 'leaveVolume', { volume: name })
            tell(words.left(shown(name)))
          }}
        />
      )}
    </Card>
  )
}

function Create({ machines }: { readonly machines: number }): JSX.Element {
  const words = TEXT.volumes
  const [name, setName] = useState('')
  const [kind, setKind] = useState('auto')
  const create = (): void =>
    void call('createVolume', { name, settings: { class: kind } }).then(() => {
      setName('')
      tell(words.created(shown(name)))
    }, tellFailure)
  return (
    <Card title={words.create}>
      <Form onSubmit={create}>
        <Text label={words.name} value={name} onValue={setName} required placeholder="main" />
        <Choice
          label={words.class}
          value={kind}
          onValue={setKind}
          hint={costText(kind, machines)}
          options={CLASSES.map((one) => ({ value: one, text: one }))}
        />
        <button type="submit" class="main">
          {words.createButton}
        </button>
      </Form>
    </Card>
  )
}
