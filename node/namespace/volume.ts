// One volume on this node: its log, and the state that the log tells. Invariants:
//   an op is applied the moment it is made or received, whole entries at a time, each after its causal past
//   state and entries become durable together, in one group commit, data first (store.commit)
//   an entry leaves this node only after its own commit; so a crash never takes back what others have seen
//   entries from elsewhere close the open batch first, so an op never sees what its entry does not point to
import type { ByteString } from '../../protocol/bytes.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { encodeChecked } from '../../protocol/log/batch.ts'
import { makeDot, makeStamp } from '../../protocol/log/dot.ts'
import type { Dot, Stamp } from '../../protocol/log/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { decodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import { applyOp, emptyChanges, ensureRoot } from '../../protocol/tree/apply.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { MOVE_PREFIX, MoveLog } from '../../protocol/tree/moves.ts'
import { isClearOp } from '../../protocol/tree/op.ts'
import type { Op } from '../../protocol/tree/op.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { KvWrite } from '../store/kv.ts'
import type { Store } from '../store/store.ts'
import type { Timer, World } from '../world/world.ts'
import { ActorTable } from './actors.ts'
import { Author } from './author.ts'
import { checkEntry, readBody } from './entry-check.ts'
import type { EntryVerdict } from './entry-check.ts'
import { EntryTable } from './entries.ts'
import { GroupCommit } from './group-commit.ts'
import { Membership } from './membership.ts'
import { OpenBatch } from './open-batch.ts'
import { StateView, prefixEnd } from './state-view.ts'
import { StripeTable } from './stripes.ts'

/** A batch closes this long after its first op, in ms. */
const BATCH_MS = 20
/** Applied but uncommitted state beyond this makes writers wait for a commit. */
const UNCOMMITTED_BYTES_MAX = 8 * 1024 * 1024

export interface VolumeComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly store: Pick<Store, 'kv' | 'commit'>
  readonly identity: Identity
}

/** Told of each change of the tree, at once when it is applied. `local`: made on this node. */
export type ChangeListener = (changes: ChangeSet, local: boolean) => void
/** Told of what a person should know, with its details. */
export type NoteListener = (message: string, fields: Record<string, unknown>) => void

export class Volume {
  readonly id: VolumeId
  readonly genesis: Genesis
  readonly genesisBytes: Uint8Array
  readonly identity: Identity
  readonly view: StateView
  readonly membership: Membership
  readonly stripes: StripeTable
  readonly actors: ActorTable
  readonly #world: VolumeComponents['world']
  readonly #author: Author
  readonly #moves: MoveLog
  readonly #entries: EntryTable
  readonly #listeners = new Set<ChangeListener>()
  readonly #memberListeners = new Set<() => void>()
  readonly #noteListeners = new Set<NoteListener>()
  readonly #commits: GroupCommit
  #batch: OpenBatch | undefined
  #batchTimer: Timer | undefined

  private constructor(
    { world, store, identity }: VolumeComponents,
    { genesisBytes, record }: { genesisBytes: Uint8Array; record: readonly KvWrite[] },
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
    const { view, actors, membership } = tables
    const close = (): void => this.#closeBatch()
    const vector = (): VersionVector => actors.vector()
    this.#commits = new GroupCommit({ store, view, close, vector }, record)
    this.#author = new Author({ world, identity, volume: this.id, view, actors, membership })
  }

  /**
   * tag: two chars that tell this volume's keys from others' in the store.
   * record: what makes a new volume known to the store; becomes durable with the first commit, or nothing does.
   */
  static async open(
    components: VolumeComponents,
    genesisBytes: Uint8Array,
    tag: ByteString,
    record: readonly KvWrite[] = [],
  ): Promise<Volume> {
    const view = new StateView(components.store.kv, tag)
    ensureRoot(view)
    const moves: (readonly [ByteString, Uint8Array])[] = []
    for await (const move of view.scan(MOVE_PREFIX, prefixEnd(MOVE_PREFIX))) moves.push(move)
    const id = volumeIdOf(genesisBytes)
    return new Volume(
      components,
      { genesisBytes, record },
      {
        view,
        membership: await Membership.open(
          view,
          components.identity,
          id,
          decodeGenesis(genesisBytes),
        ),
        stripes: await StripeTable.open(view),
        actors: await ActorTable.open(view),
        moves: MoveLog.from(moves),
      },
    )
  }

  /** This node's actor now. */
  get actor(): ActorId {
    return this.#author.actor
  }

