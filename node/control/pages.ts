// Calls that are answered in pages, one a line, as they come: what the control API does for `GET` of each route.
import {
  parseColdQuery,
  parseLogQuery,
  parsePathQuery,
  parseSecurityQuery,
  parseVolumeQuery,
} from './calls.ts'
import {
  COLD_PUSH_ROUTE,
  COLD_RECALL_ROUTE,
  CONFLICTS_ROUTE,
  LIST_ROUTE,
  LOCAL_PIN_ROUTE,
  LOG_ROUTE,
  PINS_ROUTE,
  SCRUB_ROUTE,
  SECURITY_ROUTE,
} from './wire.ts'
import type { FileCallOptions, NodeApi } from './api.ts'

/** query: as it came. throws ShoalError 'usage' for one that is not understood. */
type Pages = (
  api: NodeApi,
  query: unknown,
  options: FileCallOptions & { readonly signal: AbortSignal },
) => AsyncIterable<readonly unknown[]>

/** By route. */
export const PAGES: ReadonlyMap<string, Pages> = new Map<string, Pages>([
  [LIST_ROUTE, (api, query, options) => api.list(parsePathQuery(query).path, options)],
  [
    CONFLICTS_ROUTE,
    (api, query, { signal }) => api.listConflicts(parsePathQuery(query).path, { signal }),
  ],
  [
    LOG_ROUTE,
    (api, query, { signal }) => {
      const { path, ...options } = parseLogQuery(query)
      return api.readLog(path, { ...options, signal })
    },
  ],
  [
    SECURITY_ROUTE,
    (api, query, { signal }) => api.readSecurity({ ...parseSecurityQuery(query), signal }),
  ],
  [SCRUB_ROUTE, (api, query, { signal }) => api.scrub({ ...parseVolumeQuery(query), signal })],
  [
    COLD_PUSH_ROUTE,
    (api, query, { signal }) => {
      const { path, tier } = parseColdQuery(query)
      return api.pushCold(path, { tier, signal })
    },
  ],
  [
    COLD_RECALL_ROUTE,
    (api, query, { signal }) => api.recallCold(parsePathQuery(query).path, { signal }),
  ],
  [
    LOCAL_PIN_ROUTE,
    (api, query, { signal }) => api.addLocalPin(parsePathQuery(query).path, { signal }),
  ],
  [PINS_ROUTE, (api, query, { signal }) => api.listPins({ ...parseVolumeQuery(query), signal })],
])
