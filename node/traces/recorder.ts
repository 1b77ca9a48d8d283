// Makes spans, and decides of which traces something is told. That is known when a local root has
// ended: it was chosen by chance at its beginning, or it was slow, or failed by a fault of the
// node. Until then its spans wait; so many at most, beyond which the trace that has waited longest
// loses its own. A peer's word decides nothing but which requests of peers are told of, never how
// many: a request that is flagged takes one of the tokens of which each request of a peer adds
// `sample`.
import { asShoalError } from '../../protocol/errors.ts'
import { enforces } from '../../protocol/trust.ts'
import { SPAN_ID_BYTES, TRACE_ID_BYTES } from '../../protocol/wire/trace-context.ts'
import type { TraceContext } from '../../protocol/wire/trace-context.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock, Random } from '../world/world.ts'
import { tracedCalls } from './traced-calls.ts'
import type { ServedSpan, Span, SpanFacts, Tracer } from './span.ts'

const WAITING_MAX = 4096
const OF_ONE_MAX = 512
/** Tokens that are kept for requests of peers to come. */
const TOKENS_MAX = 4
/** The status by HTTP of what is nobody's fault but the node's. */
const INTERNAL_ERROR = 500

export type SpanKind = 'inside' | 'server' | 'client'

/** A span that has ended, to be told. */
export interface EndedSpan {
  readonly traceId: Uint8Array
  readonly id: Uint8Array
  readonly parentId: Uint8Array | undefined
  readonly kind: SpanKind
  readonly name: string
  readonly startAt: Instant
  readonly endAt: Instant
  readonly facts: SpanFacts
  /** The code of the error that it ended with. */
  readonly code: string | undefined
  /** Spans below it that are not told, since there were too many; of a root only. */
  readonly left: number
}

export interface RecorderOptions {
  /** The share of roots that are told of. */
  readonly sample: number
  /** Roots that took so long are told of. */
  readonly slowMs: number
}

export interface RecorderComponents {
  readonly clock: Pick<Clock, 'now'>
  readonly random: Pick<Random, 'bytes' | 'number'>
  readonly take: (spans: readonly EndedSpan[]) => void
}

export class Recorder implements Tracer {
  readonly #c: RecorderComponents
  readonly #options: RecorderOptions
  /** Traces with spans that wait, the one that has waited longest first. */
  readonly #waiting = new Set<LocalTrace>()
  #waitingCount = 0
  #tokens = 0

  constructor(components: RecorderComponents, options: RecorderOptions) {
    this.#c = components
    this.#options = options
  }

  calls<Target extends object>(target: Target, door: string): Target {
    return tracedCalls(target, door, this)
  }

  root(name: string, facts: SpanFacts): Span {
    const { door, peer } = facts
    const away = peer === undefined ? 'inside' : 'client'
    const kind = door === undefined ? away : 'server'
    return this.#begin({ name, facts, kind }, this.#isChosen())
  }

  served(name: string, facts: SpanFacts): ServedSpan {
    return this.#begin({ name, facts, kind: 'server' }, false)
  }

  #isChosen(): boolean {
    const { sample } = this.#options
    return sample > 0 && (sample >= 1 || this.#c.random.number() < sample)
  }

  #isGranted({ isSampled }: TraceContext): boolean {
    if (!enforces('traces-by-own')) return isSampled
    this.#tokens = Math.min(this.#tokens + this.#options.sample, TOKENS_MAX)
    if (!isSampled || this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  #begin(begun: Begun, isSampled: boolean): RecordedSpan {
    const trace = new LocalTrace(this.#c, this.#keeper, isSampled)
    return new RecordedSpan(trace, undefined, begun)
  }

  readonly #keeper: Keeper = {
    isSampledBelow: (from) => (from === undefined ? this.#isChosen() : this.#isGranted(from)),
    ended: (trace, span, isRoot) => {
      if (isRoot) this.#close(trace, span)
      else if (trace.fate === 'told') this.#c.take([span])
      else if (trace.fate === undefined) this.#wait(trace, span)
    },
  }

  #wait(trace: LocalTrace, span: EndedSpan): void {
    if (trace.spans.length >= OF_ONE_MAX) {
      trace.left++
      return
    }
    trace.spans.push(span)
    this.#waiting.add(trace)
    this.#waitingCount++
    const [oldest] = this.#waiting
    if (this.#waitingCount <= WAITING_MAX || oldest === undefined) return
    oldest.left += oldest.spans.length
    this.#forget(oldest)
  }

  #forget(trace: LocalTrace): readonly EndedSpan[] {
    this.#waiting.delete(trace)
    this.#waitingCount -= trace.spans.length
    return trace.spans.splice(0)
  }

