// Makes packs of new chunks and puts them, several at a time; what the place has already is only
// referenced. In memory: a pack of each kind that is being filled, and those under way. The index
// is told of every so many packs, so a run that is killed loses little even of that.
import { assert } from '../../protocol/errors.ts'
import { sealChunk } from '../../protocol/chunk/seal.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import { chunkIdBytes, cidDigest } from '../../protocol/ids.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { MIB } from '../../protocol/units.ts'
import {
  DIGEST_BYTES,
  MAGIC,
  PACK_BYTES,
  PACK_CHUNKS_MAX,
  PACK_ID_BYTES,
  sealDirectory,
} from '../../protocol/backup/pack.ts'
import type { PackKind, PackedChunk } from '../../protocol/backup/pack.ts'
import { INDEX_PACKS_MAX, encodeIndex } from '../../protocol/backup/index-object.ts'
import type { ChunkWriter } from '../content/chunk-io.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import { Semaphore } from '../world/semaphore.ts'
import type { KnownPack } from './chunk-index.ts'
import type { Unsent } from './pack-reader.ts'
import type { Repository } from './repository.ts'

/** Packs in memory: one of each kind that is being filled, the others under way. */
const PACKS_MAX = 4
/** The largest chunk that is written, sealed: those of files and lists are cut smaller. */
const CHUNK_BYTES_MAX: number = MIB + 64
/** Packs after which the index is told of them. */
const INDEX_EVERY = 64
const KINDS: readonly PackKind[] = ['data', 'tree']
const PART_BYTES = MIB

export interface PackWriterComponents {
  readonly repository: Repository
  readonly signal: AbortSignal
}

export interface PackWriterOptions {
  /** The set that the packs are of. */
  readonly set: string
  /** Packs whose chunks need not be put again. */
  readonly isKnown: (pack: KnownPack) => boolean
}

export class PackWriter implements Unsent {
  readonly #repository: Repository
  readonly #set: string
  readonly #isKnown: (pack: KnownPack) => boolean
  readonly #signal: AbortSignal
  readonly #stopped = new AbortController()
  readonly #open = new Map<PackKind, OpenPack>()
  readonly #underway = new Map<OpenPack, Promise<void>>()
  readonly #turns = new Semaphore(PACKS_MAX)
  readonly #spare: Uint8Array[] = []
  #untold: KnownPack[] = []
  #failure: { readonly error: unknown } | undefined
  /** Bytes of packs that were put. */
  addedBytes = 0
  addedChunks = 0

  constructor({ repository, signal }: PackWriterComponents, { set, isKnown }: PackWriterOptions) {
    this.#repository = repository
    this.#set = set
    this.#isKnown = (pack) => repository.isThere(pack) && isKnown(pack)
    this.#signal = AbortSignal.any([signal, this.#stopped.signal])
  }

