// The ratios to their baselines that the benchmarks of one run find, gathered over all its
// processes: each appends lines to the file that the environment names, if it names one.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Figure } from './compare.ts'

/** The variable of the environment that names the file. */
export const RECORD_VARIABLE = 'SHOAL_BENCH_RECORD'

interface Line {
  readonly name: string
  readonly ratio: number
}

/** Note a ratio to a baseline; above 1 is faster than that. Noted again, it is another round. */
export function recordRatio(name: string, ratio: number): void {
  const path = process.env[RECORD_VARIABLE]
  if (path === undefined) return
  const line: Line = { name, ratio: Number(ratio.toPrecision(4)) }
  appendFileSync(path, `${JSON.stringify(line)}\n`)
}

/** All that was noted in a file, by name. */
export function recordedIn(path: string): readonly Figure[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  const lines = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Line)
  return Array.from(
    Map.groupBy(lines, ({ name }) => name),
    ([name, noted]) => ({ name, ratios: noted.map(({ ratio }) => ratio) }),
  )
}
