// The values of metrics of the process: memory, CPU time, open files, and how long its main thread
// kept others waiting.
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Sample } from './prometheus.ts'

const NS_PER_SECOND = 1e9
const US_PER_SECOND = 1e6
/** The timer that measures delays, in ms: its own share is taken off. */
const RESOLUTION_MS = 20
const PERCENTILES = [50, 99, 100] as const

export class ProcessSamples {
  readonly #lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.#lag.enable()
  }

  /** Now; delays are those since the last time. */
  take(): Map<string, readonly Sample[]> {
    const { rss, heapUsed, external } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    const lag = PERCENTILES.map((percent) => {
      const ns = this.#lag.percentile(percent) - RESOLUTION_MS * US_PER_SECOND
      return { labels: { percentile: String(percent) }, value: Math.max(0, ns) / NS_PER_SECOND }
    })
    this.#lag.reset()
    return new Map<string, readonly Sample[]>([
      ['shoal_process_resident_memory_bytes', [{ value: rss }]],
      ['shoal_process_heap_bytes', [{ value: heapUsed }]],
      ['shoal_process_external_bytes', [{ value: external }]],
      ['shoal_process_cpu_seconds_total', [{ value: (user + system) / US_PER_SECOND }]],
      ['shoal_process_open_fds', [{ value: readdirSync('/proc/self/fd').length }]],
      ['shoal_event_loop_lag_seconds', lag],
    ])
  }

  stop(): void {
    this.#lag.disable()
  }
}
