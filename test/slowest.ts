// A reporter beside that of the runner: the processes of tests that took longest, so that nobody
// need look for them, and what all took.
import type { TestEvent } from 'node:test/reporters'
import { TIMES, readTimes } from './times.ts'
import type { ProcessTime } from './times.ts'

const SHOWN = 10

// oxlint-disable-next-line import/no-default-export -- the runner imports a reporter so
export default async function* slowest(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const _ of events);
  const folder = process.env[TIMES]
  if (folder === undefined) return
  const times = readTimes(folder).toSorted((a, b) => b.wallMs - a.wallMs)
  if (times.length <= SHOWN) return
  const cpuMs = times.reduce((sum, time) => sum + time.cpuMs, 0)
  yield `\nThe ${SHOWN} slowest of ${times.length} processes of tests (wall, CPU):\n`
  yield times.slice(0, SHOWN).map(rowOf).join('')
  yield `All together took ${seconds(cpuMs)} s of CPU time.\n`
}

function rowOf({ file, wallMs, cpuMs }: ProcessTime): string {
  return `${seconds(wallMs).padStart(6)} s ${seconds(cpuMs).padStart(5)} s  ${file.replace(/^.*\/(?=test)/, '')}\n`
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(0)
}
