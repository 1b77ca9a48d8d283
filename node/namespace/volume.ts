// One volume on this node: its log, and the state that the log tells. Invariants:
//   an op is applied the moment it is made or received, whole entries at a time, each after its causal past
//   state and entries become durable together, in one group commit, data first (store.commit)
//   an entry leaves this node only after its own commit; so a crash never takes back what others have seen
//   entries from elsewhere close the open batch first, so an op never sees what its entry does not point to
import type { ByteString } from '../../protocol/bytes.ts'
import { nextHlc } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash, VolumeId } from '../../protocol/ids.ts'
import { BATCH_OPS_MAX } from '../../protocol/limits.ts'
import { SALT_BYTES, encodeBatch, sealBody } from '../../protocol/log/batch.ts'
import { makeDot, makeStamp } from '../../protocol/log/dot.ts'
import type { Dot, Stamp } from '../../protocol/log/dot.ts'
import {
  FLAG_CLEAR_BODY,
  actorIdOf,
  decodeEntry,
  signEntry,
} from '../../protocol/log/entry.ts'
import type { Entry, Origin } from '../../protocol/log/entry.ts'
import { decodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import { applyOp, emptyChanges, ensureRoot } from '../../protocol/tree/apply.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { MOVE_PREFIX, MoveLog } from '../../protocol/tree/moves.ts'
import { isClearOp } from '../../protocol/tree/op.ts'
import type { Op } from '../../protocol/tree/op.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Store } from '../store/store.ts'
import type { Timer, World } from '../world/world.ts'
import { ActorTable } from './actors.ts'
import { checkEntry, readOps } from './entry-check.ts'
import type { EntryVerdict } from './entry-check.ts'
import { EntryTable } from './entries.ts'
import { Membership } from './membership.ts'
import { StateView, prefixEnd } from './state-view.ts'
import { StripeTable } from './stripes.ts'

const ORIGIN_KEY: ByteString = 'worigin'
/** A batch closes this long after its first op, in ms. */
const BATCH_MS = 20
/** Applied but uncommitted state beyond this makes writers wait for a commit. */
const UNCOMMITTED_BYTES_MAX = 8 * 1024 * 1024

export interface VolumeComponents {
  readonly world: World
  readonly store: Store
  readonly identity: Identity
}

interface OpenBatch {
  readonly seq: number
  readonly hlc: Hlc
  readonly clear: boolean
  readonly ops: Op[]
}

/** Told of each change of the tree, at once when it is applied. `local`: made on this node. */
export type ChangeListener = (changes: ChangeSet, local: boolean) => void

export class Volume {
  readonly id: VolumeId
  readonly genesis: Genesis
  readonly genesisBytes: Uint8Array
  readonly identity: Identity
  readonly view: StateView
  readonly membership: Membership
  readonly stripes: StripeTable
  readonly actors: ActorTable
  readonly #world: World
  readonly #store: Store
  readonly #moves: MoveLog
  readonly #entries: EntryTable
  readonly #listeners = new Set<ChangeListener>()
  readonly #memberListeners = new Set<() => void>()
  readonly #durableListeners = new Set<(entries: readonly Entry[]) => void>()
  #origin: Origin
  #actor: ActorId
  #batch: OpenBatch | undefined
  #batchTimer: Timer | undefined
  #uncommitted: Entry[] = []
  #durable: VersionVector
  #committing: Promise<void> | undefined
  #nextCommit: Promise<void> | undefined
  #failure: ShoalError | undefined

  private constructor(
    { world, store, identity }: VolumeComponents,
    genesisBytes: Uint8Array,
    tables: {
      view: StateView
      membership: Membership
      stripes: StripeTable
      actors: ActorTable
      moves: MoveLog
    },
  ) {
    this.id = volumeIdOf(genesisBytes)
    this.genesis = decodeGenesis(genesisBytes)
    this.genesisBytes = genesisBytes
    this.identity = identity
    this.view = tables.view
    this.membership = tables.membership
    this.stripes = tables.stripes
    this.actors = tables.actors
    this.#moves = tables.moves
    this.#entries = new EntryTable(tables.view)
    this.#world = world
    this.#store = store
    this.#durable = tables.actors.vector()
    const nonce = this.view.get(ORIGIN_KEY)
    this.#origin = { publicKey: identity.publicKey, nonce: nonce ?? world.random.bytes(16) }
    this.#actor = actorIdOf(this.id, this.#origin)
    if (nonce === undefined) this.view.put(ORIGIN_KEY, this.#origin.nonce)
  }

  /** tag: two chars that tell this volume's keys from others' in the store. */
  static async open(
    components: VolumeComponents,
    genesisBytes: Uint8Array,
    tag: ByteString,
  ): Promise<Volume> {
    const view = new StateView(components.store.kv, tag)
    ensureRoot(view)
    const moves: (readonly [ByteString, Uint8Array])[] = []
    for await (const record of view.scan(MOVE_PREFIX, prefixEnd(MOVE_PREFIX))) moves.push(record)
    const id = volumeIdOf(genesisBytes)
    return new Volume(components, genesisBytes, {
      view,
      membership: await Membership.open(view, components.identity, id, decodeGenesis(genesisBytes)),
      stripes: await StripeTable.open(view),
      actors: await ActorTable.open(view),
      moves: MoveLog.from(moves),
    })
  }

  /** This node's actor now. */
  get actor(): ActorId {
    return this.#actor
  }

  /** What is durable here; what others may be told of. */
  durableVector(): VersionVector {
    return this.#durable
  }

  wallMs(): WallTime {
    return this.#world.clock.wall()
  }

  /** Name of the member behind an actor, for conflict names. */
  readonly authorName = (actor: ActorId): string => {
    const peer = this.actors.get(actor)?.peer
    return peer === undefined ? 'unknown' : this.membership.nameOf(peer)
  }

  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Told when members came, went or changed, or a policy was set. */
  onMembersChange(listener: () => void): () => void {
    this.#memberListeners.add(listener)
    return () => this.#memberListeners.delete(listener)
  }

  /** Told of this node's own entries once durable. */
  onOwnEntries(listener: (entries: readonly Entry[]) => void): () => void {
    this.#durableListeners.add(listener)
    return () => this.#durableListeners.delete(listener)
  }

  /**
   * Make an op: applied at once, durable after commit(). returns its dot.
   * throws the failure of an earlier commit: a node that could not sync must restart.
   */
  submit(op: Op): Dot {
    this.#throwIfFailed()
    const clear = isClearOp(op)
    if (
      this.#batch !== undefined &&
      (this.#batch.clear !== clear || this.#batch.ops.length >= BATCH_OPS_MAX)
    ) {
      this.#closeBatch()
    }
    const batch = (this.#batch ??= this.#openBatch(clear))
    const index = batch.ops.push(op) - 1
    const changes = emptyChanges()
    const dot = makeDot(this.#actor, batch.seq, index)
    // A grant is named by its entry's hash, known once the batch is closed: clear ops apply then.
    if (!clear) this.#applyOp(op, dot, makeStamp(batch.hlc, this.#actor, index), undefined, changes)
    this.#tell(changes, true)
    return dot
  }

  /**
   * Run several submits that others must see together: they end up in one entry.
   * More than BATCH_OPS_MAX ops in one go are still one entry.
   */
  atomically<Result>(run: () => Result): Result {
    if ((this.#batch?.ops.length ?? 0) > BATCH_OPS_MAX / 2) this.#closeBatch()
    return run()
  }

  /** Everything made and received so far is durable when this resolves. Concurrent calls share one sync. */
  async commit(): Promise<void> {
    this.#throwIfFailed()
    this.#closeBatch()
    if (!this.view.dirty) return this.#committing
    if (this.#committing === undefined) return (this.#committing = this.#runCommit())
    return (this.#nextCommit ??= this.#committing.then(
      () => this.#startNext(),
      () => this.#startNext(),
    ))
  }

  /** Waits while too much is applied and not yet durable. */
  async makeRoom(): Promise<void> {
    if (this.view.appliedBytes > UNCOMMITTED_BYTES_MAX) await this.commit()
  }

  /**
   * Take an entry of another node (or of this one, come back from a peer).
   * returns what became of it; 'applied' entries become durable with the next commit.
   * throws ShoalError for entries that can never be valid: 'malformed', 'bad-signature', 'not-a-member', 'fork'.
   */
  receive(entry: Entry): EntryVerdict {
    this.#throwIfFailed()
    if (entry.header.volume !== this.id)
      throw new ShoalError('malformed', 'an entry belongs to another volume')
    if (this.#batch !== undefined) this.#closeBatch()
    const verdict = checkEntry(entry, {
      actors: this.actors,
      membership: this.membership,
      hashOf: (actor, seq) => this.#entries.hash(actor, seq),
      wallMs: this.#world.clock.wall(),
    })
    if (verdict !== 'applied') return verdict
    const changes = emptyChanges()
    this.#apply(entry, readOps(entry, this.membership), changes)
    this.#tell(changes, false)
    return 'applied'
  }

  /** An entry of the log that is durable here, in wire form. */
  entryBytes(actor: ActorId, seq: number): Uint8Array | undefined {
    return this.#entries.bytes(actor, seq)
  }

  entry(actor: ActorId, seq: number): Entry | undefined {
    const bytes = this.entryBytes(actor, seq)
    return bytes === undefined ? undefined : decodeEntry(bytes)
  }

  /**
   * A peer holds more of this node's own chain than this node: it was restored from an old copy. Write on as a new
   * incarnation; the lost entries come back from the peer like anyone's (MEMO §1.3).
   */
  renewIncarnation(): void {
    this.#closeBatch()
    this.#origin = { publicKey: this.identity.publicKey, nonce: this.#world.random.bytes(16) }
    this.#actor = actorIdOf(this.id, this.#origin)
    this.view.put(ORIGIN_KEY, this.#origin.nonce)
  }

  /** Commit what is left and stop the timer. */
  async close(): Promise<void> {
    this.#batchTimer?.cancel()
    if (this.#failure === undefined) await this.commit()
    this.#batchTimer?.cancel()
  }

  #openBatch(clear: boolean): OpenBatch {
    this.#batchTimer ??= this.#world.clock.timer(BATCH_MS, () => {
      this.#batchTimer = undefined
      // A failed commit fails the volume: the next caller hears of it.
      this.commit().catch(() => undefined)
    })
    const seq = (this.actors.get(this.#actor)?.seq ?? 0) + 1
    return { seq, hlc: nextHlc(this.actors.hlc, this.#world.clock.wall()), clear, ops: [] }
  }

  #closeBatch(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    const known = this.actors.get(this.#actor)
    const member = this.membership.member(this.identity.peer)
    const epoch = this.membership.epoch
    const context = { volume: this.id, actor: this.#actor, seq: batch.seq, hlc: batch.hlc }
    const plain = encodeBatch(batch.ops)
    const secret = batch.clear ? undefined : this.membership.secret(epoch)
    if (!batch.clear && secret === undefined)
      throw new ShoalError('EACCES', 'this node has no key of the volume')
    const body =
      secret === undefined
        ? plain
        : sealBody(secret, context, plain, this.#world.random.bytes(SALT_BYTES))
    const entry = signEntry(
      this.identity,
      {
        ...context,
        prev: known?.hash,
        deps: this.actors.dependenciesFor(this.#actor),
        grant: member?.grant ?? (this.id as string as EntryHash),
        epoch,
        flags: batch.clear ? FLAG_CLEAR_BODY : 0,
        origin: known === undefined ? this.#origin : undefined,
      },
      body,
    )
    const changes = emptyChanges()
    this.#apply(entry, batch.clear ? batch.ops : [], changes)
    this.#uncommitted.push(entry)
  }

  /** Apply the ops of an entry and put it into the log. Own sealed ops were applied when they were made. */
  #apply(entry: Entry, ops: readonly (Op | undefined)[], changes: ChangeSet): void {
    const { actor, seq, hlc } = entry.header
    this.actors.advance(entry)
    ops.forEach((op, index) => {
      if (op !== undefined)
        this.#applyOp(op, makeDot(actor, seq, index), makeStamp(hlc, actor, index), entry, changes)
    })
    this.#entries.put(entry)
  }

  #applyOp(op: Op, dot: Dot, stamp: Stamp, entry: Entry | undefined, changes: ChangeSet): void {
    switch (op.kind) {
      case 'stripe':
        return this.stripes.apply(op.header, op.holders, stamp)
      case 'member':
      case 'member-info':
      case 'remove-member':
      case 'epoch':
      case 'policy': {
        const [actor = '', seq = ''] = dot.split(':')
        const hash = entry?.hash ?? ('' as EntryHash)
        this.membership.apply(op, { actor: actor as ActorId, seq: Number(seq), hash, stamp })
        for (const listener of this.#memberListeners) listener()
        return
      }
      default:
        return applyOp(this.view, this.#moves, op, { dot, stamp }, changes)
    }
  }

  #startNext(): Promise<void> {
    this.#nextCommit = undefined
    this.#closeBatch()
    return (this.#committing = this.#runCommit())
  }

  async #runCommit(): Promise<void> {
    const entries = this.#uncommitted
    this.#uncommitted = []
    const vector = this.actors.vector()
    try {
      await this.#store.commit(this.view.take())
    } catch (error) {
      this.view.restore()
      this.#uncommitted = [...entries, ...this.#uncommitted]
      if (!(error instanceof ShoalError) || error.code !== 'ENOSPC') this.#fail(error)
      throw error
    } finally {
      this.#committing = this.#nextCommit
    }
    this.view.settle()
    this.#durable = vector
    if (entries.length > 0) for (const listener of this.#durableListeners) listener(entries)
  }

  #fail(cause: unknown): void {
    const message =
      'the store could not make a write durable; restart the node, nothing acknowledged is lost'
    this.#failure = new ShoalError('EIO', message, { cause })
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #tell(changes: ChangeSet, local: boolean): void {
    if (changes.dirs.size + changes.inodes.size + changes.names.length === 0) return
    for (const listener of this.#listeners) listener(changes, local)
  }
}
