// A reporter beside that of the runner: the files that took longest, so that nobody need look for them.
import type { TestEvent } from 'node:test/reporters'

const SHOWN = 10

// oxlint-disable-next-line import/no-default-export -- the runner imports a reporter so
export default async function* slowest(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const times = new Map<string, number>()
  for await (const { type, data } of events) {
    if (type !== 'test:complete' || data.nesting > 0 || data.file === undefined) continue
    times.set(data.file, (times.get(data.file) ?? 0) + data.details.duration_ms)
  }
  const rows = [...times].sort(([, a], [, b]) => b - a).slice(0, SHOWN)
  if (times.size > SHOWN) yield `\nThe ${SHOWN} slowest files:\n${rows.map(rowOf).join('')}\n`
}

function rowOf([file, ms]: readonly [string, number]): string {
  return `${(ms / 1000).toFixed(0).padStart(6)} s  ${file.replace(/^.*\/test\//, 'test/')}\n`
}
