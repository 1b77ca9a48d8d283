// Pins of a node in memory: what is pinned to it is there in two steps.
import { ShoalError } from '../../protocol/errors.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { ClassPin, Pin, PinProgress } from '../../node/control/pins.ts'

export class MemoryPins {
  readonly #pins = new Map<string, Pin>()

  add(path: string, cls: string): ClassPin {
    const pin = { path, kind: 'class', class: formatClass(parseClass(cls)) } as const
    this.#pins.set(`${path} class`, pin)
    return pin
  }

  *addLocal(path: string, wantedBytes: number): Generator<readonly PinProgress[]> {
    for (const actualBytes of [0, wantedBytes]) {
      this.#pins.set(`${path} local`, { path, kind: 'local', wantedBytes, actualBytes })
      yield [{ wantedBytes, actualBytes }]
    }
  }

  remove(path: string): void {
    const removed = [`${path} class`, `${path} local`].filter((key) => this.#pins.delete(key))
    if (removed.length === 0) throw new ShoalError('ENOENT', `${path}: is not pinned`)
  }

  all(): readonly Pin[] {
    return [...this.#pins.values()]
  }
}
