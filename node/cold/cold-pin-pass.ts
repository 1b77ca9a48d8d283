// One pass over files that are pinned to cold tiers: what of them is in stripes that do not lie
// there yet is put there, some at a time, and a file is said to be done when all of it lies there.
// A tier that fails is not tried again in the pass.
import { dataBytes, packsOf } from '../../protocol/cold/pack.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import { readInode } from '../../protocol/tree/records.ts'
import { versionsOf } from '../../protocol/tree/versions.ts'
import { MIB } from '../../protocol/units.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { ChunkId, NodeId, StripeId } from '../../protocol/ids.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { liesIn } from '../pinning/pin-figures.ts'
import type { Walk } from '../volume/file-walk.ts'
import { isColdPaused } from '../log/settings.ts'
import { PACKS_AT_ONCE } from './migration.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Bytes that are put together, so that few packs are small. */
const BATCH_BYTES: number = 256 * MIB
const BATCH_FILES = 4096

export interface ColdPinPassParts {
  readonly hosted: Pick<HostedVolume, 'namespace' | 'map' | 'tiers' | 'chunks'>
  readonly walk: Walk
  /**
   * Put a pack into a tier, verified and logged. throws ShoalError 'cold-*', 'chunk-unavailable'.
   */
  readonly put: (tier: string, pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  /** Told of each file of which all lies where it is to. */
  readonly done: (file: NodeId) => void
  readonly log: WriteLog
}

export class ColdPinPass {
  readonly #parts: ColdPinPassParts
  readonly #signal: AbortSignal
  readonly #failures = new Map<string, ShoalError>()
  /** Tiers that take nothing. */
  readonly #closed = new Set<string>()
  /** The stripes to be put next, by tier; and the files of which that is the rest. */
  #stripes = new Map<string, Map<StripeId, PackStripe>>()
  #files: NodeId[] = []
  #bytes = 0
  /** Something of a file that is being looked at could not be put. */
  #isIncomplete = false

  constructor(parts: ColdPinPassParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /** By tier, why something could not be put there. */
  get failures(): ReadonlyMap<string, ShoalError> {
    return this.#failures
  }

  /**
   * Put a file into tiers. isAll: it is to lie in no others. returns 'waits' for one of which
   * something is in no stripe yet. Where another node had the first turn, it is trusted with what
   * it began: nothing is fetched to look at that.
   */
  async file(
    id: NodeId,
    tiers: readonly { readonly tier: string; readonly isFirst: boolean }[],
    { isAll }: { readonly isAll: boolean },
  ): Promise<'waits' | undefined> {
    const { map } = this.#parts.hosted
    const roots = this.#rootsOf(id)
    const isBegun = (tier: string): boolean => roots.every((root) => liesIn(map, root, tier))
    const due = tiers.filter(({ tier, isFirst }) => isFirst || !isBegun(tier))
    const open = due.filter(({ tier }) => this.#isOpen(tier))
    if (open.length > 0) {
      // Whoever writes it has not told yet where.
      if (roots.some((root) => map.locations(root).length === 0)) return 'waits'
      this.#isIncomplete = false
      const found = await this.#addStripes(id, open)
      if (found !== 'all' || this.#isIncomplete) return found === 'waits' ? 'waits' : undefined
    }
    if (isAll && open.length === due.length) this.#files.push(id)
    if (this.#files.length >= BATCH_FILES) await this.flush()
    return undefined
  }

  /** Put what was found, and say which files are done. */
  async flush(): Promise<void> {
    const [stripes, files] = [this.#stripes, this.#files]
    this.#stripes = new Map()
    this.#files = []
    this.#bytes = 0
    let isPut = true
    for (const [tier, some] of stripes)
      if (!(await this.#put(tier, [...some.values()]))) isPut = false
    if (!isPut) this.#isIncomplete = true
    else for (const file of files) this.#parts.done(file)
  }

  async #addStripes(
    id: NodeId,
    tiers: readonly { readonly tier: string }[],
  ): Promise<'all' | 'waits' | 'failed'> {
    const { map } = this.#parts.hosted
    let found: 'all' | 'waits' = 'all'
    let last: StripeId | undefined
    try {
      for await (const chunk of this.#parts.walk.chunksOfFile(id)) {
        const at = map.locations(chunk)[0]?.stripe
        if (at !== undefined && at === last) continue
        last = at
        const stripe = at === undefined ? undefined : map.stripe(at)
        if (at === undefined || stripe?.isCondemned !== false) {
          found = 'waits'
          continue
        }
        for (const { tier } of tiers)
          if (!stripe.cold.some((copy) => copy.tier === tier))
            this.#add(tier, { ...stripe, id: at })
        if (this.#bytes >= BATCH_BYTES) await this.flush()
      }
      return found
    } catch (error) {
      this.#signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      this.#parts.log('cold.pins-failed', { code, message })
      return 'failed'
    }
  }

  #add(tier: string, stripe: PackStripe): void {
    const stripes = this.#stripes.get(tier) ?? new Map<StripeId, PackStripe>()
    this.#stripes.set(tier, stripes)
    if (stripes.has(stripe.id)) return
    stripes.set(stripe.id, stripe)
    this.#bytes += dataBytes(stripe)
  }

  /** returns whether all of it lies there. */
  async #put(tier: string, stripes: readonly PackStripe[]): Promise<boolean> {
    let isAll = true
    if (this.#closed.has(tier)) return false
    try {
      await inParallel(packsOf(stripes), PACKS_AT_ONCE, async (pack) => {
        if (isColdPaused(this.#parts.hosted.namespace.volume)) {
          isAll = false
          return
        }
        try {
          await this.#parts.put(tier, pack, this.#signal)
        } catch (error) {
          // Data that others lack may be there next time; a tier that fails, fails for all.
          if (!hasCode(error, 'chunk-unavailable')) throw error
          isAll = false
          this.#failed(tier, error)
        }
      })
      return isAll
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#closed.add(tier)
      this.#failed(tier, error)
      return false
    }
  }

  /** Is a tier there, may this node open it, and has it not failed? */
  #isOpen(tier: string): boolean {
    if (this.#closed.has(tier)) return false
    try {
      this.#parts.hosted.tiers.open(tier)
      return true
    } catch (error) {
      this.#closed.add(tier)
      this.#failed(tier, error)
      return false
    }
  }

  #failed(tier: string, error: unknown): void {
    const { code, message } = asShoalError(error)
    this.#failures.set(tier, asShoalError(error))
    this.#parts.log('cold.pin-failed', { tier, code, message })
  }

  #rootsOf(id: NodeId): readonly ChunkId[] {
    const { view } = this.#parts.hosted.namespace.volume
    const inode = readInode(view, id)
    const versions = inode === undefined ? [] : versionsOf(view, id, inode)
    return Array.from(versions).flatMap(({ content }) =>
      content.kind === 'chunks' ? [content.root.id] : [],
    )
  }
}
