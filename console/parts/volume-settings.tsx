// The policies of a volume, each with what its choice costs.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { useLoaded } from '../live.ts'
import { costText } from './class-cost.ts'
import { Choice, Form, Text } from './form.tsx'
import { tell, tellFailure } from './notices.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'

export const CLASSES: readonly string[] = ['auto', 'copies2', 'copies3', 'rs2+1', 'rs4+2', 'rs6+3']
const ACKS = ['local', 'copied', 'placed'] as const
/** Settings with a field of their own; others are shown as they are. */
const KNOWN: readonly string[] = ['class', 'ack', 'versions', 'grace', 'trash']

export function VolumeSettings({
  volume,
  machines,
}: {
  readonly volume: string
  readonly machines: number
}): JSX.Element {
  const words = TEXT.volumes
  const { value, error, reload } = useLoaded(() => call('volumeInfo', { volume }), [volume])
  const [changed, setChanged] = useState<Readonly<Record<string, string>>>({})
  if (error !== undefined) return <p class="bad">{error.message}</p>
  if (value === undefined) return <p>{TEXT.loading}</p>
  const settings: Readonly<Record<string, string>> = { ...value.settings, ...changed }
  const of = (key: string): string => settings[key] ?? ''
  const set = (key: string) => (text: string) => setChanged({ ...changed, [key]: text })
  const save = (): void =>
    void call('setVolume', { volume, settings: changed }).then(() => {
      setChanged({})
      reload()
      tell(words.saved)
    }, tellFailure)
  const classes = CLASSES.includes(of('class')) ? CLASSES : [of('class'), ...CLASSES]
  const ack = ACKS.find((one) => one === of('ack')) ?? 'local'
  return (
    <>
      <Form onSubmit={save}>
        <Choice
          label={words.class}
          value={of('class')}
          onValue={set('class')}
          hint={costText(of('class'), machines)}
          options={classes.map((one) => ({ value: one, text: one }))}
        />
        <Choice
          label={words.ack}
          value={ack}
          onValue={set('ack')}
          hint={words.acks[ack]}
          options={ACKS.map((one) => ({ value: one, text: one }))}
        />
        <Text
          label={words.versions}
          value={of('versions')}
          onValue={set('versions')}
          hint={words.versionsHint}
        />
        <Text
          label={words.grace}
          value={of('grace')}
          onValue={set('grace')}
          hint={words.graceHint}
        />
        <Text
          label={words.trash}
          value={of('trash')}
          onValue={set('trash')}
          hint={words.trashHint}
        />
        <button type="submit" class="main" disabled={Object.keys(changed).length === 0}>
          {words.save}
        </button>
      </Form>
      <Others settings={value.settings} />
    </>
  )
}

/** The policies that have no field here. */
function Others({
  settings,
}: {
  readonly settings: Readonly<Record<string, string>>
}): JSX.Element {
  const words = TEXT.volumes
  const others = Object.entries(settings).filter(([key]) => !KNOWN.includes(key))
  return (
    <details>
      <summary>{words.others}</summary>
      <p class="quiet">{words.othersHint}</p>
      <ul class="plain-list">
        {others.map(([key, text]) => (
          <li key={key}>
            <code>
              {key}={text}
            </code>
          </li>
        ))}
      </ul>
    </details>
  )
}
