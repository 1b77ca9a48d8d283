// A cold tier in memory that counts what is asked of it, and does to objects what a test wants.
import { concatBytes } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { ObjectTier, TierObject } from '../../../node/world/world.ts'

export class MemoryTier implements ObjectTier {
  readonly objects: Map<string, Uint8Array> = new Map()
  /** Each request, such as `put a/b` and `get a/b 10-20`. */
  readonly asked: string[] = []
  /** The part of a put that becomes stored. */
  onPut: (content: Uint8Array) => Uint8Array = (content) => content
  isArchive = false
  readonly #puts = new Map<string, number>()

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    this.asked.push(`put ${key}`)
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    const content = concatBytes(parts)
    if (size !== content.length)
      throw new ShoalError('cold-corrupt', `${content.length} of ${size}`)
    this.objects.set(key, this.onPut(content))
    this.#puts.set(key, this.#puts.size + 1)
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
  ): AsyncGenerator<Uint8Array> {
    this.asked.push(range === undefined ? `get ${key}` : `get ${key} ${range.from}-${range.to}`)
    const content = this.objects.get(key)
    if (content === undefined) throw new ShoalError('cold-missing', `${key} is not there`)
    if (this.isArchive) throw new ShoalError('cold-archived', `${key} is archived`)
    const bytes = content.subarray(range?.from ?? 0, range?.to ?? content.length)
    // In pieces that fit nothing.
    for (let at = 0; at < bytes.length; at += 77) yield bytes.subarray(at, at + 77)
  }

  async head(key: string): Promise<TierObject | undefined> {
    const content = this.objects.get(key)
    if (content === undefined) return undefined
    // Long ago, one after the other.
    const modifiedMs = (this.#puts.get(key) ?? 0) as WallTime
    return { bytes: content.length, modifiedMs, storageClass: '', restore: 'none' }
  }

  async *list(prefix: string): AsyncGenerator<TierObject & { readonly key: string }> {
    for (const key of this.objects.keys()) {
      const found = key.startsWith(prefix) ? await this.head(key) : undefined
      if (found !== undefined) yield { key, ...found }
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.asked.push(`remove ${key}`)
      this.objects.delete(key)
    }
  }

  async restore(key: string): Promise<void> {
    this.asked.push(`restore ${key}`)
  }

  async rollBack(): Promise<number> {
    return 0
  }

  async check(): Promise<void> {}
  async close(): Promise<void> {}
}
