// All that the owner of a node may ask of it (control/api.ts): the calls of each noun, and the
// status of everything.
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { NamedVolume } from '../log/volumes.ts'
import type { NodeApi } from '../control/api.ts'
import type { NodeStatus } from '../control/status.ts'
import { memoryStatus } from './observe/memory.ts'
import type { WallTime } from '../../protocol/units.ts'
import { accountsApi } from './accounts.ts'
import { alertsApi } from './observe/alerts.ts'
import { backupsApi } from './backups.ts'
import { clonesApi } from './clones.ts'
import { coldApi } from './cold.ts'
import { conflictsApi } from './conflicts.ts'
import { doorsApi } from './doors.ts'
import { exchangeApi } from './exchange.ts'
import { filesApi } from './files.ts'
import { wholeBytesOf } from './observe/health.ts'
import { holdersApi } from './holders.ts'
import { historyApi } from './history.ts'
import { logsApi } from './observe/logs.ts'
import { lossesApi } from './losses.ts'
import { snapshotsApi } from './snapshots.ts'
import { versionsApi } from './versions.ts'
import { leavingApi } from './leaving.ts'
import { mountsApi } from './mounts.ts'
import { locksOf, voterNotices } from './locks.ts'
import { noticesOf } from './observe/notices.ts'
import { peersApi } from './peers.ts'
import { pinsApi } from './pins.ts'
import { recoveryApi } from './recovery.ts'
import { securityApi } from './observe/security.ts'
import { watchApi } from './observe/watch.ts'
import { ticketsApi } from './tickets.ts'
import { upkeepApi, garbageApi } from './upkeep.ts'
import { volumesApi } from './volumes.ts'
import type { NodeParts } from './parts.ts'

/** A node's description of itself. */
export interface NodeIdentity {
  readonly name: string
  readonly zone: string | undefined
  readonly home: string
  readonly version: string
  readonly pid: number
  readonly startedMs: WallTime
}

export function ownersApi(
  parts: NodeParts,
  self: NodeIdentity,
  stop: () => Promise<void>,
): NodeApi {
  const nouns = {
    ...peersApi(parts),
    ...volumesApi(parts),
    ...leavingApi(parts),
    ...filesApi(parts),
    ...conflictsApi(parts),
    ...exchangeApi(parts),
    ...historyApi(parts),
    ...holdersApi(parts),
    ...versionsApi(parts),
    ...lossesApi(parts),
    ...snapshotsApi(parts),
    ...clonesApi(parts),
    ...mountsApi(parts),
    ...upkeepApi(parts),
    ...garbageApi(parts),
    ...pinsApi(parts),
    ...coldApi(parts),
    ...backupsApi(parts),
    ...recoveryApi(parts),
    ...securityApi(parts),
    ...ticketsApi(parts),
    ...accountsApi(parts),
    ...alertsApi(parts),
    ...logsApi(parts),
    ...doorsApi(parts),
  }
  const status = (): Promise<NodeStatus> => describeNode(parts, self, nouns)
  return { ...nouns, stop, status, ...watchApi(parts, { ...nouns, status }) }
}

/** The status of everything. */
async function describeNode(
  parts: NodeParts,
  self: NodeIdentity,
  nouns: Pick<NodeApi, 'listPeers' | 'listVolumes' | 'listMounts' | 'listBackups'>,
): Promise<NodeStatus> {
  const { space, volumes, world, swarm, upkeep } = parts
  await space.measure()
  const { self: id } = world.network
  const all = hostedNow(parts).map(([, one]) => one)
  const unplacedBytes = all.reduce((sum, one) => sum + one.unplacedBytes, 0)
  const groups = all.flatMap(({ map }) => map.groups())
  return {
    node: {
      id,
      addresses: world.network.addresses(),
      ...self,
      ...space.status({ unplacedBytes, wholeBytes: wholeBytesOf(groups, id) }),
      garbage: upkeep.garbage.progress,
      memory: parts.memory && memoryStatus(parts.memory(), parts.hosted),
      scrub: upkeep.scrub.progress,
      damage: upkeep.scrub.damage.current,
    },
    peers: await nouns.listPeers(),
    volumes: await nouns.listVolumes(),
    mounts: await nouns.listMounts(),
    backups: await backupsOf(nouns),
    locks: hostedNow(parts).flatMap(([named, hosted]) => locksOf(named, hosted, world)),
    notices: volumes
      .all()
      .flatMap((named) => {
        const heard = swarm.heardOf(named.volume)
        return noticesOf(named, { nowMs: world.clock.wall(), ...heard })
      })
      .concat(
        hostedNow(parts).flatMap(([named, hosted]) =>
          voterNotices(named, hosted, world.clock.wall()),
        ),
      ),
  }
}

async function backupsOf(api: Pick<NodeApi, 'listBackups'>): Promise<NodeStatus['backups']> {
  const jobs = await api.listBackups()
  return jobs.length === 0 ? undefined : jobs
}

/** Volumes that are at work. */
function hostedNow({ volumes, hosted }: NodeParts): (readonly [NamedVolume, HostedVolume])[] {
  return volumes.all().flatMap((named) => {
    const found = hosted.get(named.volume.id)
    return found === undefined ? [] : [[named, found] as const]
  })
}
