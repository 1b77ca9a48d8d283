// Takes turns at things by their names: whoever comes has the one before sent away, and then its
// turn. What is sent away ends by itself, soon.
import { ShoalError } from '../../../protocol/errors.ts'
import { SerialQueue } from '../../jobs/serial-queue.ts'

interface Thing {
  readonly queue: SerialQueue
  users: number
  current: AbortController | undefined
}

export class Turns {
  readonly #things = new Map<string, Thing>()
  #stopped: ShoalError | undefined

  /** signal: aborts when another comes. throws what `run` throws, and as stop() was told. */
  async run<Result>(
    name: string,
    run: (signal: AbortSignal) => Result | Promise<Result>,
  ): Promise<Result> {
    const thing = this.#things.get(name) ?? {
      queue: new SerialQueue(),
      users: 0,
      current: undefined,
    }
    this.#things.set(name, thing)
    thing.users++
    thing.current?.abort(new ShoalError('aborted', 'another request came for the same'))
    const controller = new AbortController()
    try {
      return await thing.queue.run(() => {
        if (this.#stopped !== undefined) throw this.#stopped
        thing.current = controller
        return run(controller.signal)
      })
    } finally {
      if (thing.current === controller) thing.current = undefined
      if (--thing.users === 0) this.#things.delete(name)
    }
  }

  /** Send all away; resolves when nothing runs. Whoever comes later is told the reason. */
  async stop(reason: ShoalError): Promise<void> {
    this.#stopped = reason
    const things = [...this.#things.values()]
    for (const { current } of things) current?.abort(reason)
    await Promise.all(things.map(({ queue }) => queue.idle()))
  }
}
