// Objects whose calls are spans, each by the name of its method: roots where a request comes in by
// them, parts of the span under way elsewhere.
import { eachCall, isIterable } from './each-call.ts'
import { currentSpan, within } from './span.ts'
import type { Span, Tracer } from './span.ts'

/** Calls that answer as long as somebody listens: how long says nothing. */
const ENDLESS: ReadonlySet<string> = new Set(['watch', 'readLogs'])

/** As Tracer.calls has it. */
export function tracedCalls<Target extends object>(
  target: Target,
  door: string,
  tracer: Pick<Tracer, 'root'>,
): Target {
  return eachCall(target, (name, call) => {
    if (ENDLESS.has(name)) return call()
    const title = `${door}.${name}`
    const span = currentSpan()?.child(title) ?? tracer.root(title, { door })
    let answer
    try {
      answer = within(span, call)
    } catch (error) {
      span.end(undefined, error)
      throw error
    }
    if (answer instanceof Promise) return answered(answer, span)
    // What is answered at once is no work to tell of.
    return isIterable(answer) ? tracedEach(answer, span) : answer
  })
}

async function answered(answer: Promise<unknown>, span: Span): Promise<unknown> {
  let result
  try {
    result = await answer
  } catch (error) {
    span.end(undefined, error)
    throw error
  }
  if (hasContent(result)) return { ...result, content: tracedEach(result.content, span) }
  span.end()
  return result
}

/** Is it the content of a file, which comes yet? */
function hasContent(result: unknown): result is { readonly content: AsyncIterable<unknown> } {
  return (
    typeof result === 'object' &&
    result !== null &&
    'content' in result &&
    isIterable(result.content)
  )
}

/**
 * The same pieces. Each is made within the span: a generator runs in the context of whoever asks
 * for the next.
 */
function tracedEach(pieces: AsyncIterable<unknown>, span: Span): AsyncIterable<unknown> {
  const step = async (
    make: () => Promise<IteratorResult<unknown>>,
  ): Promise<IteratorResult<unknown>> => {
    try {
      const made = await within(span, make)
      if (made.done === true) span.end()
      return made
    } catch (error) {
      span.end(undefined, error)
      throw error
    }
  }
  return {
    [Symbol.asyncIterator]: () => {
      const steps = pieces[Symbol.asyncIterator]()
      return {
        next: () => step(() => steps.next()),
        return: (value?: unknown) =>
          step(() => steps.return?.(value) ?? Promise.resolve({ done: true, value })),
      }
    },
  }
}
