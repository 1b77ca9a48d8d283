// The owner's calls about alerts: conditions of this node that somebody should know of, raised once
// and cleared once.
import { call } from '../route.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { CallOptions } from '../api.ts'
import type { RoutesOf } from '../route.ts'

export interface AlertsApi {
  /** Look at everything now. returns what is raised, the worst first. */
  checkAlerts(options?: CallOptions): Promise<CheckedAlerts>
  /** Events of alerts that were raised and cleared, the newest last; at most ALERTS_KEPT. */
  listAlerts(
    options?: CallOptions & {
      readonly sinceMs?: WallTime | undefined
      readonly limit?: number | undefined
    },
  ): Promise<readonly AlertEvent[]>
  /** Send a test alert to each target of config.yaml. returns how that went, by target. */
  testAlerts(options?: CallOptions): Promise<readonly AlertTargetStatus[]>
}

export const alertsRoutes: RoutesOf<AlertsApi> = {
  checkAlerts: call([], () => ({})),
  listAlerts: call([], ({ wallTime, integer }) => ({
    sinceMs: wallTime.optional(),
    limit: integer(0).optional(),
  })),
  testAlerts: call([], () => ({})),
}

/**
 * critical: data is lost, or may be next. warning: somebody must do something within days. notice:
 * good to know.
 */
export type Severity = 'critical' | 'warning' | 'notice'

/** One condition of one thing. */
export interface Alert {
  /** The condition, as docs/alerts.md lists them: 'peer-gone'. */
  readonly name: string
  readonly severity: Severity
  /** The thing that it is about: a volume, a peer, a backup; empty for the node itself. */
  readonly subject: string
  /** The condition in one sentence, without a full stop. */
  readonly message: string
  /** The next step for a person. */
  readonly next: string
  /** Since when it is so. */
  readonly sinceMs: WallTime
}

export interface CheckedAlerts {
  readonly raised: readonly Alert[]
  /** True now, but not for long enough to be raised. */
  readonly pending: readonly Alert[]
  readonly targets: readonly AlertTargetStatus[]
}

/** An alert that was raised or cleared. */
export interface AlertEvent extends Alert {
  readonly number: number
  readonly state: 'raised' | 'cleared'
  readonly atMs: WallTime
}

/** Somebody who is told of alerts. */
export interface AlertTargetStatus {
  /** The kind and the place, without secrets: 'webhook chat.example'. */
  readonly target: string
  /** Events that it was not told of yet. */
  readonly waiting: number
  readonly failure?: string | undefined
}
