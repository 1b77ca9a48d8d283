// Is a recorded history of concurrent calls one that a single copy could have given? Search for an
// order of the calls that keeps to their real time (Wing and Gong, "Testing and verifying
// concurrent objects", JPDC 1993), with a memory of the states already come to (Lowe, "Testing for
// linearizability", CCPE 2017), each key by itself, since a history is linearizable exactly when
// its part for each key is (Herlihy and Wing 1990; Horn and Kroening 2015, P-compositionality). The
// model is a map of registers: read, write, compare-and-set.

/** undefined: the key has no value. */
export type Value = string | undefined

export type Call =
  | { readonly f: 'read' }
  | { readonly f: 'write'; readonly value: Value }
  /** Sets `to` if the value is `from`. */
  | { readonly f: 'cas'; readonly from: Value; readonly to: Value }

/**
 * One call of one process, which makes its next only when this has returned or will never be heard
 * of again.
 */
export interface Operation {
  readonly process: string
  readonly key: string
  readonly call: Call
  readonly invokeMs: number
  readonly returnMs: number
  /**
   * 'ok': it was done; 'refused': a compare-and-set that found another value; 'fail': it surely was
   * not done; 'info': nobody knows, and it may still be done at any time after.
   */
  readonly outcome: 'ok' | 'refused' | 'fail' | 'info'
  /** The value of a read that is 'ok'. */
  readonly value?: Value
}

export type Verdict =
  | { readonly linearizable: true }
  /**
   * The search never got past the return of `stuckAt`: no order of the calls before it explains its
   * outcome.
   */
  | { readonly linearizable: false; readonly key: string; readonly stuckAt: Operation }

/**
 * Check a whole history. Cost: exponential in the calls that overlap on one key, in the worst case.
 */
export function checkLinearizable(history: readonly Operation[]): Verdict {
  const byKey = new Map<string, Operation[]>()
  for (const operation of history) {
    if (operation.outcome === 'fail' || isIdleRead(operation)) continue
    byKey.set(operation.key, [...(byKey.get(operation.key) ?? []), operation])
  }
  for (const [key, operations] of byKey) {
    const stuckAt = new Search(operations).run()
    if (stuckAt !== undefined) return { linearizable: false, key, stuckAt }
  }
  return { linearizable: true }
}

/** A read that was never answered says nothing. */
function isIdleRead({ call, outcome }: Operation): boolean {
  return call.f === 'read' && outcome === 'info'
}

/** The state after a call, if its outcome fits the state before; undefined if it does not. */
function step(
  state: Value,
  { call, outcome, value }: Operation,
): { readonly state: Value } | undefined {
  switch (call.f) {
    case 'read':
      return value === state ? { state } : undefined
    case 'write':
      return { state: call.value }
    case 'cas':
      if (outcome === 'refused') return state === call.from ? undefined : { state }
      return state === call.from ? { state: call.to } : undefined
  }
}

/** A call or its return, in a list in the order of time. */
interface Event {
  readonly operation: Operation
  readonly index: number
  /** In a call, its return; undefined if it never came. In a return, undefined. */
  readonly match: Event | undefined
  readonly isCall: boolean
  before: Event | undefined
  after: Event | undefined
}

/** The search over one key. */
class Search {
  readonly #head: Event
  readonly #done: Uint32Array
  /** States already come to: which calls are done, and the value. */
  readonly #known = new Set<string>()
  readonly #path: { readonly call: Event; readonly state: Value }[] = []
  #state: Value = undefined
  /** Calls that were answered and have not taken place. */
  #left: number
  #deepest = -1
  #stuckAt: Operation | undefined

  constructor(operations: readonly Operation[]) {
    this.#head = listOf(operations)
    this.#done = new Uint32Array(Math.ceil(operations.length / 32))
    this.#left = operations.filter(({ outcome }) => outcome !== 'info').length
  }

  /** returns where it is stuck; undefined when an order was found. */
  run(): Operation | undefined {
    let at = this.#head.after
    while (this.#left > 0) {
      if (at?.isCall === true) {
        at = this.#tryCall(at) ? this.#head.after : at.after
        continue
      }
      // A return before its call could take place, or nothing is left to try: take back the last
      // call.
      if (at !== undefined && this.#path.length > this.#deepest) {
        this.#deepest = this.#path.length
        this.#stuckAt = at.operation
      }
      const last = this.#path.pop()
      if (last === undefined) return this.#stuckAt
      this.#state = last.state
      this.#flip(last.call.index)
      if (last.call.match !== undefined) this.#left++
      unlift(last.call)
      at = last.call.after
    }
    return undefined
  }

  /**
   * Let a call take place now, if its outcome fits and that does not lead where the search has
   * been.
   */
  #tryCall(call: Event): boolean {
    const next = step(this.#state, call.operation)
    if (next === undefined) return false
    this.#flip(call.index)
    const key = `${this.#done.join()} ${next.state ?? '\0'}`
    if (this.#known.has(key)) {
      this.#flip(call.index)
      return false
    }
    this.#known.add(key)
    this.#path.push({ call, state: this.#state })
    this.#state = next.state
    if (call.match !== undefined) this.#left--
    lift(call)
    return true
  }

  #flip(index: number): void {
    const word = index >>> 5
    this.#done[word] = (this.#done[word] ?? 0) ^ (1 << (index & 31))
  }
}

/**
 * Calls and returns in the order of time; where both are at one time, calls come first: they
 * overlap.
 */
function listOf(operations: readonly Operation[]): Event {
  const events = operations.flatMap(
    (operation, index): (readonly [atMs: number, event: Event])[] => {
      const rest = { operation, index, before: undefined, after: undefined }
      if (operation.outcome === 'info')
        return [[operation.invokeMs, { ...rest, isCall: true, match: undefined }]]
      const answer: Event = { ...rest, isCall: false, match: undefined }
      return [
        [operation.invokeMs, { ...rest, isCall: true, match: answer }],
        [operation.returnMs, answer],
      ]
    },
  )
  events.sort(([a, first], [b, second]) => a - b || Number(second.isCall) - Number(first.isCall))
  const [first] = operations
  if (first === undefined) throw new RangeError('a history of nothing')
  const head: Event = {
    operation: first,
    index: -1,
    match: undefined,
    isCall: true,
    before: undefined,
    after: undefined,
  }
  let last = head
  for (const [, event] of events) {
    last.after = event
    event.before = last
    last = event
  }
  return head
}

/** Take a call and its return out of the list. */
function lift(call: Event): void {
  cutOut(call)
  if (call.match !== undefined) cutOut(call.match)
}

/** Put them back where they were: in the reverse order. */
function unlift(call: Event): void {
  if (call.match !== undefined) putBack(call.match)
  putBack(call)
}

function cutOut(event: Event): void {
  if (event.before !== undefined) event.before.after = event.after
  if (event.after !== undefined) event.after.before = event.before
}

function putBack(event: Event): void {
  if (event.before !== undefined) event.before.after = event
  if (event.after !== undefined) event.after.before = event
}
