// Watches what nodes write down about stripes and a cold tier, and what becomes of their bytes, as
// it happens:
//   a word that the tier holds a stripe is said when every byte of it lies there; one that it does
//   no more, when peers do
//   while a word says so of a stripe that may be in use again, its object stays, whole
//   shards are given up only of what truly lies in the tier, when all members have heard of that,
//   and down to the floor no disk lets go of what can then be read neither from disks nor from the
//   tier
import { chunkOfKey, CHUNK_PREFIX } from '../../node/store/keys.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import { toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { floorOf } from '../../protocol/cold/definition.ts'
import type { Keep } from '../../protocol/cold/definition.ts'
import { packOfKey } from '../../protocol/cold/pack.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import type { ChunkId, PackId, StripeId, VolumeId } from '../../protocol/ids.ts'
import { decodeBatch, openBody } from '../../protocol/log/batch.ts'
import { makeStamp } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { FLAG_CLEAR_BODY, decodeEntry } from '../../protocol/log/entry.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type { Op } from '../../protocol/op/op.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { CheckError } from '../check-error.ts'
import type { InvariantId } from '../check-error.ts'
import type { Cluster } from '../cluster.ts'
import { isEntryKey } from '../log-watch.ts'
import type { StoredObject } from '../object-tier.ts'
import { Truth, entryHashIn } from './truth.ts'
import type { LostShard } from './truth.ts'
import { StripeView } from './view.ts'

/** The longest time from a node's decision by a setting to its entry in the log. */
const DECIDED_WITHIN_MS: number = SECOND_MS

type Said<Kind extends Op['kind']> = Extract<Op, { kind: Kind }>

interface StampedOp {
  readonly op: Op
  readonly stamp: Stamp
}

/** A node, as far as its store tells what it knows. */
interface Watched {
  readonly view: StripeView
  readonly entries: Set<string>
  /** The setting that was in force until then. */
  formerKeep: { readonly keep: Keep; readonly untilMs: number } | undefined
}

export class ColdWatch {
  readonly #cluster: Cluster
  readonly #fail: (error: CheckError) => void
  readonly #truth: Truth
  /** All that was ever said. */
  readonly #union = new StripeView()
  readonly #nodes = new Map<string, Watched>()
  /** By entry. */
  readonly #said = new Map<string, readonly StampedOp[]>()
  /** The offsets of stripes in a pack. */
  readonly #packs = new Map<PackId, Map<StripeId, number>>()
  readonly #stripesOf = new Map<ChunkId, StripeId[]>()
  #volume: VolumeId | undefined
  #secrets: readonly Uint8Array[] = []

  /** fail: told of what is wrong. */
  constructor(cluster: Cluster, fail: (error: CheckError) => void) {
    this.#cluster = cluster
    this.#fail = fail
    this.#truth = new Truth(cluster.tier)
    cluster.tier.onChange = (key, now) => this.#changed(key, now)
  }

  /** Before the volume has any setting. secrets: of its key epochs. */
  start(volume: VolumeId, secrets: readonly Uint8Array[]): void {
    this.#volume = volume
    this.#truth.volume = volume
    this.#secrets = secrets
  }

  /** A store is about to show a batch, or is made of it anew. */
  written(node: string, batch: readonly KvWrite[], isAll: boolean): void {
    const lost = this.#truth.written(node, batch, isAll)
    for (const { kind, key, ...write } of batch)
      if (kind === 'put' && 'value' in write && isEntryKey(key)) this.#take(node, write.value)
    for (const shard of lost) this.#checkLost(node, shard)
    for (const { kind, key } of batch)
      if (kind === 'delete' && key.startsWith(CHUNK_PREFIX)) this.#checkCopy(node, chunkOfKey(key))
  }

