// One bulk connection: its lanes, and whose turn it is to send. Always true: a record is checked
// by its head before anything else of it is taken; a breach of the format ends the connection; what
// is sent is at most one record ahead of the socket, whatever lanes have; bytes come and go without
// an object for each. Format: docs/formats/network.md.
import { Buffer } from 'node:buffer'
import { timingSafeEqual } from 'node:crypto'
import { asShoalError, ShoalError } from '../../../protocol/errors.ts'
import { FRAME_MAX, STREAMS_PER_PEER_MAX } from '../../../protocol/limits.ts'
import { KIB } from '../../../protocol/units.ts'
import {
  LANE_WINDOW,
  RECORD,
  RECORD_HEAD_BYTES,
  bytesAfterHead,
  decodeLaneProtocol,
  writeRecordHead,
} from '../../../protocol/wire/bulk.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { BulkLane } from './lane.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { InFlight } from '../in-flight.ts'
import type { Channel } from '../world.ts'
import type { LaneHost } from './lane.ts'
import type { Pipe } from './tls-pipe.ts'

/** Records without data that wait to be sent: who reads none of them is hung up on. */
const TOLD_MAX: number = 64 * KIB
/** The longest body of a record that is not data. */
const BODY_MAX = 64
/** Bytes of records without data after which they are told of as traffic. */
const TRAFFIC_STEP: number = 16 * KIB

/** How lanes of a protocol are served. */
export interface LaneHandler {
  readonly serve: (channel: Channel) => void
  readonly frameMax: number | undefined
}

export interface BulkConnectionOptions {
  readonly peer: PeerId
  readonly isDialler: boolean
  /** The secret of the token that it was dialled with. */
  readonly secret: Uint8Array
  readonly inFlight: InFlight
  readonly handlerOf: (protocol: string) => LaneHandler | undefined
  readonly onTraffic: (peer: PeerId, bytes: number) => void
  /** It has no lane any more, or one again. */
  readonly onIdle: (isIdle: boolean) => void
  readonly onEnd: (error: ShoalError) => void
}

export class BulkConnection implements LaneHost {
  readonly peer: PeerId
  readonly inFlight: InFlight
  readonly #o: BulkConnectionOptions
  readonly #pipe: Pipe
  readonly #lanes = new Map<number, BulkLane>()
  /** Lanes that may have something to send, in turn. */
  readonly #ready = new Set<BulkLane>()
  readonly #greeted = Promise.withResolvers<void>()
  readonly #told = Buffer.allocUnsafeSlow(TOLD_MAX)
  #toldBytes = 0
  #writing = false
  #isGreeted = false
  #failure: ShoalError | undefined
  #nextLane: number
  #lastForeignLane = 0
  #controlBytes = 0
  /** Bytes of lanes that were sent, and that came. */
  readonly moved: { sent: number; received: number } = { sent: 0, received: 0 }
  // The record that is being read.
  readonly #head = Buffer.alloc(RECORD_HEAD_BYTES)
  #headFilled = 0
  readonly #body = Buffer.alloc(BODY_MAX)
  #bodyFilled = 0
  #left = 0
  #kind = 0
  #laneId = 0
  #lane: BulkLane | undefined

  /** Says hello at once, if it dialled; else once the other side has. */
  constructor(pipe: Pipe, options: BulkConnectionOptions) {
    this.#pipe = pipe
    this.#o = options
    this.peer = options.peer
    this.inFlight = options.inFlight
    this.#nextLane = options.isDialler ? 1 : 2
    this.#greeted.promise.catch(() => undefined) // for who waits, if anybody does
    if (options.isDialler) this.#sayHello(options.secret)
    pipe.listen(
      (bytes, end) => this.#take(bytes, end),
      (error) => this.#onClose(error),
    )
  }

  /** Resolves when the other side has said hello, as it should; rejects when it ends before. */
  get greeted(): Promise<void> {
    return this.#greeted.promise
  }

  get isOpen(): boolean {
    return this.#failure === undefined && this.#isGreeted
  }

