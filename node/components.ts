// The parts that a node is made of, and its options: all that comes from outside of it.
import type { Identity } from '../protocol/signed.ts'
import type { Alerting } from './alerts/node-alerts.ts'
import type { RunHook } from './backup/node-backups.ts'
import type { CheckpointOptions } from './checkpoint/checkpoint-schedule.ts'
import type { NodeApi } from './control/api.ts'
import type { MemoryStatus } from './control/status.ts'
import type { Mounter } from './mount/mounts.ts'
import type { RecordSecurity, SecurityEvent } from './observe/security.ts'
import type { Kv } from './store/kv.ts'
import type { NodeUpkeepOptions } from './upkeep.ts'
import type { LineSeal } from './world/home-key.ts'
import type { World } from './world/world.ts'
import type { CountBytes } from './observe/counted-tiers.ts'
import type { NodeLogs } from './observe/log-reader.ts'
import type { DoorSettings } from './door-settings.ts'
import type { Meter } from './metrics/meter.ts'
import type { Tracer } from './traces/span.ts'
import type { WriteLog } from './observe/log-events.ts'

/** An open way in for the owner. */
export interface Door {
  close(): Promise<void>
}

export interface NodeComponents {
  readonly world: World
  readonly kv: Kv
  readonly identity: Identity
  /** How to make a kernel mount; absent where there is none (a simulation). */
  readonly mounter?: Mounter | undefined
  /**
   * Opens the control socket; absent where nobody knocks. Last to open, first to close: it answers
   * = the node is up.
   */
  readonly openDoor?: ((api: NodeApi) => Promise<Door>) | undefined
  readonly log: WriteLog
  /** The same log, to be read back; absent where none is written (a simulation). */
  readonly logs?: NodeLogs | undefined
  /** The memory of its process; absent where it has none of its own (a simulation). */
  readonly memory?: (() => MemoryStatus) | undefined
  /** Absent where nothing is run around backups (a simulation). */
  readonly runHook?: RunHook | undefined
  /** Hears of the work of the node; absent: nobody measures it. */
  readonly meter?: Pick<Meter, 'moved'> | undefined
  /** Hears of bytes that go to cold tiers, or come from them. */
  readonly onCold?: CountBytes | undefined
  /** Makes traces of requests; absent: nobody does. */
  readonly tracer?: Tracer | undefined
  /** Absent where nobody is told of alerts (a simulation). */
  readonly alerting?: Alerting | undefined
  /** Ways in for other programs; absent: none. */
  readonly doors?: DoorSettings | undefined
  /** How lines of its chained logs are sealed, in a home that is protected. */
  readonly lines?: LineSeal | undefined
  /** Hears of each event of its security as well. */
  readonly onSecurity?: RecordSecurity | undefined
  /** Found before it was opened. */
  readonly found?: readonly SecurityEvent[] | undefined
}

export interface NodeOptions {
  readonly name: string
  readonly zone: string | undefined
  readonly capacityBytes: number | undefined
  /** As Config has it; without, what is fetched is kept in memory alone. */
  readonly cacheBytes?: number | undefined
  readonly home: string
  readonly version: string
  readonly pid: number
  /**
   * Mean time between two beacons, 10 s by default; exchanges and dials that go by time follow it.
   */
  readonly beaconMs?: number | undefined
  /** When the log is due for a checkpoint: by default as its settings say, or after a day. */
  readonly checkpoints?: CheckpointOptions | undefined
  readonly upkeep?: NodeUpkeepOptions | undefined
}
