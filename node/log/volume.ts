// One volume on this node: its log, and the state that the log tells. Invariants:
//   an op is applied when it is made or received: whole entries, each after its causal past
//   state and entries become durable together, in one group commit, data first (store.commit)
//   an entry leaves this node only after its own commit: no crash takes back what others saw. What
//     outlives a killed process before that is the journal's (volume-journal.ts)
//   a received entry closes the open batch first: no op sees what its entry does not point to
import type { ByteString } from '../../protocol/bytes.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Branches } from '../../protocol/log/branches.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { decodeGenesis, volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Genesis } from '../../protocol/membership/genesis.ts'
import type { Identity } from '../../protocol/signed.ts'
import type { Claim } from '../../protocol/log/stability.ts'
import { emptyChanges } from '../../protocol/tree/apply.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { isGrowing } from '../../protocol/log/growth.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { OpContext } from '../../protocol/tree/op-edit.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { KvWrite } from '../store/kv.ts'
import type { ActorTable } from '../replica/actors.ts'
import type { Place } from '../replica/ancestry.ts'
import type { Attestations } from '../replica/attestations.ts'
import type { Checkpoint } from '../replica/kept-checkpoint.ts'
import type { Beacons } from './beacons.ts'
import { Cuts } from '../replica/cuts.ts'
import { checkEntry, isNews } from '../replica/entry-check.ts'
import type { EntryVerdict } from '../replica/entry-check.ts'
import type { EntryTable } from '../state/entries.ts'
import { Forks } from '../replica/forks.ts'
import { applySideEffects } from './side-effects.ts'
import { BackgroundCommits } from './journal/background-commits.ts'
import { VolumeCommit } from './volume-commit.ts'
import { VolumeJournal } from './journal/volume-journal.ts'
import { GrowthLimits, full } from './growth-limits.ts'
import type { Validity } from '../replica/validity.ts'
import { VolumeEvents } from '../replica/listeners.ts'
import type { Membership } from '../replica/membership.ts'
import { openParts } from './opened-parts.ts'
import type { OpenedParts, VolumeComponents } from './opened-parts.ts'
import { OwnEntries } from './own-entries.ts'
import type { KeptBatch, Replayed } from './journal/journal-replay.ts'
import { isAlwaysSynced, isStrong } from './settings.ts'
import { Removals } from '../replica/removals.ts'
import type { Replica, ReplicaOwner } from '../replica/replica.ts'
import { AcknowledgedFrontier } from './acknowledged-frontier.ts'
import { StateView } from '../state/state-view.ts'
import { StoppedEntry, halted } from './stopped-entry.ts'
import type { Named } from './stopped-entry.ts'
import { cannotWrite, noteOf } from './stranded.ts'
import { VolumeTime } from './volume-time.ts'
import type { Stranded } from './stranded.ts'
import { OrphanNodes } from './orphan-nodes.ts'
import type { StripeTable } from '../shard-map/stripe-table.ts'
import { takeEntry } from './take-entry.ts'
import { Tentative } from './tentative.ts'

export class Volume {
  readonly id: VolumeId
  readonly genesis: Genesis
  readonly genesisBytes: Uint8Array
  readonly identity: Identity
  readonly view: StateView
  readonly membership: Membership
  readonly cuts: Cuts
  readonly attestations: Attestations
  readonly removals: Removals
  readonly tentative: Tentative
  readonly beacons: Beacons
  readonly orphanNodes: OrphanNodes
  readonly acknowledged: AcknowledgedFrontier
  readonly forks: Forks
  readonly growth: GrowthLimits
  readonly stop: StoppedEntry
  readonly time: VolumeTime
  readonly events: VolumeEvents = new VolumeEvents()
  readonly #own: OwnEntries
  #replica: Replica
  readonly #commits: VolumeCommit
  readonly #journal: VolumeJournal
  readonly #background: BackgroundCommits
  #stranded: Stranded | undefined

