// The owner's calls for somebody who watches the node: all that there is to see, again and again.
import { pages } from '../route.ts'
import type { CallOptions } from '../api.ts'
import type { Alert } from './alerts.ts'
import type { NodeStatus } from '../status.ts'
import type { MinuteOfTraffic, PeerRate } from '../../observe/traffic.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { RoutesOf } from '../route.ts'

export interface WatchApi {
  /**
   * All that there is to see now, and then whenever it is another, until the call is aborted. How
   * often the node looks depends on how long that takes: it costs a small part of its time.
   */
  watch(options?: CallOptions): AsyncIterable<readonly Seen[]>
}

export const watchRoutes: RoutesOf<WatchApi> = { watch: pages('watch', [], () => ({})) }

export interface Seen {
  readonly kind: 'seen'
  readonly status: NodeStatus
  /** Those that are raised, the worst first; of very many the first. */
  readonly alerts: readonly Alert[]
  readonly alertCount: number
  readonly traffic: TrafficReport
}

export interface TrafficReport {
  /** Those of the last hour in which something moved. */
  readonly minutes: readonly MinuteOfTraffic[]
  readonly peers: readonly (PeerRate & { readonly id: PeerId })[]
}
