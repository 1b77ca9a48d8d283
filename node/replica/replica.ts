// A volume's log applied to an empty volume: its tree, members, stripes and actors. A function of
// the entries alone: replicas that took the same entries, each after its past, hold the same
// records. The state in use is one; others are made to compute a checkpoint, or to build a state
// anew.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromHex, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { dominates, equalVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { peerIdFromPublicKey } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../../protocol/ids.ts'
import { Branches } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { makeDot, makeStamp } from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import { isClear, isGoverning } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { decodeFork, encodeFork } from '../../protocol/log/fork.ts'
import type { Fork } from '../../protocol/log/fork.ts'
import { applyOp, emptyChanges } from '../../protocol/tree/apply.ts'
import { ensureRoot } from '../../protocol/tree/records.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { MOVE_PREFIX, MoveLog } from '../../protocol/tree/moves.ts'
import type { Op } from '../../protocol/op/op.ts'
import { translateOp } from '../../protocol/op/dots.ts'
import type { OpContext } from '../../protocol/tree/op-edit.ts'
import type { Garbage } from '../../protocol/tree/purge.ts'
import type { Eras } from '../../protocol/tree/retention.ts'
import { isAppender } from '../../protocol/roles.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { ActorTable, actorKey, decodeActor } from './actors.ts'
import type { Actor } from './actors.ts'
import { Ancestry } from './ancestry.ts'
import type { Place } from './ancestry.ts'
import { applyBackup } from './backup-announcements.ts'
import { StoredTree, clearTreeKey } from '../state/checkpoint-view.ts'
import type { Checkpoint } from './kept-checkpoint.ts'
import { EntryTable } from '../state/entries.ts'
import { readBody } from './entry-check.ts'
import type { BodyReading } from './entry-check.ts'
import { TELLTALES, garbageBy, purgeAll } from './purge-list.ts'
import type { Judge, Validity } from './validity.ts'
import type { CheckpointOp } from './listeners.ts'
import { CountedFiles } from '../state/counted-files.ts'
import { MemberInfos } from '../state/member-infos.ts'
import type { Membership } from './membership.ts'
import { applyRestated } from '../state/restated.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { applyDismissal, applyMassLoss, heldMoments } from '../state/mass-losses.ts'
import { applyPin } from '../state/pins.ts'
import { applySnapshot } from '../state/snapshots.ts'
import { prefixEnd } from '../state/state-view.ts'
import type { ReplicaView, StateView } from '../state/state-view.ts'
import { StripeTable } from '../shard-map/stripe-table.ts'

const GARBAGE_AT_ONCE = 4096
const NOTHING: VersionVector = new Map()
/** By actor what is known of its forks. */
const FORK: ByteString = STATE_PREFIXES.fork
/** A content that lost against a newer one, where such are not shown, can be had this long. */
const LOST_GRACE_MS: number = 30 * DAY_MS

/** The owner of a replica, and its volume. */
export interface ReplicaOwner {
  readonly volume: VolumeId
  /** One for all replicas of a volume: what governs it is not part of a state. */
  readonly membership: Membership
}

/** The base on which a replica is opened. */
export interface Ground {
  /** The volume's own view, in which the nodes of checkpoints are. */
  readonly stored: StateView
  /** The checkpoint from which its records were copied; the log below it may be dropped. */
  readonly base: Checkpoint | undefined
  /** Undefined: those in the records. */
  readonly branches?: Branches
}

/** The garbage of the state at a cut: objects gone at another cut that was known to all by then. */
export interface Oblivious {
  /** Clock of the cut. */
  readonly hlc: Hlc
  readonly deadBy: Hlc
  /** Contents that lost go, too, after a while. */
  readonly isLww: boolean
  /** By them former contents and removed names are kept. */
  readonly versions: {
    readonly eras: Eras
    /** Up to then what appenders ended may go; undefined: there never was one. */
    readonly sparedUpTo: Hlc | undefined
  }
}

interface Tables {
  readonly actors: ActorTable
  readonly branches: Branches
  readonly infos: MemberInfos
  readonly stripes: StripeTable
  readonly moves: MoveLog
  readonly files: CountedFiles
}