  /** Opens a lane. throws ShoalError 'unreachable' when there are too many, or it is not served. */
  async open(
    protocol: string,
    { signal, frameMax = FRAME_MAX }: { signal: AbortSignal; frameMax?: number | undefined },
  ): Promise<BulkLane> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#count(protocol, true) >= STREAMS_PER_PEER_MAX)
      throw new ShoalError('unreachable', `too many channels ${protocol} to ${this.peer} are open`)
    const id = this.#nextLane
    this.#nextLane += 2
    const lane = this.#add(id, { protocol, frameMax, isOurs: true })
    this.tell(RECORD.OPEN, id, protocol.length, utf8(protocol))
    try {
      await lane.served(signal)
    } catch (error) {
      lane.abort(asShoalError(error))
      throw error
    }
    return lane
  }

  /** Breaks all lanes and hangs up. */
  end(error: ShoalError): void {
    this.#fail(error)
    this.#pipe.destroy(error)
  }

  tell(kind: number, lane: number, n: number, body?: Uint8Array): void {
    if (this.#failure !== undefined) return
    const length = RECORD_HEAD_BYTES + (body?.length ?? 0)
    if (this.#toldBytes + length > TOLD_MAX)
      return this.end(new ShoalError('unreachable', `${this.peer} does not read what it is told`))
    writeRecordHead(this.#told, this.#toldBytes, { kind, lane, n })
    if (body !== undefined) this.#told.set(body, this.#toldBytes + RECORD_HEAD_BYTES)
    this.#toldBytes += length
    this.#pump()
  }

  ready(lane: BulkLane): void {
    if (lane.sender.isReady) this.#ready.add(lane)
    this.#pump()
  }

  forget(lane: BulkLane): void {
    this.#ready.delete(lane)
    if (this.#lanes.delete(lane.id) && this.#lanes.size === 0) this.#o.onIdle(true)
  }

  #sayHello(secret: Uint8Array): void {
    this.tell(RECORD.HELLO, 0, secret.length, secret)
  }

  #add(id: number, options: { protocol: string; frameMax: number; isOurs: boolean }): BulkLane {
    const lane = new BulkLane(this, { id, ...options })
    if (this.#lanes.size === 0) this.#o.onIdle(false)
    this.#lanes.set(id, lane)
    return lane
  }

  #count(protocol: string, isOurs: boolean): number {
    let count = 0
    for (const lane of this.#lanes.values())
      if (lane.protocol === protocol && lane.isOurs === isOurs) count++
    return count
  }

  /** Sends the next record, unless one is on its way to the socket. */
  #pump(): void {
    if (this.#writing || this.#failure !== undefined) return
    const lane = this.#nextReady()
    if (lane === undefined && this.#toldBytes === 0) return
    this.#writing = true
    const told = Buffer.from(this.#told.subarray(0, this.#toldBytes))
    this.#toldBytes = 0
    if (lane === undefined) return this.#pipe.write(told, () => this.#wrote())
    const { small, large, written } = lane.sender.next()
    this.moved.sent += small.length - RECORD_HEAD_BYTES + (large?.length ?? 0)
    if (lane.sender.isReady) this.#ready.add(lane)
    const done = (): void => {
      written()
      this.#wrote()
    }
    const first = told.length === 0 ? small : Buffer.concat([told, small])
    if (large === undefined) return this.#pipe.write(first, done)
    this.#pipe.write(first)
    this.#pipe.write(large, done)
  }

  #wrote(): void {
    this.#writing = false
    this.#pump()
  }

  #nextReady(): BulkLane | undefined {
    for (const lane of this.#ready) {
      this.#ready.delete(lane)
      if (lane.sender.isReady) return lane
    }
    return undefined
  }

  #take(bytes: Buffer, end: number): void {
    try {
      let at = 0
      while (at < end && this.#failure === undefined) {
        if (this.#headFilled < RECORD_HEAD_BYTES) at = this.#takeHead(bytes, at, end)
        else at = this.#takeBody(bytes, at, end)
      }
    } catch (error) {
      this.end(asShoalError(error))
    }
  }

  #takeHead(bytes: Buffer, from: number, end: number): number {
    const count = Math.min(RECORD_HEAD_BYTES - this.#headFilled, end - from)
    bytes.copy(this.#head, this.#headFilled, from, from + count)
    this.#headFilled += count
    if (this.#headFilled === RECORD_HEAD_BYTES) this.#onHead()
    return from + count
  }

  #onHead(): void {
    this.#kind = this.#head.readUInt32BE(0)
    this.#laneId = this.#head.readUInt32BE(4)
    const n = this.#head.readUInt32BE(8)
    this.#left = bytesAfterHead(this.#kind, this.#laneId, n)
    if (this.#isGreeted === (this.#kind === RECORD.HELLO))
      throw new ShoalError('malformed', 'a hello is the first record, and no other')
    this.#lane = this.#lanes.get(this.#laneId)
    if (this.#kind !== RECORD.OPEN && this.#kind !== RECORD.HELLO) this.#checkKnown()
    if (this.#kind !== RECORD.DATA) this.#countControl(RECORD_HEAD_BYTES + this.#left)
    this.#bodyFilled = 0
    if (this.#left === 0) this.#onRecord(n)
  }

  /** A lane that is over may still be spoken of; one that never was may not. */
  #checkKnown(): void {
    const isForeign = this.#laneId % 2 !== this.#nextLane % 2
    const isKnown = isForeign
      ? this.#laneId <= this.#lastForeignLane
      : this.#laneId < this.#nextLane
    if (!isKnown) throw new ShoalError('malformed', `lane ${this.#laneId} was never opened`)
  }

  #takeBody(bytes: Buffer, from: number, end: number): number {
    const to = Math.min(end, from + this.#left)
    this.#left -= to - from
    if (this.#kind === RECORD.DATA) {
      this.#takeData(bytes, from, to)
      if (this.#left === 0) this.#headFilled = 0
      return to
    }
    bytes.copy(this.#body, this.#bodyFilled, from, to)
    this.#bodyFilled += to - from
    if (this.#left === 0) this.#onRecord(this.#bodyFilled)
    return to
  }

  #takeData(bytes: Buffer, from: number, to: number): void {
    this.moved.received += to - from
    this.#lane?.reader.take(bytes, from, to)
  }

  #onRecord(n: number): void {
    this.#headFilled = 0
    switch (this.#kind) {
      case RECORD.HELLO:
        return this.#onHello(this.#body.subarray(0, n))
      case RECORD.OPEN:
        return this.#onOpen(decodeLaneProtocol(this.#body.subarray(0, n)))
      case RECORD.CREDIT:
        return this.#lane?.allow(n)
      case RECORD.END:
        return this.#lane?.end()
      default: {
        const lane = this.#lane
        lane?.break(lane.broken('the other side broke it off'))
      }
    }
  }

  #onHello(secret: Uint8Array): void {
    const expected = this.#o.isDialler ? new Uint8Array() : this.#o.secret
    if (secret.length !== expected.length || !timingSafeEqual(secret, expected))
      throw new ShoalError('malformed', 'a hello without the secret of its token')
    this.#isGreeted = true
    if (!this.#o.isDialler) this.#sayHello(new Uint8Array())
    this.#greeted.resolve()
  }

  #onOpen(protocol: string): void {
    const id = this.#laneId
    if (id % 2 === this.#nextLane % 2 || id <= this.#lastForeignLane)
      throw new ShoalError('malformed', `lane ${id} cannot be opened`)
    this.#lastForeignLane = id
    const handler = this.#o.handlerOf(protocol)
    if (handler === undefined || this.#count(protocol, false) >= STREAMS_PER_PEER_MAX)
      return this.tell(RECORD.RESET, id, 0)
    const { serve, frameMax = FRAME_MAX } = handler
    const lane = this.#add(id, { protocol, frameMax, isOurs: false })
    lane.sender.allow(LANE_WINDOW)
    lane.reader.greet()
    serve(lane)
  }

  #countControl(bytes: number): void {
    this.#controlBytes += bytes
    if (this.#controlBytes < TRAFFIC_STEP) return
    this.#o.onTraffic(this.peer, this.#controlBytes)
    this.#controlBytes = 0
  }

  #onClose(error: Error | undefined): void {
    const why = error?.message ?? 'the other side hung up'
    this.#fail(new ShoalError('unreachable', `the bulk connection ended: ${why}`, { cause: error }))
  }

  #fail(error: ShoalError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#greeted.reject(error)
    for (const lane of this.#lanes.values()) lane.break(lane.broken(error.message))
    this.#ready.clear()
    this.#o.onEnd(error)
  }
}
