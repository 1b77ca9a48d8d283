// What the store's tests share: ids for bytes, homes that are removed, a disk that counts and fails on demand.
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
import type { TestContext } from 'node:test'
import type { ChunkId, StripeId } from '../../../protocol/ids.ts'
import type { Disk, DiskFile } from '../../../node/world/world.ts'

/** A folder that is gone when the test is. */
export async function temporaryHome(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  return home
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
  free: number | undefined

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async open(path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    const file = await this.#disk.open(path, mode)
    return {
      size: () => file.size(),
      read: (position, length) => file.read(position, length),
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

  identity(): Promise<string> {
    return this.#disk.identity()
  }
}
