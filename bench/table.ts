// Figures beside a baseline as a Markdown table, to be pasted into RESULTS.md.
import { recordRatio } from './record.ts'

export interface Row {
  readonly what: string
  readonly seconds: number
  readonly bytes: number
  readonly files?: number | undefined
  /** Seconds of the same work by the baseline. */
  readonly baseline?: number | undefined
}

export interface Table {
  readonly baselineName: string
  readonly rows: readonly Row[]
  readonly notes: readonly string[]
}

/** Print a table under a title, and record its ratios under that. */
export function showTable(title: string, table: Table): void {
  console.log(`\n## ${title}\n\n${formatTable(table)}`)
  for (const { what, seconds, baseline } of table.rows)
    if (baseline !== undefined) recordRatio(`${title}: ${what}`, baseline / seconds)
}

/** MB are 10^6 bytes; a ratio above 1 is faster than the baseline. */
function formatTable({ baselineName, rows, notes }: Table): string {
  const header = ['operation', 's', 'MB/s', 'files/s', `ratio to ${baselineName}`]
  const cells = rows.map(({ what, seconds, bytes, files, baseline }) => [
    what,
    seconds.toFixed(2),
    (bytes / 1e6 / seconds).toFixed(0),
    files === undefined || files === 1 ? '' : (files / seconds).toFixed(0),
    baseline === undefined ? '' : (baseline / seconds).toFixed(2),
  ])
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...cells.map(line), '', ...notes].join('\n')
}
