// A dashboard for Grafana: a row of panels for each question that its owner has.

interface Panel {
  readonly title: string
  readonly unit: string
  /** Queries, each with the legend of its lines. */
  readonly targets: Readonly<Record<string, string>>
}

const PANELS: readonly Panel[] = [
  {
    title: 'Alerts that are raised',
    unit: 'none',
    targets: { 'sum by (alert) (shoal_alerts)': '{{alert}}' },
  },
  {
    title: 'Failure domains that may be lost',
    unit: 'none',
    targets: { 'min by (volume) (shoal_volume_tolerated_losses)': '{{volume}}' },
  },
  {
    title: 'Stripes that are not full',
    unit: 'none',
    targets: {
      'max by (volume, state) (shoal_volume_stripes{state!="full"})': '{{volume}} {{state}}',
    },
  },
  {
    title: 'Repair',
    unit: 'Bps',
    targets: {
      'rate(shoal_volume_repaired_bytes_total[5m])': '{{instance}} repaired',
      'rate(shoal_volume_moved_bytes_total[5m])': '{{instance}} moved',
    },
  },
  {
    title: 'Room left',
    unit: 'bytes',
    targets: { shoal_store_free_bytes: '{{instance}}' },
  },
  {
    title: 'What is stored',
    unit: 'bytes',
    targets: { 'sum by (instance, kind) (shoal_store_held_bytes)': '{{instance}} {{kind}}' },
  },
  {
    title: 'Peers',
    unit: 'none',
    targets: { 'sum by (instance, state) (shoal_peers)': '{{instance}} {{state}}' },
  },
  {
    title: 'Round trips',
    unit: 's',
    targets: { shoal_peer_round_trip_seconds: '{{instance}} to {{peer}}' },
  },
  {
    title: 'Traffic with peers',
    unit: 'Bps',
    targets: {
      'sum by (instance, direction) (rate(shoal_network_bytes_total[5m]))':
        '{{instance}} {{direction}}',
    },
  },
  {
    title: 'Calls, 99th percentile',
    unit: 's',
    targets: {
      'histogram_quantile(0.99, sum by (door, operation, le) (rate(shoal_request_duration_seconds_bucket[5m])))':
        '{{door}} {{operation}}',
    },
  },
  {
    title: 'Time until it is durable, 99th percentile',
    unit: 's',
    targets: {
      'histogram_quantile(0.99, sum by (instance, le) (rate(shoal_disk_sync_duration_seconds_bucket[5m])))':
        '{{instance}}',
    },
  },
  {
    title: 'Peers that are behind, and conflicts',
    unit: 'none',
    targets: {
      'max by (volume) (shoal_volume_peers_behind)': '{{volume}} behind',
      'max by (volume) (shoal_volume_conflicts)': '{{volume}} conflicts',
    },
  },
  {
    title: 'Memory',
    unit: 'bytes',
    targets: { shoal_process_resident_memory_bytes: '{{instance}}' },
  },
  {
    title: 'Delay of the main thread, 99th percentile',
    unit: 's',
    targets: { 'shoal_event_loop_lag_seconds{percentile="99"}': '{{instance}}' },
  },
]

const WIDTH = 12
const HEIGHT = 8

export function dashboard(): string {
  const panels = PANELS.map(({ title, unit, targets }, index) => ({
    id: index + 1,
    type: 'timeseries',
    title,
    datasource: { type: 'prometheus', uid: '${datasource}' },
    gridPos: { x: (index % 2) * WIDTH, y: Math.floor(index / 2) * HEIGHT, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: Object.entries(targets).map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + at),
      expr,
      legendFormat,
    })),
  }))
  const datasource = { name: 'datasource', type: 'datasource', query: 'prometheus' }
  const whole = {
    title: 'Shoal',
    uid: 'shoal',
    schemaVersion: 39,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    templating: { list: [datasource] },
    panels,
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}
