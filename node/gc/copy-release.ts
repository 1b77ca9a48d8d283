// Releases the copies that this node keeps in its store of chunks that it wrote, once they lie in
// stripes: as the volume's setting `keep-local` says, those unused for longest first. A copy goes
// only where the stripe is as safe without it as its class asks for:
//   this node knows that the stripe is what its header says (stripes/verified-stripes.ts)
//   each of its shards has a holder of its own that is online and has just shown or taken it; that
//     of this node was read from the disk
//   every member that is waited for holds the log up to the word of that, so that holders know what
//     their shards are for, and nobody can void it
//   nothing here wants the chunk: no pin of this node, no write or open file, no other class
// What lies in a cold tier is for cold/demotion.ts. A pass costs what is due, and at most LOOKS_MAX
// stripes; what is not safe yet is looked at again later, or at once where somebody asks for it.
import { asShoalError } from '../../protocol/errors.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { ChunkId, PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { Liveness } from '../peers/detector.ts'
import type { KeepLocal } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { PlacedCopies, PlacedCopy } from '../stripes/placed-copies.ts'
import type { RecentReads } from '../stripes/recent-reads.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { isWanted } from './local-copies.ts'
import type { WantingVolume } from './local-copies.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Stripes looked at in a pass, and before others have their turn. */
const LOOKS_MAX = 4096
const PACE = 64
/** Until copies are looked at again that a holder that is away, or a use, keeps here. */
const AGAIN_MS: number = HOUR_MS
/** The share of what would be free without them that copies may take, where room bounds them. */
const FREE_SHARE = 0.25

/** A volume whose chunks are copied here. */
export interface ReleasingVolume extends WantingVolume {
  readonly volume: Pick<Volume, 'id' | 'commit'>
  readonly map: Pick<StripeMap, 'locations' | 'progress' | 'stripe' | 'stripes'>
  readonly dedupCheck: Pick<DedupCheck, 'isWhole' | 'verified'>
  readonly placedCopies: PlacedCopies
  readonly reads: Pick<RecentReads, 'lastRead'>
  readonly livenessOf: (peer: PeerId) => Liveness
  readonly keepLocal: () => KeepLocal
}

export interface CopyReleaseParts {
  readonly store: Pick<Store, 'chunks' | 'shards' | 'usage' | 'freeBytes' | 'commit'>
  readonly network: Pick<Network, 'self'>
  readonly clock: Clock
  readonly random: Pick<Random, 'unlucky'>
  readonly log: WriteLog
}

export interface Released {
  readonly bytes: number
  /**
   * Stripes whose copies are due, and that not every member is known to have heard of yet. Asked
   * for, also those of which a holder does not answer just now.
   */
  readonly waiting: number
}

/**
 * done: nothing of it is here. waiting: until the log is stable. silent: until a holder answers,
 * which is likely soon. blocked: for something that may last.
 */
type Outcome = 'done' | 'waiting' | 'silent' | 'blocked'

export class CopyRelease {
  readonly #parts: CopyReleaseParts

  constructor(parts: CopyReleaseParts) {
    this.#parts = parts
  }

  /**
   * One pass. volumes: all of this node; only: of those, the one whose copies may go; isAsked: look
   * at all that is due, also at what was looked at in vain a while ago.
   */
  async run(
    volumes: readonly ReleasingVolume[],
    { only, isAsked }: { readonly only?: VolumeId | undefined; readonly isAsked: boolean },
    signal: AbortSignal,
  ): Promise<Released> {
    const { store, random } = this.#parts
    let bytes = 0
    let waiting = 0
    if (isPlanted('released-before-placed'))
      for await (const { id } of store.chunks.scan()) store.chunks.delete(id)
    const isEarly = random.unlucky('gc.releases-early')
    for (const one of volumes) {
      if (only !== undefined && one.volume.id !== only) continue
      if (store.usage().chunkBytes === 0) break
      await this.#list(one, signal)
      const rule = one.keepLocal()
      const pass = new Pass(this.#parts, one, volumes, {
        isAsked,
        forMs: isEarly ? 0 : rule.forMs,
        overBytes: rule.isBounded ? (await this.#overBytes(volumes)) - bytes : 0,
      })
      await pass.run(signal)
      bytes += pass.bytes
      waiting += pass.waiting
      await one.volume.commit()
    }
    if (bytes > 0) this.#parts.log('gc.copies-released', { bytes, waiting })
    return { bytes, waiting }
  }

