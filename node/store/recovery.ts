// The recovery of a store when it opens. All that was acknowledged lies before the checkpoint of
// the index. After it, records that are whole are indexed (they are good, only nobody was told),
// and the file is cut behind the last of them. They are written once more first: after a failed
// sync the disk may lack what reads still show, and no later sync would write it (Rebello et al.,
// "Can Applications Recover from fsync Failures?", USENIX ATC 2020). Damage before the checkpoint
// is found when it is read, not here. With no checkpoint, every segment is read, and none written:
// this rebuilds an index that was lost. Deleted records that no compaction has removed come back
// then, and so does the trash, as if it were held; scrub and collection delete them again.
import { MIB } from '../../protocol/units.ts'
import {
  checkpointKey,
  CHUNK_PREFIX,
  encodeCheckpoint,
  FIRST_CHECKPOINT,
  HEADER_PREFIX,
  prefixRange,
  SEGMENT_PREFIX,
  SHARD_PREFIX,
  TRASH_PREFIX,
  decodeEnd,
  encodeEnd,
  wholeKey,
} from './keys.ts'
import { recordName } from './record-name.ts'
import { scanRecords } from './record-scan.ts'
import { listSegments, SEGMENT_FOLDER, segmentPath } from './segment-files.ts'
import { heldShard, stageShard, trashedShard } from './shard-index.ts'
import { HEADER_LENGTH_BYTES } from './shards.ts'
import { StagedIndex, addressOf, stageChunk } from './staged-index.ts'
import { countSegments, isUncounted } from './upgrade.ts'
import type { Disk, DiskFile } from '../world/world.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { FoundRecord } from './record-scan.ts'
import type { SegmentsEnd } from './segments-end.ts'

/** Index changes written at once. */
const PAGE = 4096
/** Bytes of a segment written once more at a time. */
const REWRITE_BYTES: number = 1 * MIB

export interface Recovered {
  readonly index: StagedIndex
  /** The place of the next record. */
  readonly end: SegmentsEnd
  /** Whole records after the checkpoint. */
  readonly records: number
  /** Records after the checkpoint whose payload is damaged; not indexed. */
  readonly damaged: number
  /**
   * All records up to here are as they were written, but for what was damaged after it was durable.
   * Records behind it may be there or not.
   */
  readonly whole: SegmentsEnd
}

/**
 * Bring index and segments together. Afterwards both are durable and the checkpoint is at the end.
 */
export async function recover(components: { disk: Disk; kv: Kv }): Promise<Recovered> {
  const { disk, kv } = components
  await disk.makeFolder(SEGMENT_FOLDER)
  await disk.syncFolder('')
  const saved = kv.get(checkpointKey())
  if (saved === undefined) await beginIndex(kv)
  else if (isUncounted(saved)) await countSegments(components, saved)
  const index = await StagedIndex.open(kv)
  const recovery = new Recovery(components, index, { rewrites: saved !== undefined })
  await recovery.run()
  return recovery
}

/**
 * Forget the index of chunks and shards and build it again from all segments. The store must not be
 * open.
 */
export async function rebuildIndex(components: { disk: Disk; kv: Kv }): Promise<Recovered> {
  await components.kv.write([{ kind: 'delete', key: checkpointKey() }], { sync: true })
  return recover(components)
}

/** Without a checkpoint nothing is known of the index: begin with an empty one, of no segments. */
async function beginIndex(kv: Kv): Promise<void> {
  const prefixes = [CHUNK_PREFIX, SHARD_PREFIX, HEADER_PREFIX, TRASH_PREFIX, SEGMENT_PREFIX]
  for (const prefix of prefixes) {
    let page: KvWrite[] = []
    for await (const [key] of kv.scan(prefixRange(prefix))) {
      page.push({ kind: 'delete', key })
      if (page.length < PAGE) continue
      await kv.write(page, { sync: true })
      page = []
    }
    if (page.length > 0) await kv.write(page, { sync: true })
  }
  const value = encodeCheckpoint(FIRST_CHECKPOINT)
  await kv.write([{ kind: 'put', key: checkpointKey(), value }], { sync: true })
}

class Recovery implements Recovered {
  readonly #disk: Disk
  readonly #kv: Kv
  /** Write once more what a commit makes durable. */
  readonly #rewrites: boolean
  readonly index: StagedIndex
  end: SegmentsEnd
  records = 0
  damaged = 0
  /** The place of the first damage. */
  #gap: SegmentsEnd | undefined

