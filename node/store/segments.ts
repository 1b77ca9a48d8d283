// Payloads, appended to segment files and never changed in place: the write-ahead log of payloads
// (docs/formats/store.md).
// Invariants: an address, once given, is that record's forever, and readable at once, from memory
// until it is in the file. Batches are written in order. Nothing is durable before sync(). A write
// that fails for lack of space is kept and tried again; any other failed write or sync fails the
// segments for good, since what the disk holds is unknown (Rebello et al., "Can Applications
// Recover from fsync Failures?", USENIX ATC 2020).
import { equalBytes } from '../../protocol/bytes.ts'
import { assert, hasCode, ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { Batch, copyOf, lengthOf } from './batch.ts'
import { groupCommit } from './group-commit.ts'
import { crcOf, decodeRecordHead, encodeRecordHead, recordHeadBytes } from './record.ts'
import { Reserve } from './reserve.ts'
import { SegmentFiles } from './segment-files.ts'
import { damaged, placeOf } from './segments-end.ts'
import type { Disk } from '../world/world.ts'
import type { Address } from './keys.ts'
import type { RecordKind } from './record.ts'
import type { FoundHead } from './record-scan.ts'
import type { SegmentTable } from './segment-table.ts'
import type { SegmentsEnd } from './segments-end.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** A batch of this size is written without waiting for a sync. */
const BATCH_BYTES: number = 4 * MIB
/** An append waits while more than this is not in files yet. */
const UNWRITTEN_BYTES_MAX: number = 16 * MIB

interface SegmentsComponents {
  readonly disk: Disk
  readonly table: SegmentTable
  /** Bytes of the index, which are of the capacity too. */
  readonly indexBytes?: () => Promise<number>
}

export interface SegmentsOptions {
  /**
   * A segment is begun when a record does not fit in this; a longer record has one of its own.
   * @default what is kept for moves: then there is always room to compact one
   */
  readonly segmentBytesMax?: number
  /**
   * Appends are refused when less is left. @default 256 MiB, or 2 % of a disk or capacity below
   * 12.5 GiB
   */
  readonly reserveBytes?: number
  /** Bytes that all segments may have. @default Infinity */
  readonly capacityBytes?: number
}

/** Called at once with the address of a record, before anything else can happen. */
export type Placed = (address: Address) => void

/** See the head of the file. */
export class Segments {
  readonly #files: SegmentFiles
  readonly #table: SegmentTable
  readonly #reserve: Reserve
  #segmentBytesMax: number
  #end: SegmentsEnd
  #placedEnd: SegmentsEnd
  /** Not in files yet, the oldest first. */
  readonly #batches: Batch[] = []
  /** Payloads of those batches by place. */
  readonly #unwritten = new Map<number, readonly Uint8Array[]>()
  #unwrittenBytes = 0
  #writing: Promise<void> | undefined
  #flushing = false
  #failure: ShoalError | undefined

  /**
   * All appended before the call is durable when it resolves. Calls share syncs. throws 'ENOSPC',
   * 'EIO'.
   */
  readonly sync: () => Promise<void> = groupCommit(() => this.#sync())
  /**
   * The same, but in files alone: a killed process leaves it, a power loss may not. throws
   * 'ENOSPC', 'EIO'.
   */
  readonly flush: () => Promise<void> = groupCommit(() => this.#writeAll())

  private constructor(
    { disk, table, indexBytes = async () => 0 }: SegmentsComponents,
    end: SegmentsEnd,
    options: SegmentsOptions,
  ) {
    this.#files = new SegmentFiles(disk)
    this.#table = table
    const usedBytes = (): number => table.total.bytes
    const unwrittenBytes = (): number => this.#unwrittenBytes
    this.#reserve = new Reserve({ disk, usedBytes, unwrittenBytes, indexBytes }, options)
    this.#segmentBytesMax = options.segmentBytesMax ?? 0
    this.#end = end
    this.#placedEnd = end
  }

  /** end: where the table and the files end. */
  static async open(
    components: SegmentsComponents,
    end: SegmentsEnd,
    options: SegmentsOptions = {},
  ): Promise<Segments> {
    const segments = new Segments(components, end, options)
    if (options.segmentBytesMax === undefined)
      segments.#segmentBytesMax = await segments.#reserve.moveBytes()
    return segments
  }

  get end(): SegmentsEnd {
    return this.#end
  }

  /** The end of the last record. */
  get placedEnd(): SegmentsEnd {
    return this.#placedEnd
  }

  /** Bytes that payloads may still take. */
  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { leftBytes, reserveBytes, ownBytes } = await this.#reserve.measure()
    return { freeBytes: Math.max(0, leftBytes - reserveBytes), totalBytes: ownBytes }
  }

  /** Bytes that the index may still grow by. */
  async growthBytes(): Promise<number> {
    return (await this.#reserve.measure()).growthBytes
  }

  /** Bytes that moved records may still take. */
  async movableBytes(): Promise<number> {
    return (await this.#reserve.measure()).movableBytes
  }

  /**
   * Add a record whose payload is `parts` back to back, which are copied, if there is room for it
   * just now. returns false if not: then nothing is added.
   */
  appendNow(...[kind, id, parts, placed]: Parameters<Segments['append']>): boolean {
    this.check()
    const bytes = recordHeadBytes(id.byteLength) + lengthOf(parts)
    if (this.#isBehind(bytes) || !this.#reserve.take(bytes)) return false
    placed(this.#place(encodeRecordHead(kind, id, parts), parts))
    return true
  }

  /**
   * Add a record whose payload is `parts` back to back; they must not be written to before it has
   * settled. Waits when too much is not in files yet. A move may use what is kept for moves.
   * throws ShoalError 'ENOSPC' (nothing is added), 'EIO' (failed for good).
   */
  async append(
    kind: RecordKind,
    id: Uint8Array,
    parts: readonly Uint8Array[],
    placed: Placed,
    { isMove = false }: { isMove?: boolean } = {},
  ): Promise<void> {
    this.check()
    const head = encodeRecordHead(kind, id, parts)
    const bytes = head.byteLength + lengthOf(parts)
    if (!this.#reserve.take(bytes)) await this.#reserve.ask(bytes, { isMove })
    while (this.#isBehind(bytes)) await this.#writeOldest()
    this.check()
    placed(this.#place(head, parts))
  }

  /** Resolves when so much is in files that the next record has room, or when that fails. */
  async ready(): Promise<void> {
    try {
      while (this.#isBehind(UNWRITTEN_BYTES_MAX / 4)) await this.#writeOldest()
    } catch {
      // Whoever adds or syncs meets it again.
    }
  }

  /** The next record begins a new segment. */
  seal(): void {
    const { segment, offset } = this.#end
    if (offset > 0) this.#end = { segment: segment + 1, offset: 0 }
  }

  /** The record heads of a segment, as far as they are in its file; none if there is no file. */
  heads(segment: number): AsyncGenerator<FoundHead> {
    return this.#files.heads(segment)
  }

  /** Remove a segment of which nothing is live; durable when it resolves. */
  async remove(segment: number): Promise<void> {
    assert(segment < this.#end.segment, 'a removed segment is written no more')
    await this.#files.remove(segment)
    this.#table.remove(segment)
  }

  /**
   * `length` bytes from `offset` of the payload at `address`, not checked against its checksum.
   * throws ShoalError 'corrupt' if the disk does not have them any more.
   */
  async read(address: Address, offset: number, length: number): Promise<Uint8Array> {
    this.check()
    assert(
      offset >= 0 && length >= 0 && offset + length <= address.length,
      'read inside the payload',
    )
    const parts = this.#unwritten.get(placeOf(address.segment, address.offset))
    if (parts !== undefined) return copyOf(parts, offset, length)
    return this.#readFile(address, address.offset + offset, length, 'payload')
  }

  /**
   * The whole payload of the record of `id` at `address`, checked against its checksum. `isNamed`:
   * from what has the name of its file now, as a restart would find it.
   * throws ShoalError 'corrupt', naming `what` and the place, if it is not there or not whole.
   */
  async readChecked(
    address: Address,
    id: Uint8Array,
    what: string,
    { isNamed = false }: { isNamed?: boolean } = {},
  ): Promise<Uint8Array> {
    this.check()
    const parts = this.#unwritten.get(placeOf(address.segment, address.offset))
    if (parts !== undefined) return copyOf(parts, 0, address.length)
    const headBytes = recordHeadBytes(id.byteLength)
    const start = address.offset - headBytes
    const record = await this.#readFile(address, start, headBytes + address.length, what, isNamed)
    const head = decodeRecordHead(record)
    const payload = record.subarray(headBytes)
    if (head === undefined || !equalBytes(head.id, id) || head.length !== payload.byteLength) {
      throw damaged(what, address, 'its record is not there')
    }
    const crc = crcOf([payload])
    if (crc !== head.payloadCrc) {
      const sums = `checksum ${crc.toString(16)}, expected ${head.payloadCrc.toString(16)}`
      throw damaged(what, address, sums)
    }
    return payload
  }

  /** throws ShoalError 'EIO' once the segments have failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Fail for good: everything after throws the error returned here. */
  fail(cause: unknown): ShoalError {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure ??= new ShoalError(
      'EIO',
      `the local store could not be written (${reason}) and has stopped: check the disk, ` +
        'then restart the node, which recovers what was acknowledged',
      { cause, permanent: true },
    )
    return this.#failure
  }

  /**
   * Nothing may be under way but background writes, which are awaited. What is not synced may be
   * lost.
   */
  async close(): Promise<void> {
    if (this.#writing !== undefined)
      await ignoreFailure(this.#writing, 'those who wait for what is written are told')
    await this.#files.close()
  }

  /** Reads a file; bytes that the disk cannot read any more count as damaged, like altered ones. */
  async #readFile(
    address: Address,
    position: number,
    length: number,
    what: string,
    isNamed = false,
  ): Promise<Uint8Array> {
    const { segment } = address
    let bytes: Uint8Array
    try {
      bytes = isNamed
        ? await this.#files.readNamed(segment, position, length)
        : await this.#files.read(segment, position, length)
    } catch (error) {
      if (!hasCode(error, 'EIO') && !hasCode(error, 'ENOENT')) throw error
      this.#leave(segment)
      throw damaged(what, address, error.message, error)
    }
    if (bytes.byteLength < length) {
      this.#leave(segment)
      throw damaged(what, address, 'the segment ends before it does')
    }
    return bytes
  }

  /**
   * Gives up a file that somebody removed or cut: nothing written to it is read after a restart.
   */
  #leave(segment: number): void {
    if (segment === this.#end.segment) this.seal()
  }

  #isBehind(bytes: number): boolean {
    return this.#unwrittenBytes > 0 && this.#unwrittenBytes + bytes > UNWRITTEN_BYTES_MAX
  }

  #place(head: Uint8Array, parts: readonly Uint8Array[]): Address {
    const length = lengthOf(parts)
    const bytes = head.byteLength + length
    assert(this.#segmentBytesMax + bytes < 2 ** 32, 'offsets in a segment fit in 32 bits')
    let { segment, offset } = this.#end
    if (offset > 0 && offset + bytes > this.#segmentBytesMax) {
      segment += 1
      offset = 0
    }
    const address = { segment, offset: offset + head.byteLength, length }
    const place = placeOf(segment, address.offset)
    const batch = this.#openBatch(segment, offset)
    batch.add(head)
    batch.places.push(place)
    this.#unwritten.set(
      place,
      parts.flatMap((part) => batch.add(part)),
    )
    this.#unwrittenBytes += bytes
    this.#end = { segment, offset: offset + bytes }
    this.#placedEnd = this.#end
    this.#table.grow(segment, bytes)
    if (batch.bytes >= BATCH_BYTES) {
      batch.sealed = true
      void this.#flush()
    }
    return address
  }

  #openBatch(segment: number, position: number): Batch {
    const last = this.#batches.at(-1)
    if (last !== undefined && !last.sealed && last.segment === segment) return last
    if (last !== undefined) last.sealed = true
    const batch = new Batch(segment, position)
    this.#batches.push(batch)
    return batch
  }

  /** Write sealed batches in the background. */
  async #flush(): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      while (this.#batches[0]?.sealed === true) await this.#writeOldest()
    } catch {
      // A lack of space is met again by the next sync; any other failure has failed the segments.
    } finally {
      this.#flushing = false
    }
  }

  async #writeAll(): Promise<void> {
    this.check()
    const last = this.#batches.at(-1)
    if (last === undefined) return
    last.sealed = true
    while (this.#batches.includes(last)) await this.#writeOldest()
  }

  async #sync(): Promise<void> {
    await this.#writeAll()
    try {
      await this.#files.sync()
    } catch (error) {
      throw this.fail(error)
    }
  }

  /** Write one batch; calls meanwhile share it. */
  #writeOldest(): Promise<void> {
    this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  async #writeBatch(): Promise<void> {
    this.check()
    const batch = this.#batches[0]
    if (batch === undefined) return
    batch.sealed = true
    try {
      await this.#files.write(batch.segment, batch.position, batch.parts)
    } catch (error) {
      if (!hasCode(error, 'ENOSPC')) throw this.fail(error)
      await this.#files.truncate(batch.segment, batch.position).catch((e: unknown) => this.fail(e))
      throw error
    }
    this.#batches.shift()
    for (const place of batch.places) this.#unwritten.delete(place)
    this.#unwrittenBytes -= batch.bytes
    batch.end()
  }
}