  /** Writes chunks into packs of a kind. It throws what putting one has thrown. */
  writer(kind: PackKind): ChunkWriter {
    return {
      write: async (plain, { signal }) => {
        signal.throwIfAborted()
        this.#check()
        const begun = this.#open.get(kind)
        // The caller may write to it meanwhile.
        const kept = begun === undefined ? new Uint8Array(plain) : plain
        const open = begun ?? (await this.#opened(kind, signal))
        const { ref, length } = open.seal(this.#repository, kept)
        if (this.find(ref.id) !== undefined || this.#has(ref.id)) return ref
        open.keep(ref.id, length)
        this.addedChunks++
        if (open.isFull) this.#close(kind)
        return ref
      },
      adopt: async () => {
        assert(false, 'a backup refers to no chunk of a volume')
      },
    }
  }

  /** Add a chunk of another pack as it is. */
  async copy(kind: PackKind, id: ChunkId, sealed: Uint8Array): Promise<void> {
    this.#check()
    const open = await this.#opened(kind, this.#signal)
    open.take(id, sealed)
    if (open.isFull) this.#close(kind)
  }

  /** The sealed bytes of a chunk that is not at the place yet. */
  find(id: ChunkId): Uint8Array | undefined {
    for (const pack of [...this.#open.values(), ...this.#underway.keys()]) {
      const found = pack.find(id)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** All that was written is at the place, and in its index. */
  async finish(): Promise<void> {
    for (const kind of KINDS) this.#close(kind)
    while (this.#underway.size > 0) await Promise.all(this.#underway.values())
    this.#check()
    await this.#tellIndex()
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.allSettled(this.#underway.values())
  }

  /** Let the index tell of further packs. */
  addToIndex(packs: readonly KnownPack[]): void {
    this.#untold.push(...packs)
  }

  #has(id: ChunkId): boolean {
    return this.#repository.index.find(id, this.#isKnown) !== undefined
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** The pack that is being filled; another may be begun and closed while this waits its turn. */
  async #opened(kind: PackKind, signal: AbortSignal): Promise<OpenPack> {
    for (;;) {
      const open = this.#open.get(kind)
      if (open !== undefined) return open
      await this.#begin(kind, signal)
    }
  }

  async #begin(kind: PackKind, signal: AbortSignal): Promise<void> {
    const done = await this.#turns.take(signal)
    if (this.#open.has(kind)) return done()
    const id = this.#repository.place.freshId(PACK_ID_BYTES)
    const room = this.#spare.pop() ?? Buffer.allocUnsafeSlow(PACK_BYTES + CHUNK_BYTES_MAX)
    this.#open.set(kind, new OpenPack({ id, kind, room, done }))
  }

  #close(kind: PackKind): void {
    const open = this.#open.get(kind)
    if (open === undefined) return
    this.#open.delete(kind)
    if (open.chunks.length === 0) return open.done()
    const putting = this.#put(open).catch((error: unknown) => {
      this.#failure ??= { error }
      throw error
    })
    void ignoreFailure(putting, 'it is kept, and thrown by the next call')
    this.#underway.set(open, putting)
  }

  async #put(open: OpenPack): Promise<void> {
    const { place, index } = this.#repository
    try {
      const contents = { set: this.#set, kind: open.kind, chunks: open.chunks }
      const end = sealDirectory(place.keys, open.id, contents, place.freshSalt())
      const bytes = open.length + end.length
      await place.putPack(open.id, bytes, open.parts(end), { signal: this.#signal })
      const pack = index.add({ id: open.id, bytes, ...contents })
      this.#repository.added(pack)
      this.addedBytes += bytes
      this.#untold.push(pack)
      if (this.#untold.length >= INDEX_EVERY) await this.#tellIndex()
    } finally {
      this.#underway.delete(open)
      this.#spare.push(open.room)
      open.done()
    }
  }

  async #tellIndex(): Promise<void> {
    while (this.#untold.length > 0) {
      const packs = this.#untold.splice(0, INDEX_PACKS_MAX)
      const { index, place } = this.#repository
      const told = encodeIndex(packs.map((pack) => index.describe(pack)))
      const name = await place.put('index', told, { signal: this.#signal })
      this.#repository.indexes.set(
        name,
        packs.map(({ id }) => id),
      )
    }
  }
}

/** A pack that is being filled or put. */
class OpenPack {
  readonly id: string
  readonly kind: PackKind
  readonly room: Uint8Array
  readonly done: () => void
  readonly chunks: PackedChunk[] = []
  readonly #places = new Map<ChunkId, { readonly offset: number; readonly length: number }>()
  #length: number = MAGIC.length

  constructor(parts: {
    readonly id: string
    readonly kind: PackKind
    readonly room: Uint8Array
    readonly done: () => void
  }) {
    this.id = parts.id
    this.kind = parts.kind
    this.room = parts.room
    this.done = parts.done
    this.room.set(MAGIC)
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length >= PACK_BYTES || this.chunks.length >= PACK_CHUNKS_MAX
  }

  /** Seals a chunk where the next one goes. */
  seal({ place }: Repository, plain: Uint8Array): { readonly ref: ChunkRef; length: number } {
    const { ref, bytes } = sealChunk(place.keys.chunks, plain, this.room.subarray(this.#length))
    return { ref, length: bytes.length }
  }

  /** Keeps what was sealed last. */
  keep(id: ChunkId, length: number): void {
    const digest = cidDigest(chunkIdBytes(id)).slice(0, DIGEST_BYTES)
    this.chunks.push({ digest, length })
    this.#places.set(id, { offset: this.#length, length })
    this.#length += length
  }

  take(id: ChunkId, sealed: Uint8Array): void {
    this.room.set(sealed, this.#length)
    this.keep(id, sealed.length)
  }

  find(id: ChunkId): Uint8Array | undefined {
    const place = this.#places.get(id)
    return place && this.room.subarray(place.offset, place.offset + place.length)
  }

  async *parts(end: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#length; at += PART_BYTES)
      yield this.room.subarray(at, Math.min(at + PART_BYTES, this.#length))
    yield end
  }
}
