// The places of all chunks of a backup place: for each the start of its digest, its pack, and its
// place in that, in 28 bytes of a typed array, and a hash table of 4 bytes a slot over them: some
// 40 bytes a chunk, of which a million files have one to two million. A chunk may lie in several
// packs.
import { assert } from '../../protocol/errors.ts'
import { chunkIdBytes, cidDigest } from '../../protocol/ids.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { DIGEST_BYTES, MAGIC } from '../../protocol/backup/pack.ts'
import type { PackKind } from '../../protocol/backup/pack.ts'
import type { IndexedPack } from '../../protocol/backup/index-object.ts'

/** Words of an entry: four of the digest, pack, offset, length. */
const STRIDE = 7
const [PACK, OFFSET, LENGTH] = [4, 5, 6]
const ENTRIES_MIN = 1024

/** A pack, as the index knows it. */
export interface KnownPack {
  readonly id: string
  readonly set: string
  readonly kind: PackKind
  /** The length of the whole object. */
  readonly bytes: number
  /** Its entries, one after the other. */
  readonly first: number
  readonly count: number
}

export interface ChunkPlace {
  /** The number of the entry. */
  readonly entry: number
  readonly pack: KnownPack
  readonly offset: number
  readonly length: number
}

export class ChunkIndex {
  #entries = new Uint32Array(STRIDE * ENTRIES_MIN)
  #slots = new Uint32Array(2 * ENTRIES_MIN)
  #count = 0
  readonly #packs: KnownPack[] = []
  readonly #byId = new Map<string, KnownPack>()

  /** Chunks, each as often as it is in packs. */
  get count(): number {
    return this.#count
  }

  /** The memory that its tables take. */
  get memoryBytes(): number {
    return this.#entries.byteLength + this.#slots.byteLength
  }

  packs(): readonly KnownPack[] {
    return this.#packs
  }

  pack(id: string): KnownPack | undefined {
    return this.#byId.get(id)
  }

  /** Take up a pack; one that is known already stays as it is. returns it. */
  add({ id, set, kind, bytes, chunks }: IndexedPack): KnownPack {
    const known = this.#byId.get(id)
    if (known !== undefined) return known
    const pack = { id, set, kind, bytes, first: this.#count, count: chunks.length }
    const number = this.#packs.push(pack) - 1
    this.#byId.set(id, pack)
    let offset = MAGIC.length
    for (const { digest, length } of chunks) {
      this.#push(digest, number, offset, length)
      offset += length
    }
    return pack
  }

  /** The place of a chunk, in packs that `isGood`. */
  find(id: ChunkId, isGood: (pack: KnownPack) => boolean): ChunkPlace | undefined {
    for (const place of this.findAll(id)) if (isGood(place.pack)) return place
    return undefined
  }

  *findAll(id: ChunkId): Generator<ChunkPlace, void, undefined> {
    const words = wordsOf(cidDigest(chunkIdBytes(id)))
    const mask = this.#slots.length - 1
    for (let slot = words[0] & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot] ?? 0
      if (number === 0) return
      const at = STRIDE * (number - 1)
      if (words.every((word, index) => this.#entries[at + index] === word))
        yield this.#place(number - 1)
    }
  }

  /** The digest and place of an entry. */
  entry(number: number): { readonly digest: Uint8Array } & ChunkPlace {
    const digest = new Uint8Array(DIGEST_BYTES)
    const view = new DataView(digest.buffer)
    for (let word = 0; word < 4; word++)
      view.setUint32(4 * word, this.#entries[STRIDE * number + word] ?? 0)
    return { digest, ...this.#place(number) }
  }

  /** A pack as index objects tell of it. */
  describe(pack: KnownPack): IndexedPack {
    const { id, set, kind, bytes, first, count } = pack
    const chunks = Array.from({ length: count }, (_, at) => {
      const { digest, length } = this.entry(first + at)
      return { digest, length }
    })
    return { id, set, kind, bytes, chunks }
  }

  #place(number: number): ChunkPlace {
    const at = STRIDE * number
    const pack = this.#packs[this.#entries[at + PACK] ?? 0]
    assert(pack !== undefined, 'an entry of the index has a pack')
    const [offset = 0, length = 0] = [this.#entries[at + OFFSET], this.#entries[at + LENGTH]]
    return { entry: number, pack, offset, length }
  }

  #push(digest: Uint8Array, pack: number, offset: number, length: number): void {
    if (STRIDE * (this.#count + 1) > this.#entries.length) this.#grow()
    const words = wordsOf(digest)
    this.#entries.set([...words, pack, offset, length], STRIDE * this.#count)
    this.#count++
    this.#fill(words[0], this.#count)
  }

  #fill(start: number, number: number): void {
    const mask = this.#slots.length - 1
    let slot = start & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = number
  }

  /** By half as much again; the table is kept at most two thirds full. */
  #grow(): void {
    const entries = new Uint32Array(STRIDE * Math.ceil((this.#count * 3) / 2))
    entries.set(this.#entries.subarray(0, STRIDE * this.#count))
    this.#entries = entries
    const slotsMin = (entries.length / STRIDE) * 1.5
    if (slotsMin <= this.#slots.length) return
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(slotsMin)))
    for (let at = 0; at < this.#count; at++) this.#fill(entries[STRIDE * at] ?? 0, at + 1)
  }
}

type Words = readonly [number, number, number, number]

function wordsOf(digest: Uint8Array): Words {
  const view = new DataView(digest.buffer, digest.byteOffset, DIGEST_BYTES)
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)]
}
