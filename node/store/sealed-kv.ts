// The ordered store of a protected home: what is in it, and each name in a key, is sealed with the
// key of the home. Ids in keys stay as they are, since scans go by them: they tell how much there
// is of what, and nothing of what it is. A key with a name in it begins with ids (its bucket), then
// has a keyed hash in place of the rest; the key itself is in the value. A scan within a bucket
// opens all of it and sorts it, and keeps it for the next page.
import { STORE_PREFIXES } from './key-prefixes.ts'
import { createHmac, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { concatBytes, fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { deriveKey } from '../../protocol/hash.ts'
import type { HomeKey } from '../world/home-key.ts'
import type { Kv, KvRange, KvWrite } from './kv.ts'

const HASH_BYTES = 24
/** Size of the length of the key, in the value. */
const LENGTH_BYTES = 4

/** Tables of the store itself and of the node: keys of ids, numbers and hashes. */
const PLAIN_TABLES: ReadonlySet<string> = new Set('cphtswmTVS')
/** The same, of a volume. */
const PLAIN_VOLUME_TABLES: ReadonlySet<string> = new Set('aAbBCdDeEFgGhijkKlmMpQRstTuv')
/**
 * Tables with keys that are ids of so many chars, and then a name: of children, conflicts, long
 * names, extended attributes, what is dead, large sets of any of these, and backups.
 */
const NAMED_TABLES: ReadonlyMap<string, number> = new Map([
  ['c', 16],
  ['f', 16],
  ['x', 16],
  ['X', 16],
  ['q', 17],
  ['H', 32],
  ['o', 17],
])
const NAMESPACE_PREFIX: ByteString = STORE_PREFIXES.volumeState
const TAG_CHARS = 2
const GENERATION_MARK = '\x01'
const GENERATION_CHARS = 2

type Entry = readonly [ByteString, Uint8Array]

/**
 * The chars of a key that stay as they are; undefined: all. Of a table that is not named here
 * nothing does.
 */
function clearLength(key: ByteString): number | undefined {
  if (key[0] !== NAMESPACE_PREFIX) return PLAIN_TABLES.has(key[0] ?? '') ? undefined : 1
  const start = NAMESPACE_PREFIX.length + TAG_CHARS
  const table = key[start] === GENERATION_MARK ? start + GENERATION_CHARS : start
  const letter = key[table] ?? ''
  const ids = NAMED_TABLES.get(letter)
  if (ids !== undefined) return table + 1 + ids
  return PLAIN_VOLUME_TABLES.has(letter) ? undefined : table + 1
}

/** The first part of a stored key: all keys that have it in common are its bucket. */
function bucketOf(key: ByteString): ByteString {
  return key.slice(0, clearLength(key))
}

/** Above all keys that begin so, below all others that are greater. */
function endOf(prefix: ByteString): ByteString {
  const rest = prefix.replace(/\xff+$/, '')
  return rest.slice(0, -1) + String.fromCharCode(rest.charCodeAt(rest.length - 1) + 1)
}

export class SealedKv implements Kv {
  readonly #kv: Kv
  readonly #home: HomeKey
  readonly #hashKey: KeyObject
  /** The bucket that was scanned last: folders are listed in pages. */
  #open: { readonly bucket: ByteString; readonly entries: readonly Entry[] } | undefined
  /** Writes that began or ended: what was read meanwhile may be old. */
  #writes = 0

  constructor(kv: Kv, home: HomeKey) {
    this.#kv = kv
    this.#home = home
    this.#hashKey = createSecretKey(deriveKey('shoal 2026 home keys v1', home.bytes))
  }

  get(key: ByteString): Uint8Array | undefined {
    const stored = this.#storedKey(key)
    const sealed = this.#kv.get(stored)
    return sealed === undefined ? undefined : this.#opened(stored, sealed)[1]
  }

  async write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    const sealed = writes.map((write) => this.#sealed(write))
    this.#forget(writes)
    try {
      await this.#kv.write(sealed, options)
    } finally {
      this.#forget(writes)
    }
  }

  scan(range: KvRange): AsyncGenerator<Entry> {
    const { from, to } = range
    const bucket = bucketOf(from)
    if (this.#open?.bucket === bucket && to <= endOf(bucket))
      return inside([this.#open.entries], range)
    const last = bucketOf(to)
    const until = last.length < to.length ? endOf(last) : to
    const reverse = range.reverse ?? false
    const stored = this.#kv.scan({ from: bucket, to: until, reverse })
    return inside(this.#buckets(stored, until === endOf(bucket)), range)
  }

  sizeBytes(): Promise<number> {
    return this.#kv.sizeBytes()
  }

  async compact({ from, to }: Pick<KvRange, 'from' | 'to'>): Promise<void> {
    await this.#kv.compact?.({ from: bucketOf(from), to })
  }

  close(): Promise<void> {
    return this.#kv.close()
  }

  /** Opened, one bucket after the other. isOne: there is but one, which is kept. */
  async *#buckets(stored: AsyncIterable<Entry>, isOne: boolean): AsyncGenerator<readonly Entry[]> {
    const writes = this.#writes
    let [bucket, entries]: [ByteString, Entry[]] = ['', []]
    for await (const [key, sealed] of stored) {
      const next = bucketOf(key)
      if (next !== bucket && entries.length > 0) yield entries
      if (next !== bucket) entries = []
      bucket = next
      entries.push(this.#opened(key, sealed))
    }
    if (isOne && clearLength(bucket) !== undefined && writes === this.#writes)
      this.#open = { bucket, entries }
    if (entries.length > 0) yield entries
  }

  #forget(writes: readonly KvWrite[]): void {
    this.#writes++
    const bucket = this.#open?.bucket
    if (bucket !== undefined && writes.some(({ key }) => key.startsWith(bucket)))
      this.#open = undefined
  }

  #storedKey(key: ByteString): ByteString {
    const bucket = bucketOf(key)
    if (bucket.length === key.length) return key
    const hash = createHmac('sha256', this.#hashKey).update(fromByteString(key)).digest()
    return bucket + toByteString(hash.subarray(0, HASH_BYTES))
  }

  #sealed(write: KvWrite): KvWrite {
    const key = this.#storedKey(write.key)
    if (write.kind === 'delete') return { kind: 'delete', key }
    const name = fromByteString(clearLength(key) === undefined ? '' : write.key)
    const length = new Uint8Array(LENGTH_BYTES)
    new DataView(length.buffer).setUint32(0, name.length)
    const plain = concatBytes([length, name, write.value])
    return { kind: 'put', key, value: this.#home.seal(fromByteString(key), plain) }
  }

  #opened(stored: ByteString, sealed: Uint8Array): Entry {
    const plain = this.#home.open(fromByteString(stored), sealed)
    const length = new DataView(plain.buffer, plain.byteOffset).getUint32(0)
    const value = plain.subarray(LENGTH_BYTES + length)
    if (length === 0) return [stored, value]
    return [toByteString(plain.subarray(LENGTH_BYTES, LENGTH_BYTES + length)), value]
  }
}

/** The entries of buckets, in their order, that are in a range, in the order of the keys. */
async function* inside(
  buckets: AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>,
  { from, to, reverse = false, countMax = Infinity }: KvRange,
): AsyncGenerator<Entry> {
  let left = countMax
  for await (const bucket of buckets) {
    const found = bucket.filter(([key]) => key >= from && key < to)
    found.sort(([a], [b]) => (a < b === reverse ? 1 : -1))
    for (const entry of found) {
      if (left-- <= 0) return
      yield entry
    }
  }
}
