// A node for the tests of scrub: a store on a real disk that a test damages, two peers that can be
// reached, one volume that it works for and one that has nothing.
import assert from 'node:assert/strict'
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../../../protocol/errors.ts'
import { Scrub } from '../../../node/repair/scrub.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { peerOf } from '../stripes/peer-group.ts'
import { chunkIdOf, collect, temporaryHome } from '../store/fixtures.ts'
import { VOLUME } from '../peers/shard-swarm.ts'
import { PlainMap } from './plain-map.ts'
import type { TestContext } from 'node:test'
import type { ChunkId, PeerId, VolumeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { ScrubFinding } from '../../../node/control/upkeep.ts'

export const SELF: PeerId = peerOf(0)
export const A: PeerId = peerOf(1)
export const B: PeerId = peerOf(2)
export const OTHER_VOLUME: VolumeId = 'cd'.repeat(32) as VolumeId

/** A node with two peers that can be reached, and one volume. */
export class ScrubbedNode {
  readonly map: PlainMap = new PlainMap()
  readonly clock: ManualClock = new ManualClock()
  readonly connected: Set<PeerId> = new Set([A, B])
  /** The chunks of other nodes. */
  readonly elsewhere: Map<ChunkId, Uint8Array> = new Map()
  readonly logged: string[] = []
  onLog: () => void = () => undefined
  onVerify: () => void = () => undefined
  onSleep: (ms: number) => void = (ms) => this.clock.advance(ms)
  readonly #home: string
  readonly #kv = MemoryKv.open()
  readonly #unplaced = new Set<ChunkId>()
  #now: { readonly store: Store; readonly scrubber: Scrub } | undefined

  private constructor(home: string) {
    this.#home = home
  }

  static async open(t: TestContext): Promise<ScrubbedNode> {
    const node = new ScrubbedNode(await temporaryHome(t))
    await node.#open()
    t.after(() => node.store.close().catch(() => undefined))
    return node
  }

  get store(): Store {
    assert.ok(this.#now !== undefined)
    return this.#now.store
  }

  get scrubber(): Scrub {
    assert.ok(this.#now !== undefined)
    return this.#now.scrubber
  }

  async restart(): Promise<void> {
    await this.store.close()
    await this.#open()
  }

  async hold({ id, headerBytes, shards }: CodedStripe, index: number): Promise<void> {
    await this.store.shards.put(id, index, headerBytes, shards[index] ?? new Uint8Array(0))
    await this.store.commit([])
  }

  /** A chunk that is in no stripe yet. */
  async write(sealed: Uint8Array): Promise<ChunkId> {
    const id = chunkIdOf(sealed)
    await this.store.chunks.put(id, sealed)
    await this.store.commit([])
    this.#unplaced.add(id)
    return id
  }

  /** All that a scrub of everything finds. */
  async scrub(): Promise<ScrubFinding[]> {
    const events = (
      await collect(this.scrubber.now(undefined, new AbortController().signal))
    ).flat()
    return events.filter((event) => event.kind !== 'progress')
  }

  /** Flip a bit of these bytes where they lie on the disk. */
  async flip(bytes: Uint8Array): Promise<void> {
    for (const path of await this.#segments()) {
      const file = await readFile(path)
      const at = file.indexOf(bytes.subarray(0, 64))
      if (at < 0) continue
      const flipped = at + 1000
      file[flipped] = (file[flipped] ?? 0) ^ 4
      await writeFile(path, file, { flag: 'r+' })
      return
    }
    assert.fail('the bytes are on the disk')
  }

  async harmSegments(harm: 'cut' | 'delete'): Promise<void> {
    for (const path of await this.#segments()) {
      if (harm === 'cut') await truncate(path, 100)
      else await rm(path)
    }
  }

  async #segments(): Promise<string[]> {
    const folder = join(this.#home, 'segments')
    return (await readdir(folder)).map((name) => join(folder, name))
  }

  async #open(): Promise<void> {
    const { clock, map } = this
    clock.sleep = async (ms, options) => {
      options?.signal?.throwIfAborted()
      this.onSleep(ms)
    }
    const store = await Store.open({ disk: new SystemDisk(this.#home), clock, kv: this.#kv })
    for (const kind of [store.shards, store.chunks]) {
      const verify = kind.verify.bind(kind) as (...of: unknown[]) => Promise<never>
      kind.verify = (...of: unknown[]) => {
        this.onVerify()
        return verify(...of)
      }
    }
    const volume = {
      id: VOLUME,
      name: 'main',
      map,
      isUnplaced: (id: ChunkId) => this.#unplaced.has(id),
      fetch: async (id: ChunkId) => {
        const sealed = this.elsewhere.get(id)
        if (sealed === undefined) throw new ShoalError('chunk-unavailable', id)
        return sealed
      },
    }
    const other = {
      ...volume,
      id: OTHER_VOLUME,
      name: 'other',
      map: new PlainMap(),
      isUnplaced: () => false,
    }
    const scrubber = new Scrub({
      keepsOthers: () => false,
      store,
      clock,
      network: { self: SELF, peers: () => [...this.connected] },
      volumes: () => [volume, other],
      log: (message) => {
        this.logged.push(message)
        this.onLog()
      },
    })
    this.#now = { store, scrubber }
  }
}
