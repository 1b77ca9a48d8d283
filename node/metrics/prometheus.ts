// The registry: the metrics of the list in prom-client, and what parts of the node tell of their
// work as they do it. A label is looked up once; after that an observation allocates nothing.
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { assert } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { METRICS } from './definitions.ts'
import type { Meter } from './meter.ts'

/** Peers that have a label of their own; the others share one. */
const PEERS_MAX = 100
const OTHER = 'other'

interface Calls {
  readonly took: { observe: (seconds: number) => void }
  readonly failed: { inc: () => void }
}

interface Moved {
  in: number
  out: number
}

export class PrometheusMeter implements Meter {
  readonly #registry = new Registry()
  readonly #gauges = new Map<string, Gauge>()
  readonly #counters = new Map<string, Counter>()
  readonly #requests: Histogram
  readonly #syncs: Histogram
  readonly #disk: Readonly<Record<'read' | 'written', { inc: (bytes: number) => void }>>
  readonly #calls = new Map<string, Map<string, Calls>>()
  readonly #moved = new Map<PeerId | typeof OTHER, Map<string, Moved>>()

  constructor() {
    const histograms = new Map<string, Histogram>()
    for (const { name, type, help, labels, buckets = [] } of METRICS) {
      const common = { name, help, labelNames: [...labels], registers: [this.#registry] }
      if (type === 'gauge') this.#gauges.set(name, new Gauge(common))
      else if (type === 'counter') this.#counters.set(name, new Counter(common))
      else histograms.set(name, new Histogram({ ...common, buckets: [...buckets] }))
    }
    this.#requests = known(histograms, 'shoal_request_duration_seconds')
    this.#syncs = known(histograms, 'shoal_disk_sync_duration_seconds')
    const disk = known(this.#counters, 'shoal_disk_bytes_total')
    this.#disk = {
      read: disk.labels({ direction: 'read' }),
      written: disk.labels({ direction: 'written' }),
    }
    // Told from the start: who reads them sees a rate from the first byte on.
    for (const counted of Object.values(this.#disk)) counted.inc(0)
  }

  called(door: string, operation: string, ms: number, isFailed: boolean): void {
    const { took, failed } = this.#callsOf(door, operation)
    took.observe(ms / SECOND_MS)
    if (isFailed) failed.inc()
  }

  moved(peer: PeerId, protocol: string, direction: 'in' | 'out', bytes: number): void {
    this.#movedOf(peer, protocol)[direction] += bytes
  }

  disk(direction: 'read' | 'written', bytes: number): void {
    this.#disk[direction].inc(bytes)
  }

  synced(ms: number): void {
    this.#syncs.observe(ms / SECOND_MS)
  }

  /** Bytes moved since the start, by peer, with the names that peers have now. */
  moves(nameOf: (peer: PeerId | typeof OTHER) => string): Sample[] {
    return [...this.#moved].flatMap(([peer, ofPeer]) =>
      [...ofPeer].flatMap(([protocol, moved]) =>
        (['in', 'out'] as const).map((direction) => ({
          labels: { peer: nameOf(peer), protocol, direction },
          value: moved[direction],
        })),
      ),
    )
  }

  /** Values of gauges and counters that are known when they are asked for replace all before. */
  set(values: ReadonlyMap<string, readonly Sample[]>): void {
    for (const [name, samples] of values) {
      const gauge = this.#gauges.get(name)
      const counter = this.#counters.get(name)
      gauge?.reset()
      counter?.reset()
      for (const { labels = {}, value } of samples) {
        gauge?.set(labels, value)
        counter?.inc(labels, value)
      }
    }
  }

  /** As Prometheus reads it. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  #callsOf(door: string, operation: string): Calls {
    const ofDoor = this.#calls.get(door) ?? new Map<string, Calls>()
    this.#calls.set(door, ofDoor)
    const found = ofDoor.get(operation)
    if (found !== undefined) return found
    const failures = known(this.#counters, 'shoal_request_failures_total')
    const labels = { door, operation }
    const made = { took: this.#requests.labels(labels), failed: failures.labels(labels) }
    ofDoor.set(operation, made)
    return made
  }

  #movedOf(peer: PeerId, protocol: string): Moved {
    const isNamed = this.#moved.has(peer) || this.#moved.size < PEERS_MAX
    const key = isNamed ? peer : OTHER
    const ofPeer = this.#moved.get(key) ?? new Map<string, Moved>()
    const found = ofPeer.get(protocol)
    if (found !== undefined) return found
    const made = { in: 0, out: 0 }
    ofPeer.set(protocol, made)
    this.#moved.set(key, ofPeer)
    return made
  }
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

function known<Value>(all: ReadonlyMap<string, Value>, name: string): Value {
  const value = all.get(name)
  assert(value !== undefined, `${name} is in the list of metrics`)
  return value
}
