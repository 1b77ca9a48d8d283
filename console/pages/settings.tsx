// This node and this page: how it looks, where the node is found, its mounts and doors, and who is
// told of alerts.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { bytes, shown, time } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Action } from '../parts/action.tsx'
import { Card } from '../parts/card.tsx'
import { Doors } from '../parts/doors.tsx'
import { Choice, Form, Text } from '../parts/form.tsx'
import { tell, tellFailure } from '../parts/notices.tsx'
import { TEXT } from '../texts.ts'
import { chooseTheme, chosenTheme } from '../theme.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'
import type { Shown } from '../live.ts'

const THEMES = ['system', 'light', 'dark'] as const

export function Settings({ seen: { status } }: PageProps): JSX.Element {
  return (
    <>
      <h1>{TEXT.nav.settings}</h1>
      <div class="cards">
        <Look />
        <Node node={status.node} />
        <Mounts status={status} />
        <Card title={TEXT.doors.title}>
          <Doors />
        </Card>
        <Told />
      </div>
    </>
  )
}

function Look(): JSX.Element {
  const words = TEXT.settings
  const [theme, setTheme] = useState(chosenTheme())
  return (
    <Card title={words.look}>
      <Choice
        label={words.theme}
        value={theme}
        onValue={(value) => {
          const chosen = THEMES.find((one) => one === value) ?? 'system'
          chooseTheme(chosen)
          setTheme(chosen)
        }}
        options={THEMES.map((one) => ({ value: one, text: words.themes[one] }))}
      />
    </Card>
  )
}

function Node({ node }: { readonly node: Shown['status']['node'] }): JSX.Element {
  const words = TEXT.settings
  const { capacityBytes, usedBytes, memory, startedMs } = node
  const rows = [
    [words.name, shown(node.name)],
    [words.zone, node.zone === undefined ? words.noZone : shown(node.zone)],
    [words.version, node.version],
    [words.home, shown(node.home)],
    [words.started, time(startedMs)],
    [words.store, TEXT.machines.used(usedBytes, capacityBytes)],
    [words.memory, memory === undefined ? TEXT.machines.unknown : bytes(memory.residentBytes)],
    [words.addresses, node.addresses.join(' ')],
  ]
  return (
    <Card title={words.node}>
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">{words.nodeHint}</p>
    </Card>
  )
}

function Mounts({ status: { mounts, volumes } }: Pick<Shown, 'status'>): JSX.Element {
  const words = TEXT.settings
  const [folder, setFolder] = useState('')
  const [volume, setVolume] = useState('')
  const chosen = volume === '' ? volumes[0]?.name : volume
  const mount = (): void =>
    void call('mount', { folder, volume: chosen }).then(() => {
      tell(words.mounted(shown(folder)))
      setFolder('')
    }, tellFailure)
  return (
    <Card title={words.mounts}>
      {mounts.length === 0 && <p>{words.noMounts}</p>}
      <ul class="list">
        {mounts.map((one) => (
          <li key={one.folder}>
            <span>{words.mountOf(shown(one.folder), shown(one.volume))}</span>
            <Action
              label={`${words.unmount}: ${shown(one.folder)}`}
              run={() => call('unmount', { folder: one.folder })}
            >
              {words.unmount}
            </Action>
          </li>
        ))}
      </ul>
      <Form onSubmit={mount}>
        <Text
          label={words.folder}
          value={folder}
          onValue={setFolder}
          required
          hint={words.folderHint}
        />
        {volumes.length > 1 && (
          <Choice
            label={TEXT.files.volume}
            value={chosen ?? ''}
            onValue={setVolume}
            options={volumes.map(({ name }) => ({ value: name, text: shown(name) }))}
          />
        )}
        <button type="submit">{words.mount}</button>
      </Form>
    </Card>
  )
}

/** The targets of alerts, as config.yaml has them. */
function Told(): JSX.Element {
  const words = TEXT.settings
  const { value, error, reload } = useLoaded(() => call('checkAlerts'), [])
  return (
    <Card title={words.alerts}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value?.targets.length === 0 && <p>{words.noTargets}</p>}
      <ul class="plain-list">
        {value?.targets.map(({ target, failure }) => (
          <li key={target}>
            {shown(target)} {failure !== undefined && <span class="bad">{shown(failure)}</span>}
          </li>
        ))}
      </ul>
      {value !== undefined && value.targets.length > 0 && (
        <Action run={() => call('testAlerts').then(reload)}>{words.testAlerts}</Action>
      )}
    </Card>
  )
}
