// The owner's call to watch the node.
import { SECOND_MS } from '../../../protocol/units.ts'
import { encodeJson } from '../../control/wire.ts'
import type { NodeApi } from '../../control/api.ts'
import type { Alert } from '../../control/observe/alerts.ts'
import type { Seen, WatchApi } from '../../control/observe/watch.ts'
import type { NodeParts } from '../parts.ts'

/** A look every so often, */
const EVERY_MS: number = 3 * SECOND_MS
/** and a pause so many times as long as it took. */
const PAUSE_PER_LOOK = 200
const ALERTS_MAX = 100
/** Conditions are looked at less often: that takes as long as all else. */
const ALERTS_EVERY_MS: number = 15 * SECOND_MS

export function watchApi(
  { world: { clock }, traffic, until }: NodeParts,
  api: Pick<NodeApi, 'status' | 'checkAlerts'>,
): WatchApi {
  const look = async (raised: readonly Alert[]): Promise<Seen> => {
    const status = await api.status()
    return {
      kind: 'seen',
      status,
      alerts: raised.slice(0, ALERTS_MAX),
      alertCount: raised.length,
      traffic: {
        minutes: traffic.minutes(),
        peers: status.peers.map(({ id }) => ({ id, ...traffic.rateOf(id) })),
      },
    }
  }
  return {
    async *watch({ signal } = {}) {
      const ended = until(signal)
      let { raised } = await api.checkAlerts()
      let checkedAt = clock.now()
      for (let last = ''; ;) {
        const began = clock.now()
        if (began - checkedAt >= ALERTS_EVERY_MS) {
          ;({ raised } = await api.checkAlerts())
          checkedAt = began
        }
        const seen = await look(raised)
        const text = encodeJson(seen)
        const tookMs = clock.now() - began
        if (text !== last) yield [seen]
        last = text
        await clock.sleep(Math.max(EVERY_MS, tookMs * PAUSE_PER_LOOK), { signal: ended })
      }
    },
  }
}