  /** What is durable here; what others may be told of. */
  durableVector(): VersionVector {
    return this.#commits.durable
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

  /** Told of entries of the log that need somebody's attention. */
  onNote(listener: NoteListener): () => void {
    this.#noteListeners.add(listener)
    return () => this.#noteListeners.delete(listener)
  }

  /** Told of this node's own entries once durable. */
  onOwnEntries(listener: (entries: readonly Entry[]) => void): () => void {
    return this.#commits.onDurable(listener)
  }

  /**
   * Make an op: applied at once, durable after commit(). returns its dot. An op that throws had no effect.
   * throws ShoalError 'EACCES' for an op this node may not make, 'EINVAL' and 'EFBIG' for one its format cannot hold,
   * and the failure of an earlier commit: a node that could not sync must restart.
   */
  submit(op: Op): Dot {
    this.#commits.check()
    this.#author.checkRight(op)
    const encoded = encodeChecked(op)
    const clear = isClearOp(op)
    const open = this.#batch
    if (open?.clear !== clear || !open.hasRoom(encoded.length)) this.#closeBatch()
    const batch = (this.#batch ??= this.#openBatch(clear))
    const index = batch.add(op, encoded)
    const changes = emptyChanges()
    const dot = makeDot(this.actor, batch.seq, index)
    // A grant is named by its entry's hash, known once the batch is closed: clear ops apply then.
    if (!clear) this.#applyOp(op, dot, makeStamp(batch.hlc, this.actor, index), undefined, changes)
    this.#tell(changes, true)
    return dot
  }

  /** Run a few submits of ops that others must see together: they end up in one entry, if half a batch can hold them. */
  atomically<Result>(run: () => Result): Result {
    if (this.#batch?.isHalfFull === true) this.#closeBatch()
    return run()
  }

  /** Everything made and received so far is durable when this resolves. Concurrent calls share one sync. */
  commit(): Promise<void> {
    return this.#commits.commit()
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
    this.#commits.check()
    const { header } = entry
    if (header.volume !== this.id)
      throw new ShoalError('malformed', 'an entry belongs to another volume')
    if (this.#batch !== undefined) this.#closeBatch()
    const verdict = checkEntry(entry, {
      actors: this.actors,
      membership: this.membership,
      entries: this.#entries,
      wallMs: this.#world.clock.wall(),
    })
    if (verdict !== 'applied') return verdict
    const author = this.#authorOf(entry)
    const reading = readBody(entry, author, this.membership)
    if (reading.kind === 'missing-key') {
      const message =
        'this node was not given a key that others write with: ask an admin for a new ticket and join again'
      this.#note(message, { author, epoch: header.epoch })
      return 'missing-key'
    }
    if (reading.kind === 'unreadable') {
      const { message } = reading.cause
      this.#note('an entry says nothing that can be read', { author, entry: entry.hash, message })
    }
    // It wrote on where this node has forgotten that it did, or a copy of this node did: never number on after that.
    if (header.actor === this.actor) this.#author.renew()
    const changes = emptyChanges()
    this.#apply(entry, reading.kind === 'ops' ? reading.ops : [], changes)
    this.#tell(changes, false)
    return 'applied'
  }

  /** An entry of the log that is durable here, in wire form. */
  entryBytes(actor: ActorId, seq: number): Uint8Array | undefined {
    return this.#entries.bytes(actor, seq)
  }

  entry(actor: ActorId, seq: number): Entry | undefined {
    return this.#entries.entry(actor, seq)
  }

  /**
   * A peer holds more of this node's own chain than this node: it was restored from an old copy. Write on as a new
   * incarnation; the lost entries come back from the peer like anyone's (MEMO §1.3).
   */
  renewIncarnation(): void {
    this.#closeBatch()
    this.#author.renew()
  }

  /** Commit what is left and stop the timer. */
  async close(): Promise<void> {
    this.#batchTimer?.cancel()
    if (!this.#commits.failed) await this.commit()
    this.#batchTimer?.cancel()
  }

  #openBatch(clear: boolean): OpenBatch {
    this.#batchTimer ??= this.#world.clock.timer(BATCH_MS, () => {
      this.#batchTimer = undefined
      // A failed commit fails the volume: the next caller hears of it.
      this.commit().catch(() => undefined)
    })
    for (let entry = this.#author.catchUp(); entry !== undefined; entry = this.#author.catchUp())
      this.#log(entry, [])
    return new OpenBatch({ seq: this.#author.nextSeq(), hlc: this.#author.nextHlc(), clear })
  }

  #closeBatch(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    this.#log(this.#author.makeEntry(batch), batch.clear ? batch.ops : [])
  }

  /** Take an entry of this node's own. */
  #log(entry: Entry, ops: readonly Op[]): void {
    this.#apply(entry, ops, emptyChanges())
    this.#commits.add(entry)
  }

  #authorOf({ header }: Entry): PeerId {
    const known = this.actors.get(header.actor)?.peer
    return known ?? peerIdFromPublicKey(header.origin?.publicKey ?? new Uint8Array(32))
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

  #note(message: string, fields: Record<string, unknown>): void {
    for (const listener of this.#noteListeners) listener(message, fields)
  }

  #tell(changes: ChangeSet, local: boolean): void {
    if (changes.dirs.size + changes.inodes.size + changes.names.length === 0) return
    for (const listener of this.#listeners) listener(changes, local)
  }
}
