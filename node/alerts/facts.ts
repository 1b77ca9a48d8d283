// The facts that conditions are looked for in, and what is found.
import type { WallTime } from '../../protocol/units.ts'
import type { NodeStatus } from '../control/status.ts'
import type { TicketStatus } from '../control/tickets.ts'

export interface Facts {
  readonly status: NodeStatus
  readonly tickets: readonly TicketStatus[]
  /** Why config.yaml cannot be read now; undefined: it can. */
  readonly configFault?: string | undefined
  readonly nowMs: WallTime
}

/** A thing of which a condition is true. */
export interface Found {
  /** A volume, a peer, a backup; '' for the node itself. At most one alert for each. */
  readonly subject: string
  readonly message: string
  readonly next: string
}
