// The parts of a node that the owner's calls work on. Interfaces only.
import type { Exchange } from '../exchange/exchange.ts'
import type { HostedVolumes } from '../volume/hosted-volumes.ts'
import type { MemoryStatus } from '../control/status.ts'
import type { Mounts } from '../mount/mounts.ts'
import type { Swarm } from '../sync/swarm.ts'
import type { Volumes } from '../log/volumes.ts'
import type { PeerBudgets } from '../peers/budget.ts'
import type { Detector } from '../peers/detector.ts'
import type { SecurityLog } from '../observe/security-log.ts'
import type { Joining } from '../peers/join.ts'
import type { RoundTrips } from '../peers/round-trips.ts'
import type { SecurityWitness } from '../peers/security-witness.ts'
import type { Tickets } from '../peers/tickets.ts'
import type { NodeAccounts } from '../accounts/node-accounts.ts'
import type { NodeAlerts } from '../alerts/node-alerts.ts'
import type { NodeDoors } from '../doors/doors.ts'
import type { NodeBackups } from '../backup/node-backups.ts'
import type { NodeCold } from '../cold/node-cold.ts'
import type { NodeUpkeep } from '../upkeep.ts'
import type { NodeLogs } from '../observe/log-reader.ts'
import type { World } from '../world/world.ts'
import type { Traffic } from '../observe/traffic.ts'
import type { Space } from './space.ts'

export interface NodeParts {
  readonly world: World
  readonly space: Space
  readonly volumes: Volumes
  readonly tickets: Tickets
  readonly joining: Joining
  readonly detector: Detector
  readonly budgets: PeerBudgets
  readonly roundTrips: RoundTrips
  readonly swarm: Swarm
  readonly security: SecurityLog
  readonly witness: SecurityWitness
  readonly hosted: HostedVolumes
  readonly upkeep: NodeUpkeep
  readonly cold: NodeCold
  readonly backups: NodeBackups
  readonly accounts: NodeAccounts
  readonly alerts: NodeAlerts
  readonly traffic: Traffic
  readonly doors: NodeDoors
  readonly mounts: Mounts
  readonly exchange: Exchange
  /** The log that this node writes, and where it is read back; absent in a simulation. */
  readonly logs: NodeLogs | undefined
  /** The memory of the process, where this node has one of its own. */
  readonly memory: (() => MemoryStatus) | undefined
  /** The signal of a call: aborts also when the node stops. */
  readonly until: (signal: AbortSignal | undefined) => AbortSignal
}
