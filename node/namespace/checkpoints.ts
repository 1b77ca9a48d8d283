// Checkpoints of one volume: when one is due, who makes it, that all get the same, and dropping the log below it once
// most members have it. Cost of each: O(what was written since the last). Invariants:
//   a cut is announced only when every member that is waited for holds it all durably, and nothing can come below it
//   a checkpoint is durable here before this node says that it has it, and before anything of the log is dropped
import { dominates, equalVectors } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { stampHlc } from '../../protocol/log/dot.ts'
import { stableClock } from '../../protocol/log/stability.ts'
import type { Claim, Cut } from '../../protocol/log/stability.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { mayWrite } from '../../protocol/membership/roles.ts'
import { DAY_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint, FetchedCheckpoint } from './checkpoint.ts'
import type { AnnouncedCut, CutState } from './cuts.ts'
import { isOf } from './claims.ts'
import { NO_CHECKPOINT, computeCheckpoint, treesOf } from './compute-checkpoint.ts'
import { rebuild } from './rebuild.ts'
import type { Replica } from './replica.ts'
import { awayMsOf, checkpointEntriesOf, historyOf } from './settings.ts'
import type { CheckpointOp } from './listeners.ts'
import type { Volume } from './volume.ts'

const LOOK_MS: number = MINUTE_MS
/** Fewer new entries than this are not worth a checkpoint, however old the last one is. */
const ENTRIES_MIN = 16
/** A member whose turn it is not waits this long for each one before it. */
const TURN_MS: number = DAY_MS

type Computed = Awaited<ReturnType<typeof computeCheckpoint>>

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /** So many entries since the last one, or as many as the volume's setting says... */
  readonly entries: number
  /** ...or some, and so long ago. */
  readonly everyMs: number
  /** Default: TURN_MS. */
  readonly turnMs?: number
}