export class Replica {
  readonly view: ReplicaView
  readonly actors: ActorTable
  readonly branches: Branches
  readonly entries: EntryTable
  readonly ancestry: Ancestry
  readonly membership: Membership
  readonly infos: MemberInfos
  readonly stripes: StripeTable
  readonly moves: MoveLog
  readonly files: CountedFiles
  /** The newest checkpoint that this state goes on from. */
  checkpoint: Checkpoint | undefined
  /** Collects the announcements of cuts that it takes, by their entries, if this is set. */
  announced: Map<EntryHash, CheckpointOp> | undefined

  private constructor(view: ReplicaView, owner: ReplicaOwner, ground: Ground, tables: Tables) {
    const { volume, membership } = owner
    this.view = view
    this.actors = tables.actors
    this.branches = tables.branches
    this.membership = membership
    this.infos = tables.infos
    this.stripes = tables.stripes
    this.moves = tables.moves
    this.files = tables.files
    this.entries = new EntryTable(view, tables.branches)
    this.checkpoint = ground.base
    const key = clearTreeKey(volume)
    const keys = { clear: key, sealed: key }
    const atCheckpoint = (label: ActorId): Actor | undefined => {
      const tree = new StoredTree({ view: ground.stored, keys }, 'clear')
      const bytes = tree.get(this.checkpoint?.clear, actorKey(label))
      return bytes === undefined ? undefined : decodeActor(label, bytes)
    }
    const settled = (): VersionVector => this.settled
    this.ancestry = new Ancestry({ ...tables, entries: this.entries, settled, atCheckpoint })
  }

  /** The part of the log covered by the checkpoint. */
  get settled(): VersionVector {
    return this.checkpoint?.vector ?? NOTHING
  }

  /**
   * Name that the member behind an actor is said to have. Conflict names have it rather than the
   * name that is shown: they do not change when another comes who says the same, or when one goes.
   */
  readonly authorName = (actor: ActorId): string => {
    const peer = this.actors.get(actor)?.peer
    return peer === undefined ? 'unknown' : this.membership.saidName(peer)
  }

  static async open(view: ReplicaView, owner: ReplicaOwner, ground: Ground): Promise<Replica> {
    ensureRoot(view)
    const moves: (readonly [string, Uint8Array])[] = []
    for await (const move of view.scan(MOVE_PREFIX, prefixEnd(MOVE_PREFIX))) moves.push(move)
    const branches = ground.branches ?? (await readBranches(view))
    return new Replica(view, owner, ground, {
      actors: await ActorTable.open(view, branches),
      branches,
      infos: await MemberInfos.open(view),
      stripes: await StripeTable.open(view),
      moves: MoveLog.from(moves),
      files: await CountedFiles.open(view),
    })
  }

  /** The author of an entry, held or about to be. */
  authorOf({ header }: Entry): PeerId {
    const known = this.actors.get(header.actor)?.peer
    return known ?? peerIdFromPublicKey(header.origin?.publicKey ?? new Uint8Array(32))
  }

  /** The content of an entry, as far as this node may know it. */
  read(entry: Entry): BodyReading {
    return readBody(entry, this.authorOf(entry), this.membership)
  }

  /**
   * The label that an entry gets at its place; or what would be called otherwise for it: then the
   * state is to be built anew. settled: what a checkpoint has fixed the labels of.
   * throws ShoalError 'fork' for a branch too many, or one that came too late for its label.
   */
  nameAt(place: Place, { header, hash }: Entry, settled?: VersionVector): ActorId | Rename {
    const { label: parent, existing } = place
    if (existing === undefined) return parent
    const newcomer = { hash, hlc: header.hlc }
    const trial = new Branches(this.branches.forks())
    const { rename } = trial.add(parent, header.seq, existing, newcomer, settled)
    if (rename !== undefined) return rename
    const { label, fork } = this.branches.add(parent, header.seq, existing, newcomer, settled)
    this.view.put(forkKey(fork.actor), encodeFork(fork))
    return label
  }