  /** Bytes of copies beyond what there is room for. */
  async #overBytes(volumes: readonly ReleasingVolume[]): Promise<number> {
    const { store } = this.#parts
    const unplaced = volumes.reduce((sum, { packer }) => sum + packer.unplacedBytes, 0)
    const copies = Math.max(0, store.usage().chunkBytes - unplaced)
    return copies - FREE_SHARE * ((await store.freeBytes()) + copies)
  }

  /** Lists what was here before there was a list, or came by another way than being packed. */
  async #list({ placedCopies, map }: ReleasingVolume, signal: AbortSignal): Promise<void> {
    if (placedCopies.isComplete) return
    const { store, clock } = this.#parts
    let steps = 0
    for await (const id of map.stripes()) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      if (stripe?.header.chunks.some((chunk) => store.chunks.has(chunk.id)) === true)
        placedCopies.add(id, hlcMillis(stripe.usedAt))
    }
    placedCopies.completed()
  }
}

/** Lists the stripes in use that hold chunks of one that is given up. returns whether all do. */
export function relist(
  { header }: Pick<MappedStripe, 'header'>,
  sinceMs: number | undefined,
  { store, map, placedCopies }: RelistParts,
): boolean {
  const here = header.chunks.filter(({ id }) => store.chunks.has(id))
  const found = here.map(({ id }) => map.locations(id).find(({ isCondemned }) => !isCondemned))
  const stripes = new Set(found.flatMap((one) => (one === undefined ? [] : [one.stripe])))
  for (const stripe of stripes) placedCopies.add(stripe, sinceMs)
  return found.every((one) => one !== undefined)
}

export interface RelistParts {
  readonly store: Pick<Store, 'chunks'>
  readonly map: Pick<StripeMap, 'locations'>
  readonly placedCopies: Pick<PlacedCopies, 'add'>
}

interface PassOptions {
  readonly isAsked: boolean
  readonly forMs: number
  readonly overBytes: number
}

/** The copies of one volume. */
class Pass implements Released {
  readonly #parts: CopyReleaseParts
  readonly #one: ReleasingVolume
  readonly #volumes: readonly ReleasingVolume[]
  readonly #options: PassOptions
  bytes = 0
  waiting = 0

