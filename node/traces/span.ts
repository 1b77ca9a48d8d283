// The seam by which parts of a node tell what of a request they do, and how long it takes. A span
// is work with a beginning and an end; the work that a request comes in by is a root, and what it
// leads to are its children. The span under way is carried by an AsyncLocalStorage: between a door
// and a disk are some twenty parts, which would all have to pass it on. On Node 24 it is a field of
// the context of a promise, without hooks. Where there are no traces none is made, and a part that
// asks for the span under way has undefined, at the price of a comparison.
import type { AsyncLocalStorage } from 'node:async_hooks'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { TraceContext } from '../../protocol/wire/trace-context.ts'

/** All that a span may tell besides its name and times: no name of a file, secret or content. */
export interface SpanFacts {
  /** The way in: 'control', 'http', 's3', 'webdav', 'mount'. */
  readonly door?: string
  readonly volume?: VolumeId
  /** The other node. */
  readonly peer?: PeerId
  readonly bytes?: number
  /** The status of an answer by HTTP. */
  readonly status?: number
}

export interface Span {
  /** Has the root ended? Then nothing more is told of it. */
  readonly isOver: boolean
  /** To be told to a peer that is asked within it. */
  readonly context: TraceContext
  /** Begin a part of it. name: one of few, never of what users name. */
  child(name: string, facts?: SpanFacts): Span
  /** It is done. error: why it failed. One that is not ended is not told of. */
  end(facts?: SpanFacts, error?: unknown): void
}

export interface ServedSpan extends Span {
  /**
   * Put it where the peer says that it is, once that is known; whether it is told of is decided
   * then. `from` is believed in nothing else.
   */
  below(from: TraceContext | undefined): void
}

export interface Tracer {
  /**
   * The same object, each of whose calls is a span until all of its answer has come: a root, or a
   * part of the span under way.
   */
  calls<Target extends object>(target: Target, door: string): Target
  /** Begin what came in here. */
  root(name: string, facts: SpanFacts): Span
  /** Begin what a peer has asked for. */
  served(name: string, facts: SpanFacts): ServedSpan
}

let underWay: AsyncLocalStorage<Span> | undefined

/** Carry spans from now on, for all nodes of this process. */
export function carrySpans(storage: () => AsyncLocalStorage<Span>): void {
  underWay ??= storage()
}

/** The span under way. Undefined: none, or its root is over, or there are no traces. */
export function currentSpan(): Span | undefined {
  if (underWay === undefined) return undefined
  const span = underWay.getStore()
  return span?.isOver === true ? undefined : span
}

/** Run `work`, and all that it leads to, with the span under way. */
export function within<Result>(span: Span, work: () => Result): Result {
  return underWay === undefined ? work() : underWay.run(span, work)
}

/** Run `work` as a part of the span under way, if there is one. */
export async function traced<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const span = currentSpan()?.child(name)
  return span === undefined ? work() : ended(span, within(span, work))
}

/** The same promise; the span ends as it does. */
export async function ended<Result>(
  span: Span,
  promise: Promise<Result>,
  factsOf?: (result: Result) => SpanFacts,
): Promise<Result> {
  try {
    const result = await promise
    span.end(factsOf?.(result))
    return result
  } catch (error) {
    span.end(undefined, error)
    throw error
  }
}