export interface CheckpointsComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'network'>
  readonly volume: Volume
  /** There is a newer checkpoint here than beacons said. */
  readonly onNew: () => void
  /** The log here goes on from a checkpoint that does not count: another's is to be fetched. */
  readonly onBehind: () => void
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Checkpoints {
  readonly #c: CheckpointsComponents
  readonly #options: CheckpointOptions
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #unlisten: readonly (() => void)[] = []
  /** One thing at a time: computing, rebuilding, dropping. */
  #last: Promise<void> = Promise.resolve()
  /** Since when a checkpoint is due that it is others' turn to make. */
  #dueSince: number | undefined
  #differsMs: WallTime | undefined

  constructor(components: CheckpointsComponents, options: CheckpointOptions) {
    this.#c = components
    this.#options = options
  }

  start(): void {
    const { volume } = this.#c
    this.#unlisten = [
      volume.events.checkpoint.add((op) => this.#inTurn(() => this.#heed(op))),
      volume.forks.onChange(() => this.#inTurn(() => this.#takeForks())),
    ]
    void this.#inTurn(() => this.#follow())
    this.#plan()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    this.#timer?.cancel()
    for (const unlisten of this.#unlisten) unlisten()
    await this.#last
  }

  /** Time of the newest cut that was compared, if this node has another state there than a member announced. */
  get differsMs(): WallTime | undefined {
    return this.#differsMs
  }

  /** Take up a checkpoint that was fetched from a peer, in place of a log that others no longer have. */
  install(fetched: FetchedCheckpoint, from: PeerId): Promise<void> {
    return this.#inTurn(async () => {
      const { volume, world } = this.#c
      checkSource(volume, from)
      for (const cut of fetched.cuts) volume.cuts.add(cut)
      const { checkpoint, cuts } = volume
      const place = checkpoint === undefined ? -1 : cuts.placeOf(checkpoint)
      if (cuts.placeOf(fetched) <= place) return
      await rebuild({ volume, ...world }, fetched, { signal: this.#stop.signal })
      this.#c.onNew()
    })
  }

  /** Do what is due now. */
  look(): Promise<void> {
    return this.#inTurn(() => this.#look())
  }

  #plan(): void {
    const { clock, random } = this.#c.world
    this.#timer = clock.timer(LOOK_MS * (0.5 + random.number()), () => {
      void this.look().then(() => this.#plan())
    })
  }

  /** Failures are for the next occasion, but for those that end the volume, which its users hear of. */
  #inTurn(run: () => Promise<void>): Promise<void> {
    const guarded = async (): Promise<void> => {
      if (this.#stop.signal.aborted) return
      try {
        await run()
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#c.log('a checkpoint failed', { error: String(error) })
      }
    }
    this.#last = this.#last.then(guarded)
    return this.#last
  }

  async #look(): Promise<void> {
    await this.#follow()
    const cut = this.#dueCut()
    if (cut !== undefined && this.#isMyTurn()) await this.#make(cut)
    if (cut === undefined) this.#dueSince = undefined
    await this.#dropLog()
    await this.#mergeHeads()
    await this.#sweepNodes()
  }

  /** The cut to make a checkpoint at, if one is due. */
  #dueCut(): Cut | undefined {
    const { volume, world } = this.#c
    const held = volume.durableClaim()
    const base = volume.checkpoint ?? NO_CHECKPOINT
    // Not in a state that is to be another.
    if (!volume.cuts.areJudged) return undefined
    const claims = this.#claims()
    if (claims === undefined) return undefined
    const hlcAt = (actor: ActorId, seq: number): Hlc =>
      volume.entries.hlc(actor, Math.max(seq, volume.branches.firstSeq(actor))) ?? HLC_ZERO
    const hlc = volume.forks.wholeUpTo(stableClock(held, claims, hlcAt))
    if (hlc <= base.hlc) return undefined
    const vector = new Map<ActorId, number>()
    let count = 0
    for (const [actor, seq] of held.vector) {
      const from = base.vector.get(actor) ?? 0
      const last = volume.entries.lastUpTo(hlc, actor, from + 1, seq)
      if (last > 0) vector.set(actor, last)
      count += last - from
    }
    const ageMs = world.clock.wall() - hlcMillis(base.hlc)
    const enough = Math.min(this.#options.entries, checkpointEntriesOf(volume))
    const isDue = count >= enough || (count >= ENTRIES_MIN && ageMs >= this.#options.everyMs)
    return isDue ? { hlc, vector } : undefined
  }

  /**
   * What the others claim, of those that are waited for; undefined while one of them was not heard at all, or these are
   * too few: two cuts that are announced apart have somebody in common, who confirmed one of them first.
   */
  #claims(): Claim[] | undefined {
    const { volume } = this.#c
    const claims: Claim[] = []
    const waitedFor = this.#waitedFor()
    if (!this.#isQuorum(waitedFor.map(({ peer }) => peer))) return undefined
    for (const member of waitedFor) {
      const claim = volume.claims.of(member.peer)
      if (claim === undefined) return undefined
      claims.push(claim)
    }
    return claims
  }

  /** Members other than this one that were heard of, or admitted, not too long ago. */
  #waitedFor(): Member[] {
    const { volume, world } = this.#c
    const sinceMs = world.clock.wall() - awayMsOf(volume)
    return volume.membership.members().filter(({ peer, granted }) => {
      const heardMs = volume.claims.of(peer)?.heardMs ?? hlcMillis(stampHlc(granted))
      return peer !== volume.identity.peer && heardMs >= sinceMs
    })
  }

  /** Are these and this node so many of the members that any two such groups share one? Of two halves, one is. */
  #isQuorum(others: readonly PeerId[]): boolean {
    const { volume } = this.#c
    const members = volume.membership.members()
    const here = new Set([...others, volume.identity.peer])
    const count = members.filter(({ peer }) => here.has(peer)).length
    const first = members[0]?.peer
    const isHalf = 2 * count === members.length && first !== undefined && here.has(first)
    return isHalf || 2 * count > members.length
  }

  /**
   * The least peer that may write makes it, of those that are waited for, up or not: without its word there is hardly
   * anything new to cover. The others wait, each longer: so that hardly ever two announce a cut apart.
   */
  #isMyTurn(): boolean {
    const { clock } = this.#c.world
    const { turnMs = TURN_MS } = this.#options
    const before = this.#countBefore(this.#waitedFor().map(({ peer }) => peer))
    if (before === undefined) return false
    this.#dueSince ??= clock.now()
    return clock.now() - this.#dueSince >= before * turnMs
  }

  /** How many of these have a smaller id and may write; undefined if this one may not. */
  #countBefore(peers: readonly PeerId[]): number | undefined {
    const { membership, identity } = this.#c.volume
    const may = (peer: PeerId): boolean => {
      const role = membership.member(peer)?.role
      return role !== undefined && mayWrite(role)
    }
    if (!may(identity.peer)) return undefined
    return peers.filter((peer) => peer < identity.peer && may(peer)).length
  }

  async #make(cut: Cut): Promise<void> {
    const { volume } = this.#c
    this.#dueSince = undefined
    await volume.strayNodes.compute(async () => {
      const computed = await this.#compute({ ...cut, before: volume.cuts.newest?.id })
      const { before: _, ...announced } = computed.checkpoint
      volume.submit({ kind: 'checkpoint', ...announced })
      await volume.commit()
      await this.#keep(computed, volume.cuts.chain)
    })
  }

  /** A member announced a checkpoint: this node's own must be the same. */
  async #heed(op: CheckpointOp): Promise<void> {
    await this.#follow()
    const { checkpoint } = this.#c.volume
    if (checkpoint?.hlc === op.hlc && equalVectors(checkpoint.vector, op.vector))
      this.#compare(op, checkpoint)
  }

  /** Get the state here to be that of the newest cut that counts, and of what came after by all that count. */
  async #follow(): Promise<void> {
    const { volume } = this.#c
    const { cuts } = volume
    await this.#takeForks()
    const base = volume.checkpoint ?? NO_CHECKPOINT
    const { newest, chain } = cuts
    if (newest === undefined) return
    if (cuts.placeOf(base) === chain.length - 1) {
      if (!cuts.areJudged) await this.#rebuild(volume.checkpoint)
      return
    }
    if (!cuts.leadTo(newest, base)) return this.#startOver()
    await volume.strayNodes.compute(async () => {
      const computed = await this.#compute(newest)
      if (cuts.areJudged) return this.#keep(computed)
      if (cuts.areJudgedButNewest && !this.#hasLate(computed.replica, newest))
        return this.#keep(computed, chain)
      await this.#keep(computed)
      await this.#rebuild(computed.checkpoint)
    })
  }

  /** The checkpoint here was made at a cut that does not count: take another's, or the whole log if that is here. */
  async #startOver(): Promise<void> {
    const { volume } = this.#c
    if (volume.entries.dropped.size > 0) return this.#c.onBehind()
    await this.#rebuild(undefined)
    await this.#follow()
  }

  async #rebuild(from: Checkpoint | undefined): Promise<void> {
    const { volume, world } = this.#c
    await rebuild({ volume, ...world }, from, { signal: this.#stop.signal })
  }

  /** Is what a member announced what is here, computed or fetched? Otherwise one of the two is damaged, or lies. */
  #compare(op: CheckpointOp, { clear, sealed }: Pick<Checkpoint, 'clear' | 'sealed'>): void {
    const { volume, log } = this.#c
    const isSame = clear === op.clear && (volume.membership.isKeeper() || sealed === op.sealed)
    this.#differsMs = isSame ? undefined : hlcMillis(op.hlc)
    if (isSame) return
    const clock = this.#differsMs
    log('a checkpoint is not what this node has: it or another is damaged', {
      volume: volume.id,
      clock,
    })
  }

  /** A chain forked in a way that changes what is called how: build the state anew. */
  async #takeForks(): Promise<void> {
    const { volume } = this.#c
    if (!volume.forks.areWaiting) return
    try {
      await this.#rebuild(volume.checkpoint)
    } catch (error) {
      volume.forks.giveUp()
      throw error
    }
  }

  #compute(cut: CutState): Promise<Computed> {
    const { volume, world } = this.#c
    return computeCheckpoint({ volume, clock: world.clock }, cut, { signal: this.#stop.signal })
  }

  /** Were entries applied here that came too late for this cut? `replica`: the state there. */
  #hasLate(replica: Replica, { vector, held }: AnnouncedCut): boolean {
    const { volume } = this.#c
    for (const [label, last] of volume.actors.vector()) {
      const first = Math.max((held.get(label) ?? 0) + 1, volume.branches.firstSeq(label))
      if (first > last) continue
      const { ancestry } = volume.replica
      const writer = ancestry.recordAt(label, first, replica.actors.get(label))
      if (!dominates(new Map(writer?.seen).set(label, first), vector)) return true
    }
    return false
  }

  /** judged: the cuts by which the state in use is built, if it is as this checkpoint wants it. */
  async #keep({ checkpoint }: Computed, judged?: readonly AnnouncedCut[]): Promise<void> {
    const { volume } = this.#c
    const old = volume.checkpoint ?? NO_CHECKPOINT
    writeCheckpoint(volume.view, checkpoint)
    volume.checkpoint = checkpoint
    if (judged !== undefined) volume.cuts.judge(judged)
    volume.cuts.prune(checkpoint)
    volume.replica.settle(checkpoint.hlc)
    volume.strayNodes.drop(treesOf(volume), old, checkpoint)
    await volume.commit()
    this.#c.onNew()
  }

  /** Forget the log below the checkpoint, once a quorum has it too; not while somebody has another state there. */
  async #dropLog(): Promise<void> {
    const { volume } = this.#c
    const { checkpoint } = volume
    await volume.entries.finishDrop(() => volume.commit())
    if (checkpoint === undefined || historyOf(volume) === 'full' || volume.membership.isKeeper())
      return
    if (this.#differsMs !== undefined || dominates(volume.entries.dropped, checkpoint.vector))
      return
    const having = volume.membership
      .members()
      .map(({ peer }) => peer)
      .filter((peer) => {
        const claim = volume.claims.of(peer)
        return claim !== undefined && isOf(checkpoint, claim)
      })
    if (!this.#isQuorum(having)) return
    await volume.entries.drop(checkpoint.vector, () => volume.commit())
  }

  /** Forget nodes that no checkpoint needs, if some may be left of what was broken off. */
  #sweepNodes(): Promise<void> {
    const { volume, world } = this.#c
    return volume.strayNodes.sweep({
      trees: treesOf(volume),
      kept: volume.checkpoint ?? NO_CHECKPOINT,
      commit: () => volume.commit(),
      clock: world.clock,
      signal: this.#stop.signal,
    })
  }

  /** More heads than members are of incarnations that write no more: bind them together. */
  async #mergeHeads(): Promise<void> {
    const { volume, world } = this.#c
    const count = volume.membership.members().length
    if (volume.actors.heads().length <= count) return
    if (this.#countBefore(world.network.peers()) !== 0) return
    volume.merge()
    await volume.commit()
  }
}

/** throws ShoalError 'not-a-member' for one who may not speak for the volume, as far as this node knows its members. */
function checkSource({ membership }: Volume, from: PeerId): void {
  const role = membership.member(from)?.role
  if (membership.members().length === 0 || (role !== undefined && mayWrite(role))) return
  throw new ShoalError('not-a-member', `a checkpoint of ${from}, who may not write, is not taken`)
}
