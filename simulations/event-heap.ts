// A binary heap of events in the total order (time, tie, sequence): the order of insertion never
// shows. A cancelled event stays until it is popped or until half of the heap is cancelled.

export interface ScheduledEvent {
  readonly atMs: number
  readonly tie: number
  readonly sequence: number
  readonly label: string
  /** Undefined once it was cancelled or has run. */
  run: (() => void) | undefined
}

const COMPACT_ABOVE = 256

export class EventHeap {
  #events: ScheduledEvent[] = []
  #cancelledCount = 0

  push(event: ScheduledEvent): void {
    this.#events.push(event)
    this.#up(this.#events.length - 1)
  }

  /** The first event that is not cancelled. */
  peek(): ScheduledEvent | undefined {
    for (;;) {
      const first = this.#events[0]
      if (first === undefined || first.run !== undefined) return first
      this.#removeFirst()
      this.#cancelledCount--
    }
  }

  /**
   * Takes the first event out if its time is at most `untilMs`. Cancelling it has no effect any
   * more.
   */
  pop(untilMs: number): ScheduledEvent | undefined {
    const first = this.peek()
    if (first === undefined || first.atMs > untilMs) return undefined
    this.#removeFirst()
    const popped = { ...first }
    first.run = undefined
    return popped
  }

  cancel(event: ScheduledEvent): void {
    if (event.run === undefined) return
    event.run = undefined
    this.#cancelledCount++
    if (this.#events.length > COMPACT_ABOVE && this.#cancelledCount * 2 > this.#events.length)
      this.#compact()
  }

  #compact(): void {
    this.#events = this.#events.filter((event) => event.run !== undefined).toSorted(compareEvents)
    this.#cancelledCount = 0
  }

  #removeFirst(): void {
    const last = this.#events.pop()
    if (last === undefined || this.#events.length === 0) return
    this.#events[0] = last
    this.#down(0)
  }

  #up(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#swapIfLess(index, parent)) return
      index = parent
    }
  }

  #down(start: number): void {
    let index = start
    for (;;) {
      const left = 2 * index + 1
      const smaller = this.#less(left + 1, left) ? left + 1 : left
      if (!this.#swapIfLess(smaller, index)) return
      index = smaller
    }
  }

  #less(a: number, b: number): boolean {
    const [first, second] = [this.#events[a], this.#events[b]]
    return first !== undefined && second !== undefined && compareEvents(first, second) < 0
  }

  #swapIfLess(a: number, b: number): boolean {
    const [first, second] = [this.#events[a], this.#events[b]]
    if (first === undefined || second === undefined || compareEvents(first, second) >= 0)
      return false
    this.#events[a] = second
    this.#events[b] = first
    return true
  }
}

function compareEvents(a: ScheduledEvent, b: ScheduledEvent): number {
  return a.atMs - b.atMs || a.tie - b.tie || a.sequence - b.sequence
}
