// The metrics of a node, as one list: docs/metrics.md and the registry are made of it. Names follow
// the conventions of Prometheus: base units, and `_total` for what only grows. Labels are bounded:
// volumes, peers, doors and operations, and never paths.

export interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

/** Seconds: from what memory answers to what a person notices. */
const DURATIONS: readonly number[] = [
  0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30,
]

const gauge = (name: string, help: string, ...labels: readonly string[]): Metric => {
  return { name: `shoal_${name}`, type: 'gauge', help, labels }
}
const counter = (name: string, help: string, ...labels: readonly string[]): Metric => {
  return { name: `shoal_${name}_total`, type: 'counter', help, labels }
}
const durations = (name: string, help: string, ...labels: readonly string[]): Metric => {
  const histogram = { name: `shoal_${name}_duration_seconds`, help, labels, buckets: DURATIONS }
  return { ...histogram, type: 'histogram' }
}

export const METRICS: readonly Metric[] = [
  gauge('info', 'The node: 1', 'name', 'version'),
  gauge('start_time_seconds', 'When the node started, since the Unix epoch'),
  durations('request', 'Calls by where they came in and what they ask', 'door', 'operation'),
  counter('request_failures', 'Calls that failed', 'door', 'operation'),
  counter('network_bytes', 'Bytes moved by peer and protocol', 'peer', 'protocol', 'direction'),
  durations('disk_sync', 'Time until what was written is durable (fdatasync)'),
  counter('disk_bytes', 'Bytes read from and written to the segments and journals', 'direction'),
  gauge('store_used_bytes', 'Segments of the store on disk'),
  gauge('store_free_bytes', 'What the store may still grow by'),
  gauge('store_capacity_bytes', 'What the store may take in all'),
  gauge('store_trash_bytes', 'Garbage that is kept for a while'),
  gauge('store_reclaimable_bytes', 'What compaction will free'),
  gauge('store_index_bytes', 'The index on disk, with the logs of volumes'),
  gauge('store_held_bytes', 'What is stored: shards, copies, or in no stripe yet', 'kind'),
  gauge('store_damaged', 'Shards and chunks found damaged within 30 days'),
  gauge('cache_used_bytes', 'Data fetched from peers that is kept'),
  counter('cache_found_bytes', 'Bytes read that were in the cache'),
  counter('cache_fetched_bytes', 'Bytes read that had to be fetched'),
  gauge('scrub_done_bytes', 'Bytes checked by the pass under way'),
  gauge('scrub_total_bytes', 'Bytes of the pass under way; 0 between two'),
  gauge('peers', 'Members by state: online, late, gone', 'state'),
  gauge('peer_connected', '1 while there is a connection', 'peer'),
  gauge('peer_round_trip_seconds', 'As last measured', 'peer'),
  gauge('peer_last_seen_time_seconds', 'When it was last heard, since the Unix epoch', 'peer'),
  gauge('peer_shard_bytes', 'Shards that it holds for volumes of this node', 'peer'),
  gauge('volume_stripes', 'Stripes by state: full, degraded, at_risk, lost', 'volume', 'state'),
  gauge('volume_tolerated_losses', 'Failure domains that may be lost at once', 'volume'),
  gauge('volume_files', 'Files with a name', 'volume'),
  gauge('volume_file_bytes', 'Bytes that these show', 'volume'),
  gauge('volume_data_bytes', 'Data in stripes, after compression and deduplication', 'volume'),
  gauge('volume_shard_bytes', 'Shards of these on all peers', 'volume'),
  gauge('volume_unplaced_bytes', 'Written here and on this node only', 'volume'),
  gauge('volume_conflicts', 'Conflicts in view', 'volume'),
  gauge('volume_peers_behind', 'Peers that have not confirmed all of the log', 'volume'),
  gauge('peer_log_entries_behind', 'Entries that a peer has not confirmed', 'volume', 'peer'),
  gauge('peer_log_seconds_behind', 'The age of what it confirmed', 'volume', 'peer'),
  gauge('volume_log_entries_late', 'Entries that came too late to count', 'volume'),
  gauge('volume_checkpoint_time_seconds', 'The newest checkpoint that counts', 'volume'),
  gauge('volume_repair_stripes', 'Stripes in repair: running, queued, moving', 'volume', 'state'),
  counter('volume_repaired_bytes', 'Shards made anew by this node since it started', 'volume'),
  counter('volume_moved_bytes', 'Shards moved or coded anew since it started', 'volume'),
  gauge('volume_cold_bytes', 'Data in cold tiers', 'volume'),
  gauge('mounts', 'Mounts of this node'),
  gauge('backup_failed', '1 if the last run failed', 'backup'),
  gauge('backup_due_time_seconds', 'When the next run is due', 'backup'),
  gauge('alerts', 'Alerts that are raised', 'alert', 'severity'),
  gauge('process_resident_memory_bytes', 'Memory in use, of all kinds'),
  gauge('process_heap_bytes', 'Objects of JavaScript'),
  gauge('process_external_bytes', 'Buffers outside its heap'),
  counter('process_cpu_seconds', 'CPU time of all threads, user and system'),
  gauge('process_open_fds', 'Open files and sockets'),
  gauge('event_loop_lag_seconds', 'Delay of the main thread since the last scrape', 'percentile'),
]
