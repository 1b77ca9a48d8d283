// The calls about pins of a node in memory: what is pinned to it is there in two steps, and what is
// pinned to a tier goes nowhere.
import { ShoalError } from '../../protocol/errors.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import { MemorySecurity } from './memory-security.ts'
import type { FileStat } from '../../node/control/files.ts'
import type {
  ClassPin,
  ColdPin,
  Pin,
  PinProgress,
  PinsApi,
  PinsCounted,
  RemovedPin,
} from '../../node/control/pins.ts'

export abstract class MemoryPins extends MemorySecurity implements PinsApi {
  readonly #pins = new Map<string, Pin>()

  abstract stat(path: string): Promise<FileStat>

  async addPin(path: string, { class: text }: { readonly class: string }): Promise<ClassPin> {
    await this.stat(path)
    const pin = { path, kind: 'class', class: formatClass(parseClass(text)) } as const
    this.#pins.set(`${path} class`, { ...pin, wantedBytes: 0, actualBytes: 0 })
    return pin
  }

  async addColdPin(path: string, tier: string): Promise<ColdPin> {
    await this.stat(path)
    const pin = { path, kind: 'cold', tier } as const
    const failure = { code: 'cold-unreachable', message: `cold tier ${tier}: is away` } as const
    this.#pins.set(`${path} cold`, { ...pin, wantedBytes: 2000, actualBytes: 999, failure })
    return pin
  }

  async *addLocalPin(path: string): AsyncGenerator<readonly PinProgress[]> {
    const { sizeBytes: wantedBytes } = await this.stat(path)
    for (const actualBytes of [0, wantedBytes]) {
      this.#pins.set(`${path} local`, { path, kind: 'local', wantedBytes, actualBytes })
      yield [{ wantedBytes, actualBytes }]
    }
  }

  async removePin(path: string): Promise<readonly RemovedPin[]> {
    const keys = ['class', 'cold', 'local'].map((kind) => `${path} ${kind}`)
    const removed = keys.flatMap((key) => this.#pins.get(key) ?? [])
    for (const key of keys) this.#pins.delete(key)
    if (removed.length === 0) throw new ShoalError('ENOENT', `${path}: is not pinned`)
    return removed
  }

  async *listPins(): AsyncGenerator<readonly (PinsCounted | Pin)[]> {
    yield [{ kind: 'counted', doneBytes: 0, totalBytes: 1 }]
    yield [...this.#pins.values()]
  }
}
