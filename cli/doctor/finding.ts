// A finding of `shoal doctor`, and how findings are shown.
import colors from 'picocolors'
import { printable, wrapLines } from '../output.ts'

export interface Finding {
  /** The thing that was looked at: 'disk', 'clock', an address. */
  readonly about: string
  /** unknown: it could not be found out here. */
  readonly state: 'ok' | 'warning' | 'failure' | 'unknown'
  readonly message: string
  /** The next step; absent where there is none. */
  readonly next?: string | undefined
}

const SIGNS: Readonly<Record<Finding['state'], string>> = {
  ok: colors.green('ok     '),
  warning: colors.yellow('WARNING'),
  failure: colors.red('FAILED '),
  unknown: colors.dim('?      '),
}

export function ok(about: string, message: string): Finding {
  return { about, state: 'ok', message }
}

export function warning(about: string, message: string, next: string): Finding {
  return { about, state: 'warning', message, next }
}

export function failure(about: string, message: string, next: string): Finding {
  return { about, state: 'failure', message, next }
}

export function unknown(about: string, message: string): Finding {
  return { about, state: 'unknown', message }
}

/** A finding a line, and the next step below it. */
export function findingsText(findings: readonly Finding[], columns: number | undefined): string {
  const width = Math.max(0, ...findings.map(({ about }) => about.length))
  const indent = ' '.repeat(width + 10)
  return findings
    .flatMap(({ about, state, message, next }) => [
      `${SIGNS[state]} ${printable(about).padEnd(width)}  ${printable(message)}`,
      ...(next === undefined ? [] : [`${indent}-> ${printable(next)}`]),
    ])
    .map((line) => wrapLines(line, columns ?? Infinity))
    .join('\n')
}
