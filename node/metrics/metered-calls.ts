// Objects whose calls are measured, each by the name of its method: the API at a door, the file
// system of a mount.
import type { Clock } from '../world/world.ts'
import type { Meter } from './meter.ts'

type Method = (...args: readonly unknown[]) => unknown

/** The same object, of which each call that answers later is told to a meter when it has. */
export function meteredCalls<Target extends object>(
  target: Target,
  door: string,
  { meter, clock }: { readonly meter: Meter; readonly clock: Pick<Clock, 'now'> },
): Target {
  const made = new Map<string, Method>()
  return new Proxy(target, {
    get: (_, name) => {
      const known = typeof name === 'string' ? made.get(name) : undefined
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || typeof name === 'symbol') return value
      const method = value.bind(target) as Method
      const measured: Method = (...args) => {
        const startedAt = clock.now()
        const tell = (isFailed: boolean): void =>
          meter.called(door, name, clock.now() - startedAt, isFailed)
        return watched(method(...args), tell)
      }
      made.set(name, measured)
      return measured
    },
  })
}

/** The same answer; `tell` is called when all of it has come. */
function watched(answer: unknown, tell: (isFailed: boolean) => void): unknown {
  if (answer instanceof Promise) {
    answer.then(
      () => tell(false),
      () => tell(true),
    )
    return answer
  }
  return isIterable(answer) ? watchedEach(answer, tell) : answer
}

async function* watchedEach(
  answer: AsyncIterable<unknown>,
  tell: (isFailed: boolean) => void,
): AsyncGenerator<unknown> {
  let isFailed = false
  try {
    yield* answer
  } catch (error) {
    isFailed = true
    throw error
  } finally {
    tell(isFailed)
  }
}

function isIterable(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
