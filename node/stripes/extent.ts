// Bytes of an object that are on their way, or here. Whoever waits for some of them has them when
// they have come, not when all have; when nobody waits any more for what was asked for, the rest is
// not fetched.
import type { ByteRange } from '../../protocol/cold/pack.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { untilAborted } from './in-parallel.ts'

interface Waiting {
  readonly to: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class Extent implements ByteRange {
  readonly name: string
  readonly from: number
  readonly to: number
  /** How much of it nobody asked for when it was; 0: all of it was asked for. */
  readonly aroundBytes: number
  /** How many were asked for before it, each close to the one before. */
  readonly streak: number
  /** Was what lies behind it asked for already? */
  isContinued = false
  readonly #ended = new AbortController()
  #bytes: Uint8Array | undefined
  /** Bytes that have come. */
  #length = 0
  #usedBytes = 0
  #isClosed = false
  readonly #waiting = new Set<Waiting>()

  constructor(
    name: string,
    { from, to, aroundBytes, streak }: Pick<Extent, 'from' | 'to' | 'aroundBytes' | 'streak'>,
  ) {
    this.name = name
    this.from = from
    this.to = to
    this.aroundBytes = aroundBytes
    this.streak = streak
    this.#bytes = new Uint8Array(to - from)
  }

  /** Aborts when it is not wanted any more. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Nothing comes any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Asked for so far. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  get keptBytes(): number {
    return this.#bytes?.length ?? 0
  }

  covers({ from, to }: ByteRange): boolean {
    return this.#bytes !== undefined && from >= this.from && to <= this.to
  }

  /** throws what fail() was given, and what `signal` says. */
  async read({ from, to }: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    signal.throwIfAborted()
    const bytes = this.#bytes
    if (bytes === undefined) throw new ShoalError('internal', 'bytes that were let go of')
    this.#usedBytes += to - from
    const isHere = (): boolean => this.#isClosed || this.from + this.#length >= to
    if (!isHere()) {
      const came = Promise.withResolvers<void>()
      const waiting = { to, resolve: came.resolve, reject: came.reject }
      this.#waiting.add(waiting)
      try {
        await untilAborted(came.promise, signal)
      } finally {
        this.#waiting.delete(waiting)
        if (signal.aborted && this.#waiting.size === 0) this.#ended.abort(signal.reason)
      }
    }
    return bytes.subarray(from - this.from, Math.min(to - this.from, this.#length))
  }

  /** More bytes have come. */
  add(part: Uint8Array): void {
    const fits = part.subarray(0, this.to - this.from - this.#length)
    this.#bytes?.set(fits, this.#length)
    this.#length += fits.length
    const end = this.from + this.#length
    for (const { to, resolve } of this.#waiting) if (to <= end) resolve()
  }

  /** All have come that there are. */
  close(): void {
    this.#isClosed = true
    for (const { resolve } of this.#waiting) resolve()
    // A reader that asked for all of it has it; others come for what is around that.
    if (this.aroundBytes === 0) this.drop()
  }

  fail(error: unknown): void {
    this.#isClosed = true
    for (const { reject } of this.#waiting) reject(error)
  }

  /** Let go of the bytes. */
  drop(): void {
    this.#bytes = undefined
  }

  /** Nobody shall have it. */
  end(): void {
    this.#ended.abort(new ShoalError('stopped', 'this node stops reading from cold tiers'))
  }
}