  /** The faults of all stripes in use once all is quiet; isDue: all are to be in the tier. */
  unsettled({ isDue }: { readonly isDue: boolean }): readonly string[] {
    const wrong: string[] = []
    for (const id of this.#union.stripes()) {
      const header = this.#truth.header(id)
      if (header === undefined || !this.#union.isLive(id) || this.#union.isCondemned(id)) continue
      const held = this.#heldCount(this.#union, id)
      const isCold = this.#union.coldCopies(id).length > 0
      const wanted = isCold ? floorOf(this.#union.keep, header) : header.k + header.m
      if (held === wanted && (isCold || !isDue)) continue
      wrong.push(`${id} has ${held} of ${wanted} shards${isCold ? ', and lies in the tier' : ''}`)
    }
    return wrong
  }

  #take(node: string, value: Uint8Array): void {
    const watched = this.#watched(node)
    const hash = entryHashIn(value)
    if (watched.entries.has(hash)) return
    watched.entries.add(hash)
    const known = this.#said.get(hash)
    const said = known ?? this.#decode(value.subarray(HASH_BYTES))
    if (known !== undefined) {
      for (const { op, stamp } of said) this.#apply(watched, op, stamp)
      return
    }
    this.#said.set(hash, said)
    for (const each of said) this.#hear(node, watched, each)
  }

  /** A node says something that nobody has said before. */
  #hear(node: string, watched: Watched, { op, stamp }: StampedOp): void {
    const { view } = watched
    if (op.kind === 'stripe') this.#learn(op)
    if (op.kind === 'cold') this.#judgeCold(node, view, op)
    if (op.kind === 'condemn' && op.stripes.some((id) => view.coldCopies(id).length > 0))
      this.#sighted('stripe that lies in the tier condemned')
    const before = op.kind === 'shards' ? view.holders(op.stripe) : []
    this.#apply(watched, op, stamp)
    this.#union.apply(op, stamp)
    if (op.kind === 'shards') this.#judgeShards(node, watched, op, before)
  }

  #apply(watched: Watched, op: Op, stamp: Stamp): void {
    const { view } = watched
    const { keep } = view
    view.apply(op, stamp)
    if (view.keep !== keep) watched.formerKeep = { keep, untilMs: this.#nowMs() }
  }

  #learn({ header: bytes }: Said<'stripe'>): void {
    const id = stripeIdOf(bytes)
    if (this.#truth.header(id) !== undefined) return
    const header = decodeStripeHeader(bytes)
    this.#truth.learnStripe(id, header)
    for (const { id: chunk } of header.chunks)
      this.#stripesOf.set(chunk, [...(this.#stripesOf.get(chunk) ?? []), id])
  }