  #close(trace: LocalTrace, root: EndedSpan): void {
    const isSlow = root.endAt - root.startAt >= this.#options.slowMs
    const isFailed = root.code === 'internal' || root.facts.status === INTERNAL_ERROR
    const spans = this.#forget(trace)
    trace.fate = trace.isSampled || isFailed || isSlow ? 'told' : 'dropped'
    if (trace.fate === 'told') this.#c.take([...spans, root])
  }
}

interface Begun {
  readonly name: string
  readonly facts: SpanFacts
  readonly kind: SpanKind
}

/** The recorder, for its traces. */
interface Keeper {
  isSampledBelow(from: TraceContext | undefined): boolean
  ended(trace: LocalTrace, span: EndedSpan, isRoot: boolean): void
}

/** The part of a trace that is of this node. */
class LocalTrace {
  readonly clock: Pick<Clock, 'now'>
  readonly keeper: Keeper
  from: TraceContext | undefined
  isSampled: boolean
  /** Those that wait. */
  readonly spans: EndedSpan[] = []
  left = 0
  /** Undefined: its root has not ended. */
  fate: 'told' | 'dropped' | undefined
  readonly #random: Pick<Random, 'bytes'>
  #id: Uint8Array | undefined

  constructor({ clock, random }: RecorderComponents, keeper: Keeper, isSampled: boolean) {
    this.clock = clock
    this.#random = random
    this.keeper = keeper
    this.isSampled = isSampled
  }

  /** Made when it is wanted: most traces are never told of. */
  get id(): Uint8Array {
    return (this.#id ??= this.from?.traceId ?? this.#random.bytes(TRACE_ID_BYTES))
  }

  /** Not any more once its id was told to others. */
  below(from: TraceContext | undefined): void {
    this.isSampled = this.keeper.isSampledBelow(from)
    if (this.#id === undefined) this.from = from
  }

  newSpanId(): Uint8Array {
    return this.#random.bytes(SPAN_ID_BYTES)
  }
}

class RecordedSpan implements ServedSpan, EndedSpan {
  readonly name: string
  readonly kind: SpanKind
  readonly startAt: Instant
  facts: SpanFacts
  code: string | undefined
  readonly #trace: LocalTrace
  readonly #parent: RecordedSpan | undefined
  #endAt: Instant | undefined
  #id: Uint8Array | undefined

  constructor(trace: LocalTrace, parent: RecordedSpan | undefined, { name, facts, kind }: Begun) {
    this.#trace = trace
    this.#parent = parent
    this.name = name
    this.facts = facts
    this.kind = kind
    this.startAt = trace.clock.now()
  }

  get isOver(): boolean {
    return this.#trace.fate !== undefined
  }

  get traceId(): Uint8Array {
    return this.#trace.id
  }

  get id(): Uint8Array {
    return (this.#id ??= this.#trace.newSpanId())
  }

  get parentId(): Uint8Array | undefined {
    return this.#parent === undefined ? this.#trace.from?.spanId : this.#parent.id
  }

  get left(): number {
    return this.#parent === undefined ? this.#trace.left : 0
  }

  get endAt(): Instant {
    return this.#endAt ?? this.startAt
  }

  get context(): TraceContext {
    return { traceId: this.traceId, spanId: this.id, isSampled: this.#trace.isSampled }
  }

  below(from: TraceContext | undefined): void {
    this.#trace.below(from)
  }

  child(name: string, facts: SpanFacts = {}): Span {
    const kind = facts.peer === undefined ? 'inside' : 'client'
    return new RecordedSpan(this.#trace, this, { name, facts, kind })
  }

  end(facts?: SpanFacts, error?: unknown): void {
    if (this.#endAt !== undefined) return
    this.#endAt = this.#trace.clock.now()
    if (facts !== undefined) this.facts = { ...this.facts, ...facts }
    if (error !== undefined) this.code = asShoalError(error).code
    this.#trace.keeper.ended(this.#trace, this, this.#parent === undefined)
  }
}