  constructor(
    parts: CopyReleaseParts,
    one: ReleasingVolume,
    volumes: readonly ReleasingVolume[],
    options: PassOptions,
  ) {
    this.#parts = parts
    this.#one = one
    this.#volumes = volumes
    this.#options = options
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, store } = this.#parts
    const { placedCopies } = this.#one
    let steps = 0
    for await (const copy of placedCopies.oldest()) {
      signal.throwIfAborted()
      const turn = this.#turnOf(copy)
      if (turn === 'passed') continue
      if (turn === 'last' || ++steps > LOOKS_MAX) break
      if (steps % PACE === 0) await clock.sleep(1, { signal })
      const outcome = await this.#release(copy, signal)
      if (random.unlucky('gc.release-stops')) break
      if (outcome === 'done') placedCopies.remove(copy)
      else if (outcome === 'waiting') this.waiting++
      else if (turn === 'due') this.#pause(copy, outcome)
    }
    await store.commit([])
  }

  /**
   * due: it is unused for long enough. over: there is too little room for it. passed, last: it
   * stays, and for 'last' so do all that come after it.
   */
  #turnOf({ sinceMs, isPaused }: PlacedCopy): 'due' | 'over' | 'passed' | 'last' {
    const { isAsked, forMs, overBytes } = this.#options
    const dueInMs = sinceMs + forMs - this.#parts.clock.wall()
    if (dueInMs <= 0 || (isAsked && isPaused && forMs < Infinity)) return 'due'
    if (this.bytes < overBytes) return 'over'
    // Those that were paused are among those due within the pause.
    return isAsked && dueInMs <= AGAIN_MS ? 'passed' : 'last'
  }

  /** It is looked at again later; asked for, what may be answered soon keeps its turn. */
  #pause(copy: PlacedCopy, outcome: 'silent' | 'blocked'): void {
    const { isAsked, forMs } = this.#options
    if (isAsked && outcome === 'silent') this.waiting++
    else this.#one.placedCopies.pause(copy, this.#parts.clock.wall() + AGAIN_MS - forMs)
  }

  async #release(copy: PlacedCopy, signal: AbortSignal): Promise<Outcome> {
    const { store, log } = this.#parts
    const { map, placedCopies } = this.#one
    const { stripe: id } = copy
    const stripe = map.stripe(id)
    // What is here of one that is not known any more is unneeded, or packed anew.
    if (stripe === undefined || stripe.cold.length > 0) return 'done'
    const here = stripe.header.chunks.filter((chunk) => store.chunks.has(chunk.id))
    if (here.length === 0) return 'done'
    if (stripe.isCondemned)
      return relist(stripe, copy.sinceMs, { ...this.#parts, map, placedCopies })
        ? 'done'
        : 'blocked'
    if (this.#isReadSince(copy)) return 'done'
    const found = await this.#judge(id, stripe, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      log('gc.stripe-failed', { stripe: id, ...about(error) })
      return 'blocked' as const
    })
    if (found !== 'done') return found
    let left = 0
    for (const { id: chunk, length } of here) {
      if (this.#isWanted(chunk)) left++
      else {
        store.chunks.delete(chunk)
        this.bytes += length
      }
    }
    return left === 0 ? 'done' : 'blocked'
  }

  /** Was something of it read lately? Then it is listed again, as of that. */
  #isReadSince({ stripe, sinceMs, isPaused }: PlacedCopy): boolean {
    const { reads, placedCopies } = this.#one
    const { forMs } = this.#options
    const readMs = reads.lastRead(stripe)
    const usedMs = isPaused ? this.#parts.clock.wall() - forMs : sinceMs
    if (readMs === undefined || readMs <= usedMs || forMs === 0) return false
    placedCopies.add(stripe, readMs)
    return true
  }

  /** Is the stripe as safe as its class asks for, without what is here of its chunks? */
  async #judge(id: StripeId, stripe: MappedStripe, signal: AbortSignal): Promise<Outcome> {
    const { store, network } = this.#parts
    const { map, dedupCheck, livenessOf } = this.#one
    const { holders, usedAt } = stripe
    const there = holders.map((peers) => peers.filter((peer) => livenessOf(peer) === 'online'))
    const isWhole = there.every((peers) => peers.length > 0)
    if (!isWhole || new Set(there.flat()).size < holders.length)
      return this.#isSilent(holders) ? 'silent' : 'blocked'
    if (usedAt > map.progress().stable) return 'waiting'
    if (!(await dedupCheck.verified.verify(id, signal))) return 'blocked'
    if (!(await dedupCheck.isWhole(id, signal))) return 'silent'
    for (const [index, peers] of holders.entries()) {
      const isOwn = peers.includes(network.self)
      if (isOwn && (await store.shards.verify(id, index)) !== 'whole') return 'blocked'
    }
    // Others had their turn meanwhile.
    const now = map.stripe(id)
    const isSame = now?.isCondemned === false && now.holders.every((peers) => peers.length > 0)
    return isSame ? 'done' : 'blocked'
  }

  /** Would it do, were those there that are late? */
  #isSilent(holders: MappedStripe['holders']): boolean {
    const { livenessOf } = this.#one
    const soon = holders.map((peers) => peers.filter((peer) => livenessOf(peer) !== 'gone'))
    return soon.every((peers) => peers.length > 0) && new Set(soon.flat()).size >= holders.length
  }

  #isWanted(chunk: ChunkId): boolean {
    return this.#volumes.some((volume) => isWanted(chunk, volume))
  }
}

function about(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = asShoalError(error)
  return { code, message }
}
