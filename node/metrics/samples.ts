// The values of metrics that the status of the node tells when they are asked for.
import { SECOND_MS } from '../../protocol/units.ts'
import type { Alert } from '../control/observe/alerts.ts'
import type { NodeStatus, PeerStatus, VolumeStatus } from '../control/status.ts'
import type { Sample } from './prometheus.ts'

type Samples = Map<string, readonly Sample[]>

/** By the names of metrics. */
export function samplesOf(status: NodeStatus, raised: readonly Alert[]): Samples {
  const all: Samples = new Map()
  ofNode(all, status)
  ofPeers(all, status.peers)
  ofVolumes(all, status.volumes)
  const backups = status.backups ?? []
  put(all, 'backup_failed', backups, ({ name, failure }) => ({
    labels: { backup: name },
    value: failure === undefined ? 0 : 1,
  }))
  put(all, 'backup_due_time_seconds', backups, ({ name, dueMs }) => ({
    labels: { backup: name },
    value: seconds(dueMs),
  }))
  const byAlert = Map.groupBy(raised, ({ name }) => name)
  put(all, 'alerts', [...byAlert], ([alert, [first, ...others]]) => ({
    labels: { alert, severity: first?.severity ?? 'notice' },
    value: 1 + others.length,
  }))
  return all
}

function ofNode(all: Samples, { node, mounts }: NodeStatus): void {
  const { shardBytes, copyBytes, unplacedBytes } = node.holds
  const { name, version } = node
  put(all, 'info', [{ name, version }], (labels) => ({ labels, value: 1 }))
  one(all, 'start_time_seconds', seconds(node.startedMs))
  one(all, 'store_used_bytes', node.usedBytes)
  one(all, 'store_free_bytes', node.freeBytes)
  one(all, 'store_capacity_bytes', node.capacityBytes)
  one(all, 'store_trash_bytes', node.trashBytes)
  one(all, 'store_reclaimable_bytes', node.reclaimableBytes)
  one(all, 'store_index_bytes', node.indexBytes)
  const held = Object.entries({ shards: shardBytes, copies: copyBytes, unplaced: unplacedBytes })
  put(all, 'store_held_bytes', held, ([kind, value]) => ({ labels: { kind }, value }))
  one(all, 'store_damaged', node.damage?.found ?? 0)
  one(all, 'cache_used_bytes', node.cache.usedBytes)
  one(all, 'cache_found_bytes_total', node.cache.foundBytes)
  one(all, 'cache_fetched_bytes_total', node.cache.fetchedBytes)
  one(all, 'scrub_done_bytes', node.scrub?.doneBytes ?? 0)
  one(all, 'scrub_total_bytes', node.scrub?.totalBytes ?? 0)
  one(all, 'mounts', mounts.length)
}

function ofPeers(all: Samples, peers: readonly PeerStatus[]): void {
  const states = ['online', 'late', 'gone'] as const
  put(all, 'peers', states, (state) => ({
    labels: { state },
    value: peers.filter((peer) => peer.state === state).length,
  }))
  const each = (name: string, valueOf: (peer: PeerStatus) => number | undefined): void => {
    const known = peers.flatMap((peer) => {
      const value = valueOf(peer)
      return value === undefined ? [] : [{ peer: peer.name, value }]
    })
    put(all, name, known, ({ peer, value }) => ({ labels: { peer }, value }))
  }
  each('peer_connected', ({ isConnected }) => (isConnected ? 1 : 0))
  each('peer_round_trip_seconds', ({ roundTripMs: ms }) => ms && ms / SECOND_MS)
  each('peer_last_seen_time_seconds', ({ lastSeenMs }) => lastSeenMs && seconds(lastSeenMs))
  each('peer_shard_bytes', ({ shardBytes }) => shardBytes)
}

function ofVolumes(all: Samples, volumes: readonly VolumeStatus[]): void {
  const each = (name: string, valueOf: (volume: VolumeStatus) => number): void =>
    put(all, name, volumes, (volume) => ({
      labels: { volume: volume.name },
      value: valueOf(volume),
    }))
  const states = (
    name: string,
    valuesOf: (volume: VolumeStatus) => Readonly<Record<string, number>>,
  ): void => {
    const rows = volumes.flatMap((volume) =>
      Object.entries(valuesOf(volume)).map(([state, value]) => ({
        volume: volume.name,
        state,
        value,
      })),
    )
    put(all, name, rows, ({ volume, state, value }) => ({ labels: { volume, state }, value }))
  }
  const lags = volumes.flatMap(({ name: volume, lags: all = [] }) =>
    all.map((lag) => ({ labels: { volume, peer: lag.name }, ...lag })),
  )
  put(all, 'peer_log_entries_behind', lags, ({ labels, entries: value }) => ({ labels, value }))
  const timed = lags.flatMap(({ labels, ms }) => (ms === undefined ? [] : [{ labels, ms }]))
  put(all, 'peer_log_seconds_behind', timed, ({ labels, ms }) => {
    return { labels, value: ms / SECOND_MS }
  })
  states('volume_stripes', ({ stripes: { full, degraded, atRisk, lost } }) => {
    return { full, degraded, at_risk: atRisk, lost }
  })
  states('volume_repair_stripes', ({ upkeep: { repairing, queued, moving } }) => {
    return { running: repairing, queued, moving }
  })
  each('volume_tolerated_losses', ({ tolerates }) => tolerates)
  each('volume_files', ({ files }) => files)
  each('volume_file_bytes', ({ bytes }) => bytes)
  each('volume_data_bytes', ({ space }) => space.dataBytes)
  each('volume_shard_bytes', ({ space }) => space.shardBytes)
  each('volume_unplaced_bytes', ({ unplacedBytes }) => unplacedBytes)
  each('volume_conflicts', ({ conflicts }) => conflicts)
  each('volume_peers_behind', ({ logCopies }) => logCopies.behind.length)
  each('volume_log_entries_late', ({ log }) =>
    log.late.reduce((sum, { entries }) => sum + entries, 0),
  )
  each('volume_checkpoint_time_seconds', ({ log }) => seconds(log.checkpointMs))
  each('volume_repaired_bytes_total', ({ upkeep }) => upkeep.repairedBytes)
  each('volume_moved_bytes_total', ({ upkeep }) => upkeep.movedBytes)
  each('volume_cold_bytes', ({ cold }) => cold.bytes)
}

function one(all: Samples, name: string, value: number): void {
  all.set(`shoal_${name}`, [{ value }])
}

function put<Item>(
  all: Samples,
  name: string,
  items: readonly Item[],
  sampleOf: (item: Item) => Sample,
): void {
  all.set(`shoal_${name}`, items.map(sampleOf))
}

/** Since the Unix epoch; 0 for never. */
function seconds(ms: number | undefined): number {
  return (ms ?? 0) / SECOND_MS
}
