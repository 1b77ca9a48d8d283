// The frames of one lane, from pieces of bytes as they come. Always true: a piece is only read
// while take() runs, so its memory may be reused after; who waits for bytes has them put where it
// wants them, copied once; what nobody waits for is at most LANE_WINDOW bytes, in pooled memory;
// the other side is granted no more than that and the room of who waits.
import { Buffer } from 'node:buffer'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { LANE_WINDOW } from '../../../protocol/wire/bulk.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { InFlight } from '../in-flight.ts'

/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4
/** Credit is told of once there is so much of it: a record of 12 bytes for each. */
const GRANT_MIN: number = LANE_WINDOW / 4
/** Memory for what nobody waits for, kept for the next lane. */
const SPARE_MAX = 8
const spares: Buffer[] = []

interface Frame {
  readonly kind: 'frame'
  readonly resolve: (frame: Uint8Array | undefined) => void
  readonly reject: (error: ShoalError) => void
}

interface Fill {
  readonly kind: 'fill'
  readonly into: Uint8Array
  /** Filled up to here. */
  at: number
  readonly onFrame: () => void
  readonly resolve: () => void
  readonly reject: (error: ShoalError) => void
}

/** A call that waits for bytes. */
export type Consumer = Frame | Fill

export interface LaneReaderOptions {
  readonly peer: PeerId
  readonly frameMax: number
  readonly inFlight: InFlight
  /** Tells the other side that it may send so many bytes more. */
  readonly grant: (bytes: number) => void
  /** Called when the lane cannot go on. */
  readonly fail: (error: ShoalError) => void
}

export class LaneReader {
  readonly #o: LaneReaderOptions
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #lengthFilled = 0
  /** The memory of the frame under way, which goes there from #at to #end. */
  #into: Uint8Array | undefined
  #at = 0
  #end = 0
  /** Frames that came whole for somebody who no longer waits. */
  readonly #whole: Uint8Array[] = []
  readonly #consumers: Consumer[] = []
  /** Bytes that came for nobody, from #spillFrom to #spillTo. */
  #spill: Buffer | undefined
  #spillFrom = 0
  #spillTo = 0
  /** Bytes of it that are counted as received and not taken. */
  #counted = 0
  #arrived = 0
  #consumed = 0
  #granted = LANE_WINDOW
  #stopWaiting: (() => void) | undefined
  #ended = false
  #failure: ShoalError | undefined

  constructor(options: LaneReaderOptions) {
    this.#o = options
  }

  /** Says to the other side for the first time what it may send. */
  greet(): void {
    this.#o.grant(LANE_WINDOW)
  }

