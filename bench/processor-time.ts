// Processor time, as Linux counts it (proc(5)): steadier than the clock where others use the
// machine.
import { readFile } from 'node:fs/promises'

/** The unit of times in /proc/PID/stat. */
const TICKS_PER_SECOND = 100
/** The fields of its own times, counted from behind the name of the program. */
const OWN = [11, 12]
const OF_CHILDREN = [13, 14]

/** User and system time of a process, all its threads. */
export function processorSeconds(pid: number): Promise<number> {
  return sum(`${pid}`, OWN)
}

/** The same of all that this process started and that has ended. */
export function childrenProcessorSeconds(): Promise<number> {
  return sum('self', OF_CHILDREN)
}

async function sum(process: string, fields: readonly number[]): Promise<number> {
  const stat = await readFile(`/proc/${process}/stat`, 'utf8')
  const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.reduce((total, at) => total + Number(values[at]), 0) / TICKS_PER_SECOND
}
