// Figures as a Markdown table, to be pasted into RESULTS.md.

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

/** MB are 10^6 bytes; a ratio above 1 is faster than the baseline. */
export function formatTable({ baselineName, rows, notes }: Table): string {
  const header = ['what', 's', 'MB/s', 'files/s', `ratio to ${baselineName}`]
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