  /**
   * The next bytes have come: `bytes` from `from` to `to`.
   * throws ShoalError 'malformed' when they are more than was granted.
   */
  take(bytes: Buffer, from: number, to: number): void {
    this.#arrived += to - from
    if (this.#arrived > this.#granted)
      throw new ShoalError('malformed', 'more bytes on a lane than were granted')
    if (this.#failure !== undefined) return
    const at = this.#spillTo > this.#spillFrom ? from : this.#tryFeed(bytes, from, to)
    if (this.#failure !== undefined) return
    if (at < to) this.#keep(bytes, at, to)
    this.#grantMore()
  }

  /** Gives it the next bytes, after those that wait already. */
  add(consumer: Consumer): void {
    this.#consumers.push(consumer)
    while (this.#whole.length > 0 && this.#consumers.length > 0)
      this.#deliver(this.#whole.shift() ?? new Uint8Array())
    this.#drain()
    this.#settle()
    this.#grantMore()
  }

  /** It does not wait any more. */
  remove(consumer: Consumer): void {
    const at = this.#consumers.indexOf(consumer)
    if (at >= 0) this.#consumers.splice(at, 1)
  }

  /** The other side sends no more. */
  end(): void {
    this.#ended = true
    this.#settle()
  }

  /** Nothing more comes, and what came whole may still be read; with `discard`, nothing may. */
  break(error: ShoalError, { discard }: { discard: boolean }): void {
    this.#failure ??= error
    if (discard) {
      this.#whole.length = 0
      this.#freeSpill()
    }
    this.close()
    this.#settle()
  }

  /** Nothing more comes: what nobody has read is not counted as received any more. */
  close(): void {
    this.#uncount(this.#counted)
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
  }

  /** A frame that may not be breaks the lane, and nothing else. */
  #tryFeed(bytes: Buffer, from: number, to: number): number {
    try {
      return this.#feed(bytes, from, to)
    } catch (error) {
      this.#o.fail(asShoalError(error))
      return from
    }
  }

  #feed(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to && (this.#into !== undefined || this.#consumers.length > 0))
      at =
        this.#into === undefined ? this.#feedLength(bytes, at, to) : this.#feedFrame(bytes, at, to)
    this.#consumed += at - from
    return at
  }

  #feedLength(bytes: Buffer, from: number, to: number): number {
    const count = Math.min(LENGTH_BYTES - this.#lengthFilled, to - from)
    bytes.copy(this.#length, this.#lengthFilled, from, from + count)
    this.#lengthFilled += count
    if (this.#lengthFilled === LENGTH_BYTES) this.#begin(this.#length.readUInt32BE())
    return from + count
  }

  /** A frame of so many bytes begins, and somebody waits for it. */
  #begin(length: number): void {
    this.#lengthFilled = 0
    const consumer = this.#consumers[0]
    if (length > this.#o.frameMax) throw tooLong(length, this.#o.frameMax)
    if (consumer?.kind === 'fill') {
      checkFill(consumer, length)
      this.#into = consumer.into
      this.#at = consumer.at
    } else {
      // Not zeroed: memory is touched, and so taken, only as bytes really come.
      this.#into = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
      this.#at = 0
    }
    this.#end = this.#at + length
    if (length === 0) this.#finish(this.#into)
  }

  #feedFrame(bytes: Buffer, from: number, to: number): number {
    const into = this.#into
    if (into === undefined) return from
    const count = Math.min(this.#end - this.#at, to - from)
    bytes.copy(into, this.#at, from, from + count)
    this.#at += count
    if (this.#at === this.#end) this.#finish(into)
    return from + count
  }

  #finish(into: Uint8Array): void {
    this.#into = undefined
    const consumer = this.#consumers[0]
    if (consumer?.kind === 'fill' && consumer.into === into) this.#filled(consumer, this.#end)
    else this.#deliver(into)
  }

  #deliver(frame: Uint8Array): void {
    const consumer = this.#consumers[0]
    if (consumer === undefined) this.#whole.push(frame)
    else if (consumer.kind === 'frame') {
      this.#consumers.shift()
      consumer.resolve(frame)
    } else {
      checkFill(consumer, frame.length)
      consumer.into.set(frame, consumer.at)
      this.#filled(consumer, consumer.at + frame.length)
    }
  }

  #filled(consumer: Fill, at: number): void {
    consumer.at = at
    consumer.onFrame()
    if (at < consumer.into.length) return
    this.#consumers.shift()
    consumer.resolve()
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    const spill = (this.#spill ??= spares.pop() ?? Buffer.allocUnsafeSlow(LANE_WINDOW))
    if (this.#spillTo + to - from > spill.length) {
      spill.copyWithin(0, this.#spillFrom, this.#spillTo)
      this.#spillTo -= this.#spillFrom
      this.#spillFrom = 0
    }
    bytes.copy(spill, this.#spillTo, from, to)
    this.#spillTo += to - from
    this.#counted += to - from
    this.#o.inFlight.take(this.#o.peer, to - from)
  }

  /** Gives what came for nobody to those who wait now. */
  #drain(): void {
    if (this.#spill === undefined || this.#spillTo === this.#spillFrom) return
    const from = this.#spillFrom
    const at = this.#tryFeed(this.#spill, from, this.#spillTo)
    if (this.#spill === undefined) return // the lane broke
    this.#spillFrom = at
    this.#uncount(this.#spillFrom - from)
    if (this.#spillFrom === this.#spillTo) this.#freeSpill()
  }

  #uncount(bytes: number): void {
    const given = Math.min(bytes, this.#counted)
    this.#counted -= given
    this.#o.inFlight.giveBack(this.#o.peer, given)
  }

  #freeSpill(): void {
    this.#uncount(this.#spillTo - this.#spillFrom)
    if (this.#spill !== undefined && spares.length < SPARE_MAX) spares.push(this.#spill)
    this.#spill = undefined
    this.#spillFrom = 0
    this.#spillTo = 0
  }

  /** Tells those who wait that nothing comes any more, if that is so. */
  #settle(): void {
    if (!this.#ended && this.#failure === undefined) return
    const isInside = this.#into !== undefined || this.#lengthFilled > 0
    for (const consumer of this.#consumers.splice(0)) {
      if (this.#failure !== undefined) consumer.reject(this.#failure)
      else if (isInside) consumer.reject(endedEarly('inside a frame'))
      else if (consumer.kind === 'frame') consumer.resolve(undefined)
      else consumer.reject(endedEarly('before all was sent'))
    }
  }

  #grantMore(): void {
    if (this.#ended || this.#failure !== undefined) return
    const { inFlight, peer } = this.#o
    const isFull = inFlight.isFull(peer)
    const wanted = this.#consumed + this.#room() + (isFull ? 0 : LANE_WINDOW) - this.#granted
    if (wanted >= GRANT_MIN) {
      this.#granted += wanted
      this.#o.grant(wanted)
    }
    if (!isFull || this.#stopWaiting !== undefined) return
    this.#stopWaiting = inFlight.wait(peer, () => this.#look())
    if (this.#stopWaiting === undefined)
      this.#o.fail(new ShoalError('EBUSY', 'too much of its peer waits here'))
  }

  #look(): void {
    if (this.#o.inFlight.isFull(this.#o.peer)) return
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    this.#grantMore()
  }

  /** Bytes for which there is memory, and somebody waits. */
  #room(): number {
    const consumer = this.#consumers[0]
    if (consumer?.kind === 'fill') {
      const at = this.#into === consumer.into ? this.#at : consumer.at
      return consumer.into.length - at
    }
    return this.#into === undefined ? 0 : this.#end - this.#at
  }
}

function checkFill({ into, at }: Fill, length: number): void {
  if (length > 0 && length <= into.length - at) return
  throw new ShoalError('malformed', `a frame of ${length} bytes where ${into.length - at} are left`)
}

function tooLong(length: number, max: number): ShoalError {
  return new ShoalError('malformed', `a frame of ${length} bytes; at most ${max} are allowed`)
}

function endedEarly(where: string): ShoalError {
  return new ShoalError('unreachable', `the other side ended the lane ${where}`)
}