  #judgeCold(node: string, view: StripeView, { pack, stripes }: Said<'cold'>): void {
    for (const { stripe, offset } of stripes) {
      if (pack === undefined) {
        if (view.coldCopies(stripe).length === 0) continue
        this.#sighted('stripe recalled')
        if (!view.isLive(stripe) || this.#truth.isOnDisks(stripe)) continue
        const what = `${node} says that ${stripe} is back, and disks hold ${this.#truth.shardCount(stripe)} shards`
        this.#wrong('nothing is dropped before its replacement is durable', what)
        continue
      }
      const isTwice = this.#union.coldCopies(stripe).length > 0
      this.#sighted(isTwice ? 'stripe put twice' : 'stripe put into the tier')
      const places = this.#packs.get(pack) ?? new Map<StripeId, number>()
      this.#packs.set(pack, places.set(stripe, offset))
      this.#truth.learnPlace(stripe, { pack, offset })
      if (this.#truth.isAt(stripe, { pack, offset })) continue
      const what = `${node} says that ${stripe} lies in pack ${pack}, and it does not`
      this.#wrong('a tier holds what the map says', what)
    }
  }

  /**
   * Shards given up are those that their holders truly hold, and nobody is said to hold any more.
   */
  #judgeShards(
    node: string,
    { view, formerKeep }: Watched,
    { stripe }: Said<'shards'>,
    before: readonly (readonly ByteString[])[],
  ): void {
    const header = this.#truth.header(stripe)
    if (header === undefined || !view.isLive(stripe) || view.isCondemned(stripe)) return
    const after = view.holders(stripe)
    const givenUp = before.flatMap((peers, index) =>
      after[index]?.length === 0 && peers.some((peer) => this.#isHeldBy(peer, stripe, index))
        ? [index]
        : [],
    )
    if (givenUp.length === 0) return
    this.#sighted('shards given up')
    const what = `${node} gives up shards ${givenUp.join()} of ${stripe}`
    const invariant = 'nothing is given up before a tier surely holds it'
    if (!this.#truth.isInTier(stripe)) return this.#wrong(invariant, `${what}, which no tier holds`)
    const unaware = this.#cluster.members.filter(
      ({ name }) => !this.#watched(name).view.hasHeardOfTier(stripe),
    )
    if (unaware.length > 0) {
      const names = unaware.map(({ name }) => name).join()
      return this.#wrong(invariant, `${what}, and ${names} has not heard that a tier holds it`)
    }
    const isRecent = formerKeep !== undefined && this.#isRecent(formerKeep.untilMs)
    const keeps = [view.keep, ...(isRecent ? [formerKeep.keep] : [])]
    const floor = Math.min(...keeps.map((keep) => floorOf(keep, header)))
    const left = this.#heldCount(view, stripe)
    if (left >= floor) return
    this.#wrong('the floor stays with peers', `${what}: ${left} are left, and ${floor} should be`)
  }

  /** An object of the tier is another from now on, or is removed. */
  #changed(key: string, now: StoredObject | undefined): void {
    const pack = this.#volume === undefined ? undefined : packOfKey(this.#volume, key)
    if (pack === undefined) return
    if (now === undefined) this.#sighted('pack removed')
    for (const [stripe, offset] of this.#packs.get(pack) ?? []) {
      const isNamed = this.#union.coldCopies(stripe).some((copy) => copy.pack === pack)
      if (!isNamed || !this.#union.isLive(stripe) || this.#union.isForgotten(stripe)) continue
      if (now !== undefined && this.#truth.isIn(now, stripe, offset)) continue
      const how = now === undefined ? 'removed' : 'overwritten with something else'
      const what = `pack ${pack} is ${how}, in which ${stripe} is said to lie`
      this.#wrong('a tier holds what the map says', what)
    }
  }

  #checkLost(node: string, { stripe, index }: LostShard): void {
    if (!this.#isInUse(stripe) || this.#truth.isOnDisks(stripe)) return
    if (this.#truth.isInTier(stripe)) return this.#sighted('stripe in the tier alone')
    const what =
      `${node} lets go of shard ${index} of ${stripe}: ` +
      `${this.#truth.shardCount(stripe)} are left, and no tier holds it`
    this.#wrong('nothing is dropped before its replacement is durable', what)
  }

  #checkCopy(node: string, chunk: ChunkId): void {
    const stripes = (this.#stripesOf.get(chunk) ?? []).filter((id) => this.#isInUse(id))
    if (stripes.length === 0) return
    this.#sighted('copy of a chunk let go')
    if (stripes.some((id) => this.#truth.isOnDisks(id) || this.#truth.isInTier(id))) return
    const what =
      `${node} lets go of chunk ${chunk} of ${stripes.join()}, ` +
      'of which too few shards are left, and no tier holds it'
    this.#wrong('nothing is dropped before its replacement is durable', what)
  }

  /** A swept stripe goes for good, once it has been in the trash for its time. */
  #isInUse(stripe: StripeId): boolean {
    return this.#union.isLive(stripe) && !this.#union.isSwept(stripe)
  }

  #isHeldBy(peer: ByteString, stripe: StripeId, index: number): boolean {
    return this.#cluster.nodes.some(
      (node) =>
        toByteString(publicKeyOf(node.peer)) === peer &&
        this.#truth.holds(node.name, stripe, index),
    )
  }

  #heldCount(view: StripeView, id: StripeId): number {
    return view.holders(id).filter((peers) => peers.length > 0).length
  }

  #decode(bytes: Uint8Array): readonly StampedOp[] {
    const { header, body } = decodeEntry(bytes)
    const isClear = (header.flags & FLAG_CLEAR_BODY) !== 0
    const plain = isClear ? body : this.#open({ header, body })
    if (plain === undefined) return []
    return decodeBatch(plain).flatMap((op, index) =>
      op === undefined ? [] : [{ op, stamp: makeStamp(header.hlc, header.actor, index) }],
    )
  }

  #open({
    header,
    body,
  }: Pick<ReturnType<typeof decodeEntry>, 'header' | 'body'>): Uint8Array | undefined {
    for (const secret of this.#secrets) {
      try {
        return openBody(secret, header, body)
      } catch {
        // Of another epoch.
      }
    }
    return undefined
  }

  #watched(node: string): Watched {
    const known = this.#nodes.get(node)
    if (known !== undefined) return known
    const watched = { view: new StripeView(), entries: new Set<string>(), formerKeep: undefined }
    this.#nodes.set(node, watched)
    return watched
  }

  #isRecent(atMs: number): boolean {
    return this.#nowMs() - atMs < DECIDED_WITHIN_MS
  }

  #nowMs(): number {
    return this.#cluster.scheduler.nowMs
  }

  #sighted(what: Parameters<Cluster['scheduler']['sightings']['add']>[0]): void {
    this.#cluster.scheduler.sightings.add(what)
  }

  #wrong(invariant: InvariantId, what: string): void {
    const at = `${(this.#nowMs() / SECOND_MS).toFixed(3)} s`
    this.#fail(new CheckError(invariant, `${what} (${at})`))
  }
}