  constructor(
    { disk, kv }: { disk: Disk; kv: Kv },
    index: StagedIndex,
    options: { rewrites: boolean },
  ) {
    this.#disk = disk
    this.#kv = kv
    this.#rewrites = options.rewrites
    this.index = index
    const { segment, offset } = index.checkpoint
    this.end = { segment, offset }
    const gap = kv.get(wholeKey())
    if (gap !== undefined) this.#gap = decodeEnd(gap)
  }

  get whole(): SegmentsEnd {
    return this.#gap ?? this.end
  }

  async run(): Promise<void> {
    const { segment: first, offset } = this.end
    const later = (await listSegments(this.#disk)).filter((segment) => segment >= first)
    // A segment that the checkpoint is in must be looked at even if it is not there.
    const segments = offset > 0 && later[0] !== first ? [first, ...later] : later
    for (const segment of segments) {
      if (segment > this.end.segment + 1) this.#damagedAt(this.end.offset)
      if (segment > this.end.segment) this.end = { segment, offset: 0 }
      await this.#segment(segment, segment === segments.at(-1))
    }
  }

  async #segment(segment: number, isLast: boolean): Promise<void> {
    const file = await this.#disk.open(segmentPath(segment), 'write')
    try {
      const size = await file.size()
      if (size < this.end.offset) {
        // The disk lost bytes that were durable. Their addresses must never be given to other
        // records.
        this.end = { segment: segment + 1, offset: 0 }
      } else if (size > this.end.offset) {
        const whole = await this.#records(file, size)
        if (!isLast && whole < size) this.#damagedAt(whole)
        this.#advance(isLast ? whole : size)
        if (isLast && whole < size) await file.truncate(whole)
      }
      await this.#commit(file)
    } finally {
      await file.close()
    }
  }

  /** Index the records of the segment at the end; where the last whole one ends. */
  async #records(file: DiskFile, size: number): Promise<number> {
    const from = this.end.offset
    let whole = from
    for await (const record of scanRecords(file, from, size)) {
      if (record.offset - record.head.headBytes > whole) this.#damagedAt(whole)
      if (!record.whole || !(await this.#indexRecord(file, record))) {
        this.damaged += 1
        continue
      }
      this.records += 1
      whole = record.offset + record.head.length
      if (this.index.stagedCount < PAGE) continue
      this.#advance(whole)
      await this.#commit(file)
    }
    return whole
  }

  /** Index a record that is not indexed. False if it is not what it says it is. */
  async #indexRecord(file: DiskFile, record: FoundRecord): Promise<boolean> {
    const { head, offset } = record
    const name = recordName(head)
    if (name === undefined) return false
    const address = { segment: this.end.segment, offset, length: head.length }
    if (name.kind === 'chunk') {
      if (addressOf(this.index, name.id) === undefined) stageChunk(this.index, name.id, address)
      return true
    }
    const { stripe, index } = name
    if (head.length < HEADER_LENGTH_BYTES) return false
    const lengthBytes = await file.read(offset, HEADER_LENGTH_BYTES)
    const headerLength = new DataView(lengthBytes.buffer, lengthBytes.byteOffset).getUint32(0)
    const prefixBytes = HEADER_LENGTH_BYTES + headerLength
    if (prefixBytes > head.length) return false
    if (heldShard(this.index, stripe, index) !== undefined) return true
    if (trashedShard(this.index, stripe, index) !== undefined) return true
    const headerBytes = await file.read(offset + HEADER_LENGTH_BYTES, headerLength)
    stageShard(this.index, stripe, { index, address, prefixBytes }, headerBytes)
    return true
  }

  /** In the segment at the end. What is read without a checkpoint was durable once. */
  #damagedAt(offset: number): void {
    if (this.#rewrites) this.#gap ??= { segment: this.end.segment, offset }
  }

  #advance(offset: number): void {
    this.index.segments.grow(this.end.segment, offset - this.end.offset)
    this.end = { ...this.end, offset }
  }

  /** Payloads first, as in every commit: what a killed process wrote may not be on the disk yet. */
  async #commit(file: DiskFile): Promise<void> {
    const batch = this.index.take(this.end)
    if (batch.length === 0) return
    if (this.#gap !== undefined)
      batch.push({ kind: 'put', key: wholeKey(), value: encodeEnd(this.#gap) })
    if (this.#rewrites) {
      const { segment, offset } = this.index.checkpoint
      await rewrite(file, segment === this.end.segment ? offset : 0, this.end.offset)
    }
    await file.sync()
    await this.#disk.syncFolder(SEGMENT_FOLDER)
    await this.#kv.write(batch, { sync: true })
    this.index.settle()
  }
}

/** Write the bytes from `from` to `to` again as they are. */
async function rewrite(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to;) {
    const bytes = await file.read(at, Math.min(REWRITE_BYTES, to - at))
    await file.write(at, [bytes])
    at += bytes.byteLength
  }
}