  private constructor(
    { world, store, identity, version = '', isCareful = false }: VolumeComponents,
    { genesisBytes, record }: { genesisBytes: Uint8Array; record: readonly KvWrite[] },
    { view, membership, replica, claims, attestations, replayed }: OpenedParts,
  ) {
    this.id = volumeIdOf(genesisBytes)
    this.genesis = decodeGenesis(genesisBytes)
    this.genesisBytes = genesisBytes
    this.identity = identity
    this.view = view
    this.membership = membership
    this.attestations = attestations
    this.cuts = new Cuts(view, { isEmpty: replica.actors.vector().size === 0 })
    const inUse = { view, membership, replica: () => this.#replica, cuts: this.cuts }
    this.removals = new Removals(inUse)
    this.forks = new Forks({ ...inUse, removals: this.removals })
    this.beacons = claims
    this.orphanNodes = new OrphanNodes(view, world.clock)
    this.acknowledged = new AcknowledgedFrontier(view)
    this.#replica = replica
    membership.describeBy(() => this.#replica.infos)
    const [commit, keep] = [() => this.commit(), () => this.keep()]
    this.#background = new BackgroundCommits({ ...world, commit, keep })
    const { random } = world
    const open = (): KeptBatch | undefined => this.#own.open
    const check = (): void => this.#commits.check()
    const journaled = { store, view, random, open, commit, check }
    const journal = (this.#journal = new VolumeJournal(journaled, replayed))
    const close = (): void => this.endBatch()
    const claim = (): Claim => ({ vector: this.actors.vector(), hlc: this.actors.hlc })
    const { note } = this.events
    this.#commits = new VolumeCommit({ store, view, close, claim, journal, note }, record)
    const others = (): PeerId[] | undefined => membership.writersBeside(identity.peer)
    const time = (this.time = new VolumeTime({ clock: world.clock, others }))
    const parts = { world, time, identity, volume: this.id, view, replica: () => this.#replica }
    this.#own = new OwnEntries({
      ...parts,
      opened: (inMs) => this.#background.ringIn(inMs),
      log: (entry, ops) => this.#log(entry, ops),
      submitted: (op, context) => this.#submitted(op, context),
    })
    this.growth = new GrowthLimits({ volume: this, time, isFull: () => store.isFull === true })
    this.stop = new StoppedEntry({ view, store, clock: world.clock, version, isCareful })
    this.stop.examine((...at) => replica.ancestry.locate(...at) !== undefined)
    const durable = (): Claim => this.#commits.durable
    const take = (entry: Entry): EntryVerdict => this.receive(entry)
    const tell = (entry: Entry): void => this.#commits.add(entry)
    this.tentative = new Tentative({ ...parts, cuts: this.cuts, close, durable, take, tell })
  }

  /**
   * tag: two chars that tell this volume's keys from others' in the store.
   * record: makes a new volume known to the store; durable with the first commit, or nothing is.
   * All that a killed run had kept is durable when this resolves.
   */
  static async open(
    components: VolumeComponents,
    genesisBytes: Uint8Array,
    tag: ByteString,
    record: readonly KvWrite[] = [],
  ): Promise<Volume> {
    const view = new StateView(components.store.kv, tag)
    await view.sweep()
    const named = { id: volumeIdOf(genesisBytes), genesis: decodeGenesis(genesisBytes) }
    const parts = await openParts(view, components, { ...named, tag })
    const volume = new Volume(components, { genesisBytes, record }, parts)
    await volume.#resume(parts.replayed)
    return volume
  }

  /** Goes on from what a killed run had kept. */
  async #resume({ count, batch }: Replayed): Promise<void> {
    if (count === 0) return
    this.#commits.forget()
    if (batch !== undefined) this.#own.resume(batch)
    await this.commit()
  }

  /** For other replicas of the same. */
  get owner(): ReplicaOwner {
    return { volume: this.id, membership: this.membership }
  }

  /** The state made of the log. Another one after adopt(). */
  get replica(): Replica {
    return this.#replica
  }

  get stripes(): StripeTable {
    return this.#replica.stripes
  }

  get actors(): ActorTable {
    return this.#replica.actors
  }

  get entries(): EntryTable {
    return this.#replica.entries
  }

  get branches(): Branches {
    return this.#replica.branches
  }

  /** The newest checkpoint that is durable here. */
  get checkpoint(): Checkpoint | undefined {
    return this.#replica.checkpoint
  }

  set checkpoint(checkpoint: Checkpoint | undefined) {
    this.#replica.checkpoint = checkpoint
  }

  /** This node's actor now. */
  get actor(): ActorId {
    return this.#own.actor
  }

  /** The durable part of the log, which others may be told of. */
  durableVector(): VersionVector {
    return this.#commits.durable.vector
  }

  /** The same as a promise: this node's next entry will have a greater clock. */
  durableClaim(): Claim {
    return this.tentative.heldClaim ?? this.#commits.durable
  }

  /** Name that the member behind an actor is said to have, for conflict names. */
  readonly authorName = (actor: ActorId): string => this.#replica.authorName(actor)

  /** Told of this node's own entries once durable. */
  onOwnEntries(listener: (entries: readonly Entry[]) => void): () => void {
    return this.#commits.onDurable(listener)
  }

  /**
   * Applies an op at once; it is durable after commit(). returns its dot. throws without effect:
   * 'ENOSPC' (the node is full), 'EACCES', 'ESTALE' (no role yet by the log here), 'EINVAL' and
   * 'EFBIG' (the format cannot hold it), and why an earlier commit failed: the node must restart.
   */
  submit(op: Op): Dot {
    this.#commits.check()
    if (this.#stranded !== undefined) throw cannotWrite(this.#stranded, this.membership)
    if (isGrowing(op) && this.growth.isFull) throw full()
    if (this.tentative.isOpen) return this.tentative.submit(op)
    return this.#own.submit(op)
  }

  /** Others dropped entries that it lacks: nothing is written until it knows whom to believe. */
  strand(stranded: Stranded | undefined): void {
    if (stranded !== undefined && this.#stranded === undefined)
      this.events.note.tell(...noteOf(stranded, this.membership))
    this.#stranded = stranded
  }

  get stranded(): Stranded | undefined {
    return this.#stranded
  }

  /** Puts the ops that `run` submits into one entry, if half a batch can hold them. */
  atomically<Result>(run: () => Result): Result {
    return this.#own.atomically(run)
  }

  /** Makes durable all that was made and received so far. Concurrent calls share one sync. */
  commit(): Promise<void> {
    return this.#commits.commit()
  }

  /**
   * Keeps what was made so far: it outlives this process, and a power loss soon, with `sync` now.
   * throws as commit().
   */
  async keep({ sync = false }: { sync?: boolean } = {}): Promise<void> {
    if (!this.#commits.isBegun || isStrong(this)) return this.commit()
    await (sync || isAlwaysSynced(this) ? this.#journal.sync() : this.#journal.keep())
    this.#background.soon()
  }

  /** Waits while too much is applied and not yet durable. */
  makeRoom(): Promise<void> {
    return this.#commits.makeRoom()
  }

  /**
   * Takes an entry from a peer. isVerified: its signature is known to be its author's. payer: who
   * is charged for the log's growth, if not its author. 'applied' entries become durable with the
   * next commit. throws ShoalError for one that can never be valid: 'malformed', 'bad-signature',
   * 'not-a-member', 'fork'.
   */
  receive(
    entry: Entry,
    { isVerified = false, payer }: { isVerified?: boolean; payer?: PeerId } = {},
  ): EntryVerdict {
    this.#commits.check()
    const { header } = entry
    if (header.volume !== this.id)
      throw new ShoalError('malformed', 'an entry belongs to another volume')
    if (!isPlanted('received-joins-batch')) this.endBatch()
    const replica = this.#replica
    const found = checkEntry(entry, { replica, nowMs: this.time.now(), isVerified })
    // This node has forgotten the entry, or a copy of it made it: never number on after that.
    if (header.actor === this.actor && isNews(entry, found, this.identity)) this.#own.renew()
    if (typeof found === 'string') return found
    return takeEntry(this, entry, found, payer)
  }

  /**
   * Writes on as a new incarnation: the node may have been restored from an old copy. Entries that
   * it has forgotten come back from peers like anyone's.
   */
  renewIncarnation(): void {
    this.#own.renew()
  }

  /** Writes on as other actors where the state in use lacks the end of this node's chains. */
  renewIfForgotten(before: ActorTable): void {
    const isAsBefore = (id: ActorId): boolean => this.actors.get(id)?.hash === before.get(id)?.hash
    // Also one of which nothing was here.
    if (!isAsBefore(this.actor)) this.#own.renew()
    for (const { id } of before.all()) if (!isAsBefore(id)) this.tentative.forked(id)
  }

  /**
   * Switches to a state that was built beside this one. `complete` runs with the batch closed and
   * no write under way, and adds what the new one lacks; what it returns runs after the switch. All
   * of that becomes durable together, by the write after the one that is under way now.
   */
  adopt(next: { view: StateView; replica: Replica }, complete: () => () => void): Promise<void> {
    return this.#commits.atNext(() => {
      const after = complete()
      const afterReset = this.events.beginReset()
      this.view.adopt(next.view)
      this.#replica = next.replica
      this.#commits.forget()
      after()
      afterReset()
      this.events.members.tell()
    })
  }

  /** An entry without ops that points to all heads. */
  merge(): void {
    this.#own.merge()
  }

  /** Commit what is left; nothing is taken after that. */
  async close(): Promise<void> {
    if (!this.#commits.failed) await this.commit()
    await this.stop.written
    this.#background.stop()
    await this.#journal.close()
    this.#commits.close()
  }

  /** Closes the batch: ops submitted so far become an entry of their own, or several. */
  endBatch(): void {
    this.#own.end()
  }

  /** An op is in the open batch. */
  #submitted(op: Op, context: OpContext | undefined): void {
    const changes = emptyChanges()
    if (context !== undefined) this.#replica.applyOp(op, context, changes)
    if (context !== undefined) applySideEffects(this, [op], this.actor)
    this.events.change.tell(changes, true)
  }

  /** Take an entry of this node's own. */
  #log(entry: Entry, ops: readonly Op[]): void {
    const { actor, deps } = entry.header
    const before = this.actors.get(actor)
    const place = { label: actor, before, deps, existing: undefined }
    const isDue = this.removals.add(entry, place)
    try {
      this.apply(entry, place, ops, emptyChanges())
    } catch (error) {
      throw this.halt(undefined, error)
    }
    this.#commits.add(entry)
    if (isDue) this.forks.tell()
  }

  /**
   * Stops the volume at an entry that was half applied: nothing of it becomes durable, nor what was
   * made since the last commit. returns what to throw.
   */
  halt(at: Named | undefined, cause: unknown): ShoalError {
    this.#own.drop()
    this.stop.halt(at, cause)
    const failure = halted(cause)
    this.#commits.stop(failure)
    this.events.note.tell('log.halted', { entry: at?.entry, cause: String(cause) })
    const { message } = failure
    this.events.security.tell({ kind: 'volume-stopped', peer: at?.author, message })
    return failure
  }

  /** Logs an entry and applies its ops; own sealed ones were applied when they were made. */
  apply(
    entry: Entry,
    place: Place,
    ops: readonly (Op | undefined)[],
    changes: ChangeSet,
    standing?: Validity,
  ): void {
    const applied = this.#replica.apply(entry, place, ops, changes, standing)
    this.entries.put(place.label, entry)
    applySideEffects(this, applied, place.label)
  }
}
