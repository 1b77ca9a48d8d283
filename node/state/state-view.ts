// The state of one volume as it is now: what the ordered store holds plus what is applied but not
// yet durable. Reads are synchronous and see every applied op at once; `take` hands over what a
// group commit must write.
//
// The log and what follows from it (the replica's tables) are kept apart from what doesn't (this
// node's own keys): they lie under a generation, and a state that was built anew beside it takes
// its place in one write.
import { STATE_PREFIXES, STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { assert } from '../../protocol/errors.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { Kv, KvWrite } from '../store/kv.ts'
import { ReadCache } from './read-cache.ts'
import { inPages } from '../store/pages.ts'

/** All keys of volumes in the store begin with this (node/store/keys.ts has the store's own). */
const NAMESPACE_PREFIX: ByteString = STORE_PREFIXES.volumeState

/**
 * First chars of keys that belong to no generation: governing entries, nodes of checkpoints, what
 * concerns this node.
 */
const LASTING: ReadonlySet<string> = new Set(['A', 'b', 'u', 'E', 'Q', 'T', 'w'])
const GENERATIONS = 256
/** No table's key begins with this char. */
const GENERATIONS_PREFIX: ByteString = '\x01'
/** The generation in use; none before the first rebuild. */
const GENERATION: ByteString = STATE_PREFIXES.generation

const PAGE_ENTRIES = 512

/** Records that can be scanned: of a volume as it is, or as it was at a checkpoint. */
export interface ReplicaView extends StateStore {
  /** Records with from <= key < to, in key order. */
  scan(from: ByteString, to: ByteString): AsyncIterable<readonly [ByteString, Uint8Array]>
}

type Layer = Map<ByteString, Uint8Array | undefined>

/** Changes that are not yet durable over a generation of the state. */
interface Overlay {
  generation: number
  applied: Layer
  writing: Layer
  appliedBytes: number
  writingBytes: number
  /** Records of the store below it, but for lasting keys: another view may write those. */
  readonly stored: ReadCache
  /** Keys of both layers whose changes are in no journal yet. */
  readonly unkept: { applied: Set<ByteString>; writing: Set<ByteString> }
  /** It switched to a generation that is not yet the durable one. */
  isSwitched: boolean
}

/** Changes over what is durable, in no order: each key once. */
export interface Changes {
  readonly generation: number
  readonly records: readonly (readonly [ByteString, Uint8Array | undefined])[]
}

function emptyOverlay(generation: number): Overlay {
  return {
    generation,
    applied: new Map(),
    writing: new Map(),
    appliedBytes: 0,
    writingBytes: 0,
    stored: new ReadCache(),
    unkept: { applied: new Set(), writing: new Set() },
    isSwitched: false,
  }
}

export class StateView implements ReplicaView {
  readonly #kv: Kv
  readonly #prefix: ByteString
  /** One and the same in views that became one. */
  #at: Overlay
  #trial: Layer | undefined

  /** tag: two chars that tell this volume's keys from those of other volumes of the node. */
  constructor(kv: Kv, tag: ByteString) {
    this.#kv = kv
    this.#prefix = NAMESPACE_PREFIX + tag
    this.#at = emptyOverlay(kv.get(this.#prefix + GENERATION)?.[0] ?? 0)
  }

  /**
   * An empty generation beside the one in use, for a state to be built in: see adopt(). What one
   * that was broken off has left there is forgotten first. One at a time.
   */
  async successor(): Promise<StateView> {
    const next = new StateView(this.#kv, this.#prefix.slice(NAMESPACE_PREFIX.length))
    // The last switch may not be durable: then a crash goes back to before it.
    const durable = next.#at.generation
    let generation = (this.#at.generation + 1) % GENERATIONS
    if (generation === durable) generation = (generation + 1) % GENERATIONS
    const prefix = this.#prefix + generationPrefix(generation)
    await this.#clear(prefix, prefixEnd(prefix))
    next.#at = emptyOverlay(generation)
    return next
  }

  /**
   * Go on with the state of a successor, of which all is durable but what its overlay holds: that
   * becomes durable with the next take, which also makes the switch. Both are one view from then
   * on. Not while a take is being written.
   */
  adopt(successor: StateView): void {
    assert(this.#at.writing.size === 0, 'no write is under way')
    for (const key of this.#at.applied.keys()) if (!isLasting(key)) this.#at.applied.delete(key)
    for (const [key, value] of successor.#at.applied) this.#at.applied.set(key, value)
    this.#at.appliedBytes += successor.#at.appliedBytes
    this.#at.generation = successor.#at.generation
    this.#at.stored.clear()
    successor.#at = this.#at
    this.#at.isSwitched = true
    this.put(GENERATION, Uint8Array.of(this.#at.generation))
  }

  /**
   * Forget what older generations, and those whose making was broken off, have left. The one in use
   * is durable.
   */
  async sweep(): Promise<void> {
    const all = this.#prefix + GENERATIONS_PREFIX
    const used = this.#prefix + generationPrefix(this.#at.generation)
    await this.#clear(all, used)
    await this.#clear(prefixEnd(used), prefixEnd(all))
  }

  /** Forget all of a volume that was not made to its end. */
  clear(): Promise<void> {
    return this.#clear(this.#prefix, prefixEnd(this.#prefix))
  }

  async #clear(from: ByteString, to: ByteString): Promise<void> {
    let keys: ByteString[] = []
    const remove = async (): Promise<void> => {
      await this.#kv.write(
        keys.map((key) => ({ kind: 'delete', key })),
        { sync: false },
      )
      keys = []
    }
    for await (const [key] of this.#kv.scan({ from, to })) {
      if (keys.push(key) >= CLEARED_AT_ONCE) await remove()
    }
    if (keys.length > 0) await remove()
  }

  /**
   * Bytes applied since the last take, and by takes that failed: what bounds memory between
   * commits.
   */
  get appliedBytes(): number {
    return this.#at.appliedBytes
  }

  get dirty(): boolean {
    return this.#at.applied.size > 0
  }

  /**
   * Runs `run`, whose puts and deletes are seen by its own gets, not by scans, and forgotten at its
   * end.
   */
  tentatively<Result>(run: () => Result): Result {
    this.#trial = new Map()
    try {
      return run()
    } finally {
      this.#trial = undefined
    }
  }

  get(key: ByteString): Uint8Array | undefined {
    if (this.#trial?.has(key) === true) return this.#trial.get(key)
    if (this.#at.applied.has(key)) return this.#at.applied.get(key)
    if (this.#at.writing.has(key)) return this.#at.writing.get(key)
    if (isLasting(key)) return this.#read(key)
    return this.#at.stored.get(key, this.#read)
  }

  readonly #read = (key: ByteString): Uint8Array | undefined => this.#kv.get(this.#stored(key))

  put(key: ByteString, value: Uint8Array): void {
    if (this.#trial !== undefined) return void this.#trial.set(key, value)
    this.#at.applied.set(key, value)
    this.#at.unkept.applied.add(key)
    this.#at.appliedBytes += key.length + value.byteLength
  }

  delete(key: ByteString): void {
    if (this.#trial !== undefined) return void this.#trial.set(key, undefined)
    this.#at.applied.set(key, undefined)
    this.#at.unkept.applied.add(key)
    this.#at.appliedBytes += key.length
  }

  /**
   * Takes the applied changes, to be written now. One take at a time: settle or restore it before
   * the next.
   */
  take(): KvWrite[] {
    this.#at.writing = this.#at.applied
    this.#at.writingBytes = this.#at.appliedBytes
    this.#at.applied = new Map()
    this.#at.appliedBytes = 0
    this.#at.unkept.writing = this.#at.unkept.applied
    this.#at.unkept.applied = new Set()
    return [...this.#at.writing].map(([key, value]) =>
      value === undefined
        ? { kind: 'delete', key: this.#stored(key) }
        : { kind: 'put', key: this.#stored(key), value },
    )
  }

  /** The taken writes are durable. */
  settle(): void {
    for (const [key, value] of this.#at.writing) this.#at.stored.update(key, value)
    this.#at.writing = new Map()
    this.#at.unkept.writing = new Set()
    this.#at.isSwitched = false
  }

  /** The taken writes failed: keep them for the next take. */
  restore(): void {
    this.#at.applied = new Map([...this.#at.writing, ...this.#at.applied])
    this.#at.appliedBytes += this.#at.writingBytes
    this.#at.writing = new Map()
    for (const key of this.#at.unkept.writing) this.#at.unkept.applied.add(key)
    this.#at.unkept.writing = new Set()
  }

  /** Forget what is applied and was not taken. */
  forget(): void {
    this.#at.applied = new Map()
    this.#at.appliedBytes = 0
    this.#at.unkept.applied = new Set()
  }

  /**
   * Takes what is not durable and was not taken so before, for a journal; undefined if that is more
   * than so many bytes, or builds on a generation that a crash would not find.
   */
  takeUnkept(bytesMax: number): Changes | undefined {
    const { generation, isSwitched, applied, writing, unkept } = this.#at
    const records: [ByteString, Uint8Array | undefined][] = []
    for (const key of unkept.writing) if (!applied.has(key)) records.push([key, writing.get(key)])
    for (const key of unkept.applied) records.push([key, applied.get(key)])
    const bytes = records.reduce((sum, [key, value]) => sum + key.length + (value?.length ?? 0), 0)
    if (isSwitched || bytes > bytesMax) return undefined
    unkept.writing = new Set()
    unkept.applied = new Set()
    return { generation, records }
  }

  /** Applies again what was taken for a journal. */
  applyKept({ generation, records }: Changes): void {
    assert(generation === this.#at.generation, 'a journal is of the generation in use')
    for (const [key, value] of records)
      if (value === undefined) this.delete(key)
      else this.put(key, value)
  }

  /**
   * A write of a lasting key of this view, and the deletion of one, for what is made durable beside
   * what is applied.
   */
  write(key: ByteString, value: Uint8Array): KvWrite {
    assert(isLasting(key), 'others may have read it')
    return { kind: 'put', key: this.#stored(key), value }
  }

  deletion(key: ByteString): KvWrite {
    assert(isLasting(key), 'others may have read it')
    return { kind: 'delete', key: this.#stored(key) }
  }

  /** Write what is applied to a successor, which nobody else writes. */
  async spill(): Promise<void> {
    await this.#kv.write(this.take(), { sync: true })
    this.settle()
  }

  /**
   * Records with from <= key < to, in key order; both ends in one table. Keys are without the
   * volume's prefix.
   */
  async *scan(from: ByteString, to: ByteString): AsyncGenerator<readonly [ByteString, Uint8Array]> {
    const prefix = this.#prefixOf(from)
    const stored = this.#kv.scan({ from: prefix + from, to: prefix + to })
    yield* overlaid(stored, this.#pendingIn(from, to), prefix.length)
  }

  /** Gives back the room of records of a table that are deleted, durably. */
  async compact(prefix: ByteString): Promise<void> {
    const from = this.#stored(prefix)
    await this.#kv.compact?.({ from, to: prefixEnd(from) })
  }

  #stored(key: ByteString): ByteString {
    return this.#prefixOf(key) + key
  }

  #prefixOf(key: ByteString): ByteString {
    return isLasting(key) ? this.#prefix : this.#prefix + generationPrefix(this.#at.generation)
  }

  #pendingIn(from: ByteString, to: ByteString): Pending {
    const merged: Layer = new Map()
    for (const layer of [this.#at.writing, this.#at.applied]) {
      for (const [key, value] of layer) if (key >= from && key < to) merged.set(key, value)
    }
    return [...merged].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

export type Pending = readonly (readonly [ByteString, Uint8Array | undefined])[]

/**
 * Stored records, whose keys begin with `cut` chars more, with pending writes over them; both in
 * key order.
 */
export async function* overlaid(
  stored:
    AsyncIterable<readonly [ByteString, Uint8Array]> | Iterable<readonly [ByteString, Uint8Array]>,
  pending: Pending,
  cut = 0,
): AsyncGenerator<readonly [ByteString, Uint8Array]> {
  let at = 0
  for await (const [storedKey, value] of stored) {
    const key = storedKey.slice(cut)
    for (let next = pending[at]; next !== undefined && next[0] < key; next = pending[++at]) {
      if (next[1] !== undefined) yield [next[0], next[1]]
    }
    const over = pending[at]
    if (over === undefined || over[0] !== key) {
      yield [key, value]
      continue
    }
    at++
    if (over[1] !== undefined) yield [key, over[1]]
  }
  for (const [key, value] of pending.slice(at)) if (value !== undefined) yield [key, value]
}

const CLEARED_AT_ONCE = 10_000

function isLasting(key: ByteString): boolean {
  return LASTING.has(key.charAt(0))
}

function generationPrefix(generation: number): ByteString {
  return GENERATIONS_PREFIX + String.fromCharCode(generation)
}

/** The end of the range of all keys that begin with `prefix`, which holds a byte below 0xff. */
export function prefixEnd(prefix: ByteString): ByteString {
  let length = prefix.length
  while (prefix.charCodeAt(length - 1) === 0xff) length--
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}

/**
 * Reads the entries whose keys begin with `prefix`, from a key on, as they are when their page is
 * read: nothing of the store is held however slowly a caller goes through them.
 */
export function viewPages(
  view: ReplicaView,
  prefix: ByteString,
  first: ByteString = prefix,
): AsyncGenerator<readonly [ByteString, Uint8Array], void, undefined> {
  const end = prefixEnd(prefix)
  return inPages(first, PAGE_ENTRIES, (from) => view.scan(from, end))
}
