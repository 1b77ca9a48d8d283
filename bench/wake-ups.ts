// How often the threads of a process went to sleep and woke, as Linux counts it (proc(5)).
import { readFile, readdir } from 'node:fs/promises'

/** Voluntary context switches of each thread so far, by `<id> <name>`; the first is `main`. */
export async function wakeUps(pid: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'utf8').catch(() => '')
    const name = thread === String(pid) ? 'main' : (/^Name:\s+(.+)$/m.exec(status)?.[1] ?? '')
    const switches = /^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]
    if (switches !== undefined) counts.set(`${thread} ${name}`, Number(switches))
  }
  return counts
}
