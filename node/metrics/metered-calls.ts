// Objects whose calls are measured, each by the name of its method.
import { eachCall, isIterable } from '../traces/each-call.ts'
import type { Clock } from '../world/world.ts'
import type { Meter } from './meter.ts'

/** The same object, of which each call that answers later is told to a meter when it has. */
export function meteredCalls<Target extends object>(
  target: Target,
  door: string,
  { meter, clock }: { readonly meter: Meter; readonly clock: Pick<Clock, 'now'> },
): Target {
  return eachCall(target, (name, call) => {
    const startedAt = clock.now()
    const tell = (isFailed: boolean): void =>
      meter.called(door, name, clock.now() - startedAt, isFailed)
    return watched(call(), tell)
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
