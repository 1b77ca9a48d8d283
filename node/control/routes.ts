// The table of routes: all calls of NodeApi, by name. The client (client.ts), the server
// (server.ts) and the check of requests (calls.ts) are derived from it.
import { accountsRoutes } from './accounts.ts'
import { alertsRoutes } from './observe/alerts.ts'
import { backupsRoutes } from './backups.ts'
import { clonesRoutes } from './clones.ts'
import { coldRoutes } from './cold.ts'
import { conflictsRoutes } from './conflicts.ts'
import { doorsRoutes } from './doors.ts'
import { exchangeRoutes } from './exchange.ts'
import { filesRoutes } from './files.ts'
import { garbageRoutes } from './garbage.ts'
import { holdersRoutes } from './holders.ts'
import { historyRoutes } from './history.ts'
import { leavingRoutes } from './leaving.ts'
import { logsRoutes } from './observe/logs.ts'
import { lossesRoutes } from './losses.ts'
import { mountsRoutes } from './mounts.ts'
import { peersRoutes } from './peers.ts'
import { pinsRoutes } from './pins.ts'
import { recoveryRoutes } from './recovery.ts'
import { call } from './route.ts'
import { securityRoutes } from './observe/security.ts'
import { snapshotsRoutes } from './snapshots.ts'
import { ticketsRoutes } from './tickets.ts'
import { upkeepRoutes } from './upkeep.ts'
import { versionsRoutes } from './versions.ts'
import { volumesRoutes } from './volumes.ts'
import { watchRoutes } from './observe/watch.ts'
import type { NodeApi } from './api.ts'
import type { RoutesOf } from './route.ts'

export const ROUTES: RoutesOf<NodeApi> = {
  status: call([], () => ({})),
  stop: call([], () => ({})),
  ...peersRoutes,
  ...volumesRoutes,
  ...leavingRoutes,
  ...filesRoutes,
  ...conflictsRoutes,
  ...historyRoutes,
  ...versionsRoutes,
  ...lossesRoutes,
  ...snapshotsRoutes,
  ...clonesRoutes,
  ...mountsRoutes,
  ...upkeepRoutes,
  ...garbageRoutes,
  ...pinsRoutes,
  ...coldRoutes,
  ...backupsRoutes,
  ...accountsRoutes,
  ...alertsRoutes,
  ...logsRoutes,
  ...doorsRoutes,
  ...watchRoutes,
  ...holdersRoutes,
  ...recoveryRoutes,
  ...securityRoutes,
  ...ticketsRoutes,
  ...exchangeRoutes,
}