  /** Does an entry count at its place? Everything in its past is taken. */
  standingOf(entry: Entry, place: Place, judge: Judge): Validity {
    const { hash, header } = entry
    const { seq, grant } = header
    const governs = isGoverning(header)
    const act = { id: hash, label: place.label, seq, peer: this.authorOf(entry), grant, governs }
    return judge.standingOf(act, this, () => this.ancestry.seenBy(place, entry))
  }

  /**
   * Take an entry under its label, with these of its ops as far as it counts; own sealed ops were
   * applied when they were made.
   * returns the ops as they were applied.
   */
  apply(
    entry: Entry,
    place: Place,
    ops: readonly (Op | undefined)[],
    changes: ChangeSet,
    standing: Validity = 'counts',
  ): readonly (Op | undefined)[] {
    const { label } = place
    const { seq, hlc } = entry.header
    // Which governing entries count is told by these alone, and may change.
    this.actors.advance(entry, place, standing !== 'counts' && !isGoverning(entry.header))
    const translated = this.#translated(label, ops)
    const applied = standing === 'counts' ? translated : translated.map(leftOver[standing])
    const { role } = this.membership.grant(entry.header.grant, this.authorOf(entry)) ?? {}
    const at = { covers: this.actors.coveredBy(label), isAppended: isAppender(role) }
    this.moves.batch(this.view, changes, () => {
      translated.forEach((op, index) => {
        if (op === undefined) return
        if (op.kind === 'checkpoint') this.announced?.set(entry.hash, op)
        const stamp = makeStamp(hlc, label, index)
        if (applied[index] !== undefined)
          this.applyOp(op, { ...at, dot: makeDot(label, seq, index), stamp }, changes)
      })
    })
    return applied
  }

