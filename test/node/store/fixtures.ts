// The fixtures of the store's tests: ids for bytes, homes that are removed, a disk that counts and
// fails on demand.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blake3 } from '../../../protocol/hash.ts'
import {
  chunkIdFromCid,
  CODEC_DAG_CBOR,
  CODEC_RAW,
  encodeCid,
  MULTIHASH_BLAKE3,
  stripeIdFromCid,
} from '../../../protocol/ids.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import {
  decodeAddress,
  decodePointers,
  decodeSegmentRow,
  decodeTrash,
  prefixRange,
  segmentOfKey,
} from '../../../node/store/keys.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import type { TestContext } from 'node:test'
import type { ChunkId, StripeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { Address } from '../../../node/store/keys.ts'
import type { Kv } from '../../../node/store/kv.ts'
import type { SegmentsOptions } from '../../../node/store/segments.ts'
import type { Clock, Disk, DiskFile, FileOwner } from '../../../node/world/world.ts'

/** A folder that is gone when the test is. */
export async function temporaryHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  return home
}

export interface Opened {
  readonly home: string
  readonly disk: WatchedDisk
  readonly clock: Clock
  readonly kv: MemoryKv
  readonly store: Store
}

/** A new store on real files, closed and gone when the test is. */
export async function openStore(
  t: TestContext,
  options: SegmentsOptions = {},
  clock: Clock = new SystemClock(),
): Promise<Opened> {
  const home = await temporaryHome(t)
  const disk = new WatchedDisk(new SystemDisk(home))
  const kv = MemoryKv.open()
  const store = await Store.open({ disk, clock, kv }, options)
  t.after(() => store.close().catch(() => undefined))
  return { home, disk, clock, kv, store }
}

/** `length` bytes that differ by `seed`. */
export function bytesOf(seed: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let state = seed + 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    out[i] = state >>> 16
  }
  return out
}

export function chunkIdOf(sealed: Uint8Array): ChunkId {
  return chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(sealed)))
}

export function stripeIdOf(header: Uint8Array): StripeId {
  return stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, blake3(header)))
}

/** A stripe of one chunk of `length` bytes that differ by `seed`. */
export function stripeOf(seed: number, length: number, k = 2, m = 1): CodedStripe {
  const bytes = bytesOf(seed, length)
  return codeStripe([{ id: chunkIdOf(bytes), bytes }], k, m)
}

/** Keep a shard of a stripe. */
export async function putShard(
  store: Store,
  { id, headerBytes, shards }: CodedStripe,
  index: number,
  options: { verify?: boolean } = {},
): Promise<void> {
  const shard = shards[index]
  assert.ok(shard !== undefined)
  await store.shards.put(id, index, headerBytes, shard, options)
}

/** Keep chunks that differ by their seeds. */
export async function putChunks(
  store: Store,
  seeds: Iterable<number>,
  length: number,
): Promise<Map<ChunkId, Uint8Array>> {
  const all = new Map<ChunkId, Uint8Array>()
  for (const seed of seeds) {
    const sealed = bytesOf(seed, length)
    await store.chunks.put(chunkIdOf(sealed), sealed)
    all.set(chunkIdOf(sealed), sealed)
  }
  return all
}

/** first, first + 1, ... below end. */
export function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i)
}

/** The files of the segments, each with its size. */
export async function segmentSizes(disk: Disk): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  for (const name of await disk.list('segments')) {
    const file = await disk.open(`segments/${name}`, 'read')
    sizes.set(name, await file.size())
    await file.close()
  }
  return sizes
}

/** Checks that the index's figures on each segment are the sums of its pointers. */
export async function assertCounted(kv: Kv): Promise<void> {
  const counted = new Map<number, number>()
  const add = ({ segment, length }: Address, headBytes: number): void => {
    counted.set(segment, (counted.get(segment) ?? 0) + headBytes + length)
  }
  for await (const [, value] of kv.scan(prefixRange('c'))) add(decodeAddress(value), 54)
  for await (const [, value] of kv.scan(prefixRange('p'))) {
    for (const { address } of decodePointers(value)) add(address, 55)
  }
  for await (const [, value] of kv.scan(prefixRange('t'))) {
    add(decodeTrash(value).pointer.address, 55)
  }
  for await (const [key, value] of kv.scan(prefixRange('s'))) {
    const [segment, { bytes, liveBytes }] = [segmentOfKey(key), decodeSegmentRow(value)]
    assert.equal(liveBytes, counted.get(segment) ?? 0, `live bytes of segment ${segment}`)
    assert.ok(liveBytes <= bytes, `segment ${segment} of ${bytes} bytes has ${liveBytes} live`)
    counted.delete(segment)
  }
  assert.deepEqual([...counted.keys()], [], 'segments that are pointed at and have no row')
}

/** All items, in order. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Passes calls on, counts syncs, and does what `faults` says. */
export class WatchedDisk implements Disk {
  readonly #disk: Disk
  syncs = 0
  writes = 0
  /** Called before the call goes on; throws to fail it. */
  onWrite: (parts: readonly Uint8Array[]) => void = () => undefined
  onSync: () => Promise<void> = () => Promise.resolve()
  onRead: (path: string) => Promise<void> = () => Promise.resolve()
  onOpen: (path: string) => Promise<void> = () => Promise.resolve()
  free: number | undefined

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async open(path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    await this.onOpen(path)
    const file = await this.#disk.open(path, mode)
    return {
      size: () => file.size(),
      read: async (position, length) => {
        await this.onRead(path)
        return file.read(position, length)
      },
      write: async (position, parts) => {
        this.writes += 1
        this.onWrite(parts)
        await file.write(position, parts)
      },
      truncate: (length) => file.truncate(length),
      sync: async () => {
        this.syncs += 1
        await this.onSync()
        await file.sync()
      },
      close: () => file.close(),
    }
  }

  list(path: string): Promise<readonly string[]> {
    return this.#disk.list(path)
  }

  makeFolder(path: string): Promise<void> {
    return this.#disk.makeFolder(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to)
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path)
  }

  syncFolder(path: string): Promise<void> {
    return this.#disk.syncFolder(path)
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    const space = await this.#disk.space()
    return this.free === undefined ? space : { ...space, freeBytes: this.free }
  }

  get owner(): FileOwner {
    return this.#disk.owner
  }

  identity(): Promise<string> {
    return this.#disk.identity()
  }
}
