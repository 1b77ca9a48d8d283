// Sizes as people write them.
import { ShoalError } from './errors.ts'

const SHOWN_UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
  PI: 2 ** 50,
}

/** Bytes of "200GB" (10^9), "10GiB" (2^30) or "1024". throws ShoalError 'usage'. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]I?)?B?$/.exec(text.trim().toUpperCase())
  const bytes = Math.floor(Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? NaN))
  if (Number.isSafeInteger(bytes)) return bytes
  throw new ShoalError('usage', `"${text}" is not a size. Write it as 200GB or 10GiB.`)
}

/** "1.50 GB": three digits, powers of 1000. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < SHOWN_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${SHOWN_UNITS[unit]}`
}