  /** The ops of the last entry under a label, with all that they name called as it is here. */
  #translated(label: ActorId, ops: readonly (Op | undefined)[]): readonly (Op | undefined)[] {
    if (this.branches.isEmpty || ops.length === 0) return ops
    const past = this.actors.pastOf(label)
    const translate = this.branches.translation(past)
    return ops.map((op) => {
      if (op?.kind === 'snapshot') return { ...op, vector: this.branches.vectorBy(past, op.vector) }
      return op === undefined ? undefined : translateOp(op, translate)
    })
  }

  /** Apply one op. Those that govern are no part of a state. */
  applyOp(op: Op, context: OpContext, changes: ChangeSet): void {
    const { dot, stamp } = context
    switch (op.kind) {
      case 'stripe':
      case 'shards':
      case 'condemn':
      case 'sweep':
      case 'cold':
      case 'read':
        return this.stripes.apply(op, stamp)
      case 'doubt':
        return undefined
      case 'pin':
      case 'pin-cold':
        return applyPin(this.view, op, stamp)
      case 'restated':
        return applyRestated(this.view, op)
      case 'snapshot':
      case 'snapshot-rm':
      case 'snapshot-hold':
        return applySnapshot(this.view, op, stamp)
      case 'backup':
        return applyBackup(this.view, op, dot, stamp)
      case 'mass-loss':
        return applyMassLoss(this.view, op, dot, stamp)
      case 'dismiss-loss':
        return applyDismissal(this.view, op, stamp)
      case 'member-info':
        return this.infos.apply(op, stamp)
      case 'member':
      case 'remove-member':
      case 'epoch':
      case 'policy':
      // A cut says something once it counts.
      case 'checkpoint':
        return
      default:
        return this.files.add(applyOp(this.view, this.moves, op, context, changes))
    }
  }

  /**
   * Take an entry that was taken before, into another state. One that does not count says nothing
   * here: returns what it would have said.
   */
  replay(entry: Entry, place: Place, judge: Judge): readonly (Op | undefined)[] | undefined {
    const reading = this.read(entry)
    const ops = reading.kind === 'ops' ? reading.ops : []
    const standing = this.standingOf(entry, place, judge)
    this.apply(entry, place, ops, emptyChanges(), standing)
    return standing === 'counts' ? undefined : this.#translated(place.label, ops)
  }

  /** The same without what clear bodies say: for the sealed part of a state. */
  replaySealed(entry: Entry, place: Place, judge: Judge): void {
    const reading = isClear(entry.header) ? undefined : this.read(entry)
    const ops = reading?.kind === 'ops' ? reading.ops : []
    this.apply(entry, place, ops, emptyChanges(), this.standingOf(entry, place, judge))
  }

  /**
   * All entries up to `hlc` are taken, and every member has them: forget what only later ones would
   * need.
   */
  settle(hlc: Hlc): void {
    this.moves.forget(this.view, lastStamp(hlc))
  }

  /**
   * Some of what nobody can speak of any more, in the state at a cut. after: '' to begin, then
   * `next`; undefined when that was all. cost: O(what is gone, and conflicts).
   */
  async garbage(
    { hlc, deadBy, isLww, versions }: Oblivious,
    after: ByteString,
  ): Promise<{ garbage: readonly Garbage[]; next: ByteString | undefined }> {
    const garbage: Garbage[] = []
    if (deadBy === HLC_ZERO) return { garbage, next: undefined }
    const graceHlc = hlc - (BigInt(LOST_GRACE_MS) << 16n)
    // An appender could write beside an old content, for that to lose.
    const isLossy = isLww && versions.sparedUpTo === undefined
    const lostBy = isLossy ? ((graceHlc < deadBy ? graceHlc : deadBy) as Hlc) : undefined
    const moments = isPlanted('mass-loss-holds-nothing') ? [] : await heldMoments(this.view)
    const history = { ...versions, at: hlc, moments }
    for (const prefix of TELLTALES) {
      const from = after < prefix ? prefix : `${after}\0`
      if (from >= prefixEnd(prefix)) continue
      for await (const record of this.view.scan(from, prefixEnd(prefix))) {
        garbage.push(...garbageBy(this, record, { deadBy, lostBy, history }))
        if (garbage.length >= GARBAGE_AT_ONCE) return { garbage, next: record[0] }
      }
    }
    return { garbage, next: undefined }
  }

  /** Forget it, in this state or in one that goes on from it. */
  purge(garbage: readonly Garbage[]): void {
    purgeAll(this, garbage)
  }

  /**
   * Is an announcement, in the last entry under `label`, of a cut that its writer held, and does it
   * say truly what its writer knew? One that does not is ignored, on every replica: what it covers
   * would be taken for settled.
   */
  isSound(op: CheckpointOp, label: ActorId): boolean {
    const { actors, ancestry, branches, membership } = this
    const past = actors.pastOf(label)
    const { hlc, seq } = actors.get(label) ?? { hlc: HLC_ZERO, seq: 0 }
    if (op.hlc >= hlc || !dominates(past, branches.vectorBy(past, op.vector))) return false
    const held = new Map(branches.vectorBy(past, op.held))
    branches.see(held, label, seq)
    if (!equalVectors(held, past)) return false
    const { dag } = membership.governance
    const known = dag.upTo(op.governed)
    return (
      dag.missingOf(op.governed) === undefined &&
      [...dag.all()].every((act) => known.has(act.id) === ancestry.covers(past, act))
    )
  }
}

/**
 * The remaining effect of an entry that does not count: of one that is void, that it announces a
 * cut. Others have gone by that, and may have dropped what lies below.
 */
const leftOver = {
  late: (): undefined => undefined,
  void: (op: Op | undefined): Op | undefined => (op?.kind === 'checkpoint' ? op : undefined),
}

/** The greatest stamp with this clock. */
function lastStamp(hlc: Hlc): Stamp {
  return makeStamp(hlc, 'f'.repeat(32) as ActorId, 0xffff)
}

export function forkKey(actor: ActorId): ByteString {
  return FORK + toByteString(fromHex(actor))
}

async function readBranches(view: ReplicaView): Promise<Branches> {
  const forks: Fork[] = []
  for await (const [, value] of view.scan(FORK, prefixEnd(FORK))) forks.push(decodeFork(value))
  return new Branches(forks)
}
