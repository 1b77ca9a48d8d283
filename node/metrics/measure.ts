// Puts the parts of a node under measurement: its disk, its mounts, the API at its doors; and
// serves what is measured. Loaded only where metrics are wanted.
import type { ListenAddress } from '../door-config.ts'
import type { NodeApi } from '../control/api.ts'
import type { Mounter } from '../mount/mounts.ts'
import type { Clock, Disk } from '../world/world.ts'
import { meteredCalls } from './metered-calls.ts'
import { meteredDisk } from './metered-disk.ts'
import type { Meter } from './meter.ts'
import type { LocalServer } from '../world/local-server.ts'
import { NodeMetrics } from './node-metrics.ts'
import { PrometheusMeter } from './prometheus.ts'

export interface Measuring {
  readonly meter: Meter
  readonly disk: (disk: Disk) => Disk
  readonly mounter: (mounter: Mounter) => Mounter
  readonly api: (api: NodeApi, door: string) => NodeApi
  readonly serve: (api: NodeApi, at: ListenAddress) => Promise<LocalServer>
}

export function measure(clock: Clock): Measuring {
  const meter = new PrometheusMeter()
  const parts = { meter, clock }
  return {
    meter,
    disk: (disk) => meteredDisk(disk, meter, clock),
    mounter: (mounter) => (fileSystem, folder, options) =>
      mounter(meteredCalls(fileSystem, 'mount', parts), folder, options),
    api: (api, door) => meteredCalls(api, door, parts),
    serve: (api, at) => new NodeMetrics({ meter, clock, api }).serve(at),
  }
}
