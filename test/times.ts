// How much CPU time each process of a test run took, with its children: a line each in a file of
// the run's folder, which the processes write and the runner reads.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The variable of the environment that names the folder. */
export const TIMES = 'SHOAL_TEST_TIMES'
/** The unit of times in /proc, on every Linux. */
const MS_PER_TICK = 10

export interface ProcessTime {
  readonly file: string
  /** Since its start. */
  readonly wallMs: number
  readonly cpuMs: number
}

/** Writes down what this process took. Linux only. */
export function noteTime(file: string, folder: string): void {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc_pid_stat(5): utime, stime, and those of children that were waited for.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  const time: ProcessTime = { file, wallMs: performance.now(), cpuMs: ticks * MS_PER_TICK }
  appendFileSync(join(folder, 'times'), `${JSON.stringify(time)}\n`)
}

export function readTimes(folder: string): readonly ProcessTime[] {
  const path = join(folder, 'times')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return lines.map((line) => JSON.parse(line) as ProcessTime)
}
