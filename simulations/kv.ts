// The ordered store of one run of a simulated process: MemoryKv, with writes that take virtual time
// and are made one after the other, as LevelDB makes them. A crash leaves a prefix of the writes,
// and all that a synced one covered.
import { MemoryKv } from '../node/store/memory-kv.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Kv, KvRange, KvWrite } from '../node/store/kv.ts'
import type { ByteString } from '../protocol/bytes.ts'

/**
 * Median virtual time of a write; each varies by a factor of e^SPREAD either way (one standard
 * deviation).
 */
const MEDIAN_MS = { synced: 1, unsynced: 0.02 } as const
const SPREAD = 0.7

/** Told of each write that reads can see from now on. isAll: of all that a crash has left. */
export type OnWrite = (batch: readonly KvWrite[], isAll: boolean) => void

export class SimulatedKv implements Kv {
  readonly #process: SimulatedProcess
  readonly #random: SeededRandom
  readonly #memory: MemoryKv
  #open = true
  /** Batches on their way, oldest first. */
  readonly #inFlight: (readonly KvWrite[])[] = []
  readonly #onWrite: OnWrite
  #writeCount = 0
  #last: Promise<void> = Promise.resolve()

  constructor(
    components: {
      process: SimulatedProcess
      random: SeededRandom
      onWrite?: OnWrite
    },
    memory: MemoryKv = MemoryKv.open(),
  ) {
    this.#process = components.process
    this.#random = components.random
    this.#onWrite = components.onWrite ?? ((): void => undefined)
    this.#memory = memory
  }

  /** Grows with every write that reads can see. */
  get writeCount(): number {
    return this.#writeCount
  }

  /** The store of `process`, after this one lost power. */
  async crash(process: SimulatedProcess): Promise<SimulatedKv> {
    await this.#landSome()
    const { unsyncedCount } = this.#memory
    const survivors = this.#random.below(unsyncedCount + 1)
    this.#process.scheduler.sightings.add('write lost', unsyncedCount - survivors)
    return this.#left(process, survivors)
  }

  /** The store of `process`, after the last one ended or was killed and the machine stayed up. */
  async restart(process: SimulatedProcess): Promise<SimulatedKv> {
    await this.#landSome()
    return this.#left(process, this.#memory.unsyncedCount)
  }

  /** A copy of all that reads see now: a backup, or a cloned machine. */
  clone(process: SimulatedProcess): SimulatedKv {
    return this.#with(process, MemoryKv.open(this.#memory.image(this.#memory.unsyncedCount)))
  }

  get(key: ByteString): Uint8Array | undefined {
    return this.#memory.get(key)
  }

  sizeBytes(): Promise<number> {
    return this.#memory.sizeBytes()
  }

  async write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    // From the pool of buffers: a store holds a great many small values.
    const batch = writes.map((write) =>
      write.kind === 'put' ? { ...write, value: Buffer.from(write.value) } : write,
    )
    this.#inFlight.push(batch)
    const written = this.#last.then(() => this.#land(batch, options))
    this.#last = written.catch(() => undefined)
    await written
  }

  scan(range: KvRange): AsyncIterable<readonly [ByteString, Uint8Array]> {
    return this.#memory.scan(range)
  }

  /** Its content, also after it was closed: for an outside observer. */
  readable(): Kv {
    return this.#open ? this : MemoryKv.open(this.#memory.image(this.#memory.unsyncedCount))
  }

  async close(): Promise<void> {
    await this.#last
    this.#open = false
    await this.#memory.close()
  }

  async #land(batch: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    const medianMs = options.sync ? MEDIAN_MS.synced : MEDIAN_MS.unsynced
    const what = `kv write ${batch.length}${options.sync ? ' synced' : ''}`
    await this.#process.wait(medianMs * Math.exp(SPREAD * this.#random.normal()), what)
    this.#inFlight.shift()
    this.#writeCount++
    this.#onWrite(batch, false)
    await this.#memory.write(batch, options)
  }

  /** The process is gone: of the writes on their way, a prefix had come to the store. */
  async #landSome(): Promise<void> {
    if (this.#inFlight.length > 0) this.#process.scheduler.sightings.add('crash while writing')
    const count = this.#random.below(this.#inFlight.length + 1)
    for (const batch of this.#inFlight.slice(0, count)) {
      await this.#memory.write(batch, { sync: false })
    }
  }

  /** The store that a crash leaves. What of it had not been told of is told now. */
  #left(process: SimulatedProcess, survivors: number): SimulatedKv {
    const image = this.#memory.image(survivors)
    const batch = image.map(([key, value]) => ({ kind: 'put', key, value }) as const)
    this.#onWrite(batch, true)
    return this.#with(process, this.#memory.crash(survivors))
  }

  #with(process: SimulatedProcess, memory: MemoryKv): SimulatedKv {
    return new SimulatedKv({ process, random: this.#random, onWrite: this.#onWrite }, memory)
  }
}
