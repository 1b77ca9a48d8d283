// The bytes of one simulated file: what reads see, what is durable, and between them the changes
// that no sync has covered. A crash keeps, loses or tears each of those by itself, torn at sectors
// of SECTOR bytes (LevelDB db/fault_injection_test.cc).
import { concatBytes } from '../protocol/bytes.ts'
import type { SeededRandom } from './random.ts'
import type { Sightings } from './sightings.ts'

export type Change = Write | { readonly kind: 'truncate'; readonly length: number }

interface Write {
  readonly kind: 'write'
  readonly position: number
  readonly bytes: Uint8Array
}

/** The unit that a device writes whole or not at all. */
const SECTOR = 512

export class Inode {
  readonly #current: GrowableBytes
  readonly #durable: GrowableBytes
  /** Changes that a crash may lose, oldest first. */
  readonly #unsynced = new Set<Change>()
  /** Those of them that are not made yet: reads don't see them and no sync promises them. */
  readonly #inFlight = new Set<Change>()

  constructor(durable: Uint8Array = new Uint8Array(), current: Uint8Array = durable) {
    this.#durable = new GrowableBytes(durable)
    this.#current = new GrowableBytes(current)
  }

  get size(): number {
    return this.#current.length
  }

  /** A copy of up to `length` bytes. */
  read(position: number, length: number): Uint8Array {
    return this.#current.copy(position, position + length)
  }

  /** A change is on its way; a crash may already leave it. */
  begin(change: Change): void {
    this.#unsynced.add(change)
    this.#inFlight.add(change)
  }

  /** The change is made. */
  complete(change: Change): void {
    this.#inFlight.delete(change)
    this.#current.apply(change)
  }

  /** The changes that a sync covers if it begins now. */
  coveredBySync(): readonly Change[] {
    return [...this.#unsynced].filter((change) => !this.#inFlight.has(change))
  }

  /** The sync is done: these changes are durable. */
  persist(changes: readonly Change[]): void {
    for (const change of changes) {
      if (this.#unsynced.delete(change)) this.#durable.apply(change)
    }
  }

  /**
   * The sync failed: chance decides what of these changes is durable, and no later sync will write
   * the rest, though reads go on to show it (Rebello et al., "Can applications recover from fsync
   * failures?", ATC 2020).
   */
  forget(changes: readonly Change[], random: SeededRandom): void {
    for (const change of changes) {
      if (this.#unsynced.delete(change)) this.#durable.applyAll(remains(change, random))
    }
  }

  /** The file after a power loss. */
  crash(random: SeededRandom, sightings: Sightings): Inode {
    const device = new GrowableBytes(this.#durable.copy())
    for (const change of this.#unsynced) {
      const left = remains(change, random)
      if (left[0] !== change) sightings.add(left.length > 0 ? 'write torn' : 'write lost')
      device.applyAll(left)
    }
    return new Inode(device.copy())
  }

  /** The file after the process was killed while the machine stays up. */
  survive(random: SeededRandom): Inode {
    const current = new GrowableBytes(this.#current.copy())
    const kept = [...this.#unsynced].filter((change) => {
      if (!this.#inFlight.has(change)) return true
      const made = random.chance(0.5)
      if (made) current.apply(change)
      return made
    })
    const left = new Inode(this.#durable.copy(), current.copy())
    for (const change of kept) left.#unsynced.add(change)
    return left
  }

  /** Flip one bit of what is stored. */
  rot(position: number, bit: number): void {
    this.#current.flip(position, bit)
    this.#durable.flip(position, bit)
  }
}

/**
 * The part of an unsynced change that a power loss spares: all, nothing, or some of its sectors.
 */
function remains(change: Change, random: SeededRandom): readonly Change[] {
  const fate = random.below(3)
  if (fate === 0) return []
  if (fate === 1 || change.kind === 'truncate') return [change]
  const sectors: Change[] = []
  const end = change.position + change.bytes.length
  for (let start = change.position; start < end;) {
    const next = Math.min(end, (Math.floor(start / SECTOR) + 1) * SECTOR)
    const bytes = change.bytes.subarray(start - change.position, next - change.position)
    if (random.chance(0.5)) sectors.push({ kind: 'write', position: start, bytes })
    start = next
  }
  return sectors
}

/** Bytes that grow by doubling; a gap reads as zeros. */
class GrowableBytes {
  #bytes: Uint8Array
  length: number

  constructor(content: Uint8Array) {
    this.#bytes = new Uint8Array(content)
    this.length = content.length
  }

  copy(start: number = 0, end: number = this.length): Uint8Array {
    return this.#bytes.slice(Math.min(start, this.length), Math.min(end, this.length))
  }

  applyAll(changes: readonly Change[]): void {
    for (const change of changes) this.apply(change)
  }

  apply(change: Change): void {
    if (change.kind === 'truncate') return this.#truncate(change.length)
    const end = change.position + change.bytes.length
    this.#reserve(end)
    this.#bytes.set(change.bytes, change.position)
    this.length = Math.max(this.length, end)
  }

  flip(position: number, bit: number): void {
    const byte = this.#bytes[position]
    if (byte !== undefined && position < this.length) this.#bytes[position] = byte ^ (1 << bit)
  }

  #truncate(length: number): void {
    this.#reserve(length)
    this.#bytes.fill(0, length, this.length)
    this.length = length
  }

  #reserve(capacity: number): void {
    if (capacity <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(capacity, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.length))
    this.#bytes = grown
  }
}

/** The parts of a write as one change of its own bytes. */
export function writeChange(position: number, parts: readonly Uint8Array[]): Write {
  return { kind: 'write', position, bytes: new Uint8Array(concatBytes(parts)) }
}
