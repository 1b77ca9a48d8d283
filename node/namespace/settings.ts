// The policies of a volume that people may set (`shoal volume set`), each with what it accepts.
import { ShoalError } from '../../protocol/errors.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Ack, Settings } from '../control/api.ts'
import type { Volume } from './volume.ts'

const ACKS: readonly Ack[] = ['local', 'copied', 'placed']
const DEFAULT_ACK: Ack = 'local'
const DEFAULT_CLASS = 'auto'

/** Parses and gives the canonical text. throws ShoalError 'usage' saying what is accepted. */
const KEYS: Readonly<Record<string, (value: string) => string>> = {
  class: (value) => formatClass(parseClass(value)),
  ack: (value) => parseAck(value),
}

/** throws ShoalError 'usage'. */
function parseAck(value: string): Ack {
  const ack = ACKS.find((known) => known === value)
  if (ack === undefined) throw new ShoalError('usage', `ack=${value}: acks are ${ACKS.join(', ')}`)
  return ack
}

/** Set policies, all or none. throws ShoalError 'usage'. */
export async function applySettings(volume: Volume, settings: Settings): Promise<void> {
  const checked = Object.entries(settings).map(([key, value]) => {
    const check = KEYS[key]
    if (check === undefined) {
      throw new ShoalError(
        'usage',
        `"${key}" is not a setting of a volume; settings are ${Object.keys(KEYS).join(', ')}`,
      )
    }
    return { key, value: check(value) }
  })
  volume.atomically(() => {
    for (const { key, value } of checked) volume.submit({ kind: 'policy', key, value })
  })
  await volume.commit()
}

/** The policies in force. */
export function settingsOf(volume: Volume): Settings {
  return { class: volume.membership.policy('class') ?? DEFAULT_CLASS, ack: ackOf(volume) }
}

/** The redundancy class that new data of this volume gets. */
export function classOf(volume: Volume): RedundancyClass {
  return parseClass(volume.membership.policy('class') ?? DEFAULT_CLASS)
}

/** When a write in this volume is acknowledged, unless the call says. */
export function ackOf(volume: Volume): Ack {
  const value = volume.membership.policy('ack')
  return value === undefined ? DEFAULT_ACK : parseAck(value)
}
