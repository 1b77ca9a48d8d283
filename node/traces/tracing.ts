// Puts the parts of a node under tracing, and sends what is to be told. Loaded only where traces
// are wanted.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Disk, Random } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { WallTime } from '../../protocol/units.ts'
import { postJson } from '../world/targets/post-json.ts'
import { Exporter } from './exporter.ts'
import { Recorder } from './recorder.ts'
import { carrySpans } from './span.ts'
import type { Tracer } from './span.ts'
import type { TraceConfig } from './trace-config.ts'
import { tracedDisk } from './traced-disk.ts'

export interface Tracing {
  readonly tracer: Tracer
  readonly disk: (disk: Disk) => Disk
  /** Send what is there. */
  readonly close: () => Promise<void>
}

export interface TracingComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: WriteLog
}

export function trace(
  { clock, random, log }: TracingComponents,
  { node, version }: { readonly node: string; readonly version: string },
  config: TraceConfig,
): Tracing {
  carrySpans(() => new AsyncLocalStorage())
  const zeroMs = (clock.wall() - clock.now()) as WallTime
  const { to, headers } = config
  const label = new URL(to).host
  const exporter = new Exporter({
    clock,
    post: (body, signal) => postJson({ url: to, headers }, body, signal),
    teller: { node, version, zeroMs },
    log,
    label,
  })
  const tracer = new Recorder({ clock, random, take: exporter.take }, config)
  log('traces.open', { to: label, sample: config.sample, slowMs: config.slowMs })
  return { tracer, disk: (disk) => tracedDisk(disk, clock), close: () => exporter.close() }
}
