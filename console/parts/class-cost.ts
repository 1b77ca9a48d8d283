// The cost of a redundancy class and what it gives, in words. Pure.
import { TEXT } from '../texts.ts'

interface Cost {
  /** Machines that may be lost at once. */
  readonly losses: number
  /** Bytes on all machines for each byte of data. */
  readonly times: number
  /** Machines that it needs. */
  readonly machines: number
}

/** Undefined for a text that is no class, and for 'auto', which depends on the machines. */
function costOf(text: string): Cost | undefined {
  const [, k = '', m = ''] = /^rs(\d{1,3})\+(\d{1,3})$/.exec(text) ?? []
  if (k !== '' && Number(k) > 0) {
    const [data, parity] = [Number(k), Number(m)]
    return { losses: parity, times: (data + parity) / data, machines: data + parity }
  }
  const [, copies = ''] = /^copies(\d{1,3})$/.exec(text) ?? []
  if (copies !== '' && Number(copies) > 0)
    return { losses: Number(copies) - 1, times: Number(copies), machines: Number(copies) }
  return text === 'local' ? { losses: 0, times: 1, machines: 1 } : undefined
}

/** A sentence; machines: how many there are now. */
export function costText(text: string, machines: number): string {
  const words = TEXT.volumes.cost
  if (text === 'auto') return words.auto
  const cost = costOf(text)
  if (cost === undefined) return words.unknown
  const { losses, times, machines: needed } = cost
  const more = needed > machines ? words.needs(needed, machines) : ''
  return `${words.gives(losses, times)}${more}`
}
