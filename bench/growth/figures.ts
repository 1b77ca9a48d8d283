// A table of figures, printed as Markdown to be pasted into RESULTS.md.

export interface Figures {
  readonly title: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly notes?: readonly string[] | undefined
}

export function formatFigures({ title, header, rows, notes = [] }: Figures): string {
  const widths = header.map((name, at) =>
    Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  const rule = widths.map((width) => '-'.repeat(width))
  return [`## ${title}\n`, line(header), line(rule), ...rows.map(line), '', ...notes].join('\n')
}

/** Bytes as whole MB. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
