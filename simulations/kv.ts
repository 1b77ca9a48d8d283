// The ordered store of one run of a simulated process: MemoryKv, with writes that take virtual time and are made one
// after the other, as LevelDB makes them. A crash leaves a prefix of the writes, and all that a synced one covered.
import { MemoryKv } from '../node/store/memory-kv.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import type { Kv, KvRange, KvWrite } from '../node/store/kv.ts'
import type { ByteString } from '../protocol/bytes.ts'

/** Median virtual time of a write; each varies by a factor of e^SPREAD either way (one standard deviation). */
const MEDIAN_MS = { synced: 1, unsynced: 0.02 } as const
const SPREAD = 0.7

export class SimulatedKv implements Kv {
  readonly #process: SimulatedProcess
  readonly #random: SeededRandom
  readonly #memory: MemoryKv
  /** Batches on their way, oldest first. */
  readonly #inFlight: (readonly KvWrite[])[] = []
  #last: Promise<void> = Promise.resolve()

  constructor(
    components: { process: SimulatedProcess; random: SeededRandom },
    memory: MemoryKv = MemoryKv.open(),
  ) {
    this.#process = components.process
    this.#random = components.random
    this.#memory = memory
  }

  /** The store of `process`, after this one lost power. */
  async crash(process: SimulatedProcess): Promise<SimulatedKv> {
    await this.#landSome()
    return this.#with(
      process,
      this.#memory.crash(this.#random.below(this.#memory.unsyncedCount + 1)),
    )
  }

  /** The store of `process`, after the last one ended or was killed and the machine stayed up. */
  async restart(process: SimulatedProcess): Promise<SimulatedKv> {
    await this.#landSome()
    return this.#with(process, this.#memory.crash(this.#memory.unsyncedCount))
  }

  /** A copy of all that reads see now: a backup, or a cloned machine. */
  clone(process: SimulatedProcess): SimulatedKv {
    return this.#with(process, MemoryKv.open(this.#memory.image(this.#memory.unsyncedCount)))
  }

  get(key: ByteString): Uint8Array | undefined {
    return this.#memory.get(key)
  }

  async write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    const batch = writes.map((write) =>
      write.kind === 'put' ? { ...write, value: write.value.slice() } : write,
    )
    this.#inFlight.push(batch)
    const written = this.#last.then(() => this.#land(batch, options))
    this.#last = written.catch(() => undefined)
    await written
  }

  scan(range: KvRange): AsyncIterable<readonly [ByteString, Uint8Array]> {
    return this.#memory.scan(range)
  }

  async close(): Promise<void> {
    await this.#last
    await this.#memory.close()
  }

  async #land(batch: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    const medianMs = options.sync ? MEDIAN_MS.synced : MEDIAN_MS.unsynced
    const what = `kv write ${batch.length}${options.sync ? ' synced' : ''}`
    await this.#process.wait(medianMs * Math.exp(SPREAD * this.#random.normal()), what)
    this.#inFlight.shift()
    await this.#memory.write(batch, options)
  }

  /** The process is gone: of the writes on their way, a prefix had come to the store. */
  async #landSome(): Promise<void> {
    const count = this.#random.below(this.#inFlight.length + 1)
    for (const batch of this.#inFlight.slice(0, count)) {
      await this.#memory.write(batch, { sync: false })
    }
  }

  #with(process: SimulatedProcess, memory: MemoryKv): SimulatedKv {
    return new SimulatedKv({ process, random: this.#random }, memory)
  }
}
