// The cost of work to this process: by the clock, and in CPU time, which other load changes less.

export interface Cost {
  readonly seconds: number
  /** CPU time of all threads of this process, compaction of the index included. */
  readonly cpuSeconds: number
}

export async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}
