// Checkpoints of one volume: when one is due, who makes it, that all get the same, and dropping the log below it once
// most members have it. Cost of each: O(what was written since the last). Invariants:
//   a cut is announced only when every member that is waited for holds it all durably, and nothing can come below it
//   a checkpoint is durable here before this node says that it has it, and before anything of the log is dropped
import { dominates } from '../../protocol/clock/vector-clock.ts'
import { HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { stampHlc } from '../../protocol/log/dot.ts'
import { stableClock } from '../../protocol/log/stability.ts'
import type { Claim, Cut } from '../../protocol/log/stability.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { mayWrite } from '../../protocol/membership/roles.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint, FetchedCheckpoint } from './checkpoint.ts'
import { dropNodes } from './checkpoint-view.ts'
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
const TURN_MS: number = 2 * MINUTE_MS

type Computed = Awaited<ReturnType<typeof computeCheckpoint>>

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /** So many entries since the last one, or as many as the volume's setting says... */
  readonly entries: number
  /** ...or some, and so long ago. */
  readonly everyMs: number
}

export interface CheckpointsComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'network'>
  readonly volume: Volume
  /** There is a newer checkpoint here than beacons said. */
  readonly onNew: () => void
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
      volume.events.checkpoint.add((op) => this.#inTurn(() => this.#follow(op))),
      volume.forks.onChange(() => this.#inTurn(() => this.#takeForks())),
    ]
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

  /** Take up a checkpoint that was fetched, in place of a log that others no longer have. */
  install(checkpoint: FetchedCheckpoint): Promise<void> {
    return this.#inTurn(async () => {
      const { volume } = this.#c
      const held = volume.checkpoint
      if (held !== undefined && dominates(held.vector, checkpoint.vector)) return
      await rebuild({ volume, ...this.#c.world }, checkpoint, { signal: this.#stop.signal })
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
    const cut = this.#dueCut()
    if (cut !== undefined && this.#isMyTurn()) await this.#make(cut)
    if (cut === undefined) this.#dueSince = undefined
    await this.#dropLog()
    await this.#mergeHeads()
  }

  /** The cut to make a checkpoint at, if one is due. */
  #dueCut(): Cut | undefined {
    const { volume, world } = this.#c
    const held = volume.durableClaim()
    const base = volume.checkpoint ?? NO_CHECKPOINT
    const claims = this.#claims()
    if (claims === undefined) return undefined
    const hlcAt = (actor: ActorId, seq: number): Hlc =>
      volume.entries.hlc(actor, Math.max(seq, volume.branches.firstSeq(actor))) ?? HLC_ZERO
    const hlc = volume.branches.wholeUpTo(stableClock(held, claims, hlcAt))
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

  /** What the others claim, of those that are waited for; undefined while one of them was not heard at all. */
  #claims(): Claim[] | undefined {
    const { volume } = this.#c
    const claims: Claim[] = []
    for (const member of this.#waitedFor()) {
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

  /** The least peer that is up and may write makes it; the others wait for a while, each longer. */
  #isMyTurn(): boolean {
    const { clock } = this.#c.world
    const before = this.#countBefore()
    if (before === undefined) return false
    this.#dueSince ??= clock.now()
    return clock.now() - this.#dueSince >= before * TURN_MS
  }

  /** How many members with a smaller id are up and may write; undefined if this one may not. */
  #countBefore(): number | undefined {
    const { volume, world } = this.#c
    const self = volume.identity.peer
    const me = volume.membership.member(self)
    if (me === undefined || !mayWrite(me.role)) return undefined
    const connected = new Set<PeerId>(world.network.peers())
    return volume.membership
      .members()
      .filter(({ peer, role }) => mayWrite(role) && connected.has(peer) && peer < self).length
  }

  async #make(cut: Cut): Promise<void> {
    const { volume } = this.#c
    this.#dueSince = undefined
    const computed = await this.#compute(cut)
    volume.submit({ kind: 'checkpoint', ...computed.checkpoint })
    await volume.commit()
    await this.#keep(computed)
  }

  /** A member announced a checkpoint: this node's own must be the same. */
  async #follow(op: CheckpointOp): Promise<void> {
    const { volume, world } = this.#c
    const base = volume.checkpoint ?? NO_CHECKPOINT
    if (op.hlc === base.hlc) return this.#compare(op, base)
    if (op.hlc < base.hlc || !dominates(op.vector, base.vector)) return
    await this.#takeForks()
    const computed = await this.#compute(op)
    const { checkpoint, replica } = computed
    this.#compare(op, checkpoint)
    const hasLate = this.#hasLate(replica, op)
    await this.#keep(computed)
    if (hasLate) await rebuild({ volume, ...world }, checkpoint, { signal: this.#stop.signal })
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
    const { volume, world } = this.#c
    if (!volume.forks.areWaiting) return
    try {
      await rebuild({ volume, ...world }, volume.checkpoint, { signal: this.#stop.signal })
    } catch (error) {
      volume.forks.giveUp()
      throw error
    }
  }

  #compute(cut: Cut): Promise<Computed> {
    const { volume, world } = this.#c
    return computeCheckpoint({ volume, clock: world.clock }, cut, { signal: this.#stop.signal })
  }

  /** Were entries applied here that came too late for this cut? `replica`: the state there. */
  #hasLate(replica: Replica, { hlc, vector }: Cut): boolean {
    const { volume } = this.#c
    const held = volume.cuts.at(hlc)?.held ?? vector
    for (const [label, last] of volume.actors.vector()) {
      const first = Math.max((held.get(label) ?? 0) + 1, volume.branches.firstSeq(label))
      if (first > last) continue
      const { ancestry } = volume.replica
      const writer = ancestry.recordAt(label, first, replica.actors.get(label))
      if (!dominates(new Map(writer?.seen).set(label, first), vector)) return true
    }
    return false
  }

  async #keep({ checkpoint }: Computed): Promise<void> {
    const { volume } = this.#c
    const old = volume.checkpoint ?? NO_CHECKPOINT
    writeCheckpoint(volume.view, checkpoint)
    volume.checkpoint = checkpoint
    volume.cuts.prune(checkpoint)
    volume.replica.settle(checkpoint.hlc)
    dropNodes(treesOf(volume), old, checkpoint)
    await volume.commit()
    this.#c.onNew()
  }

  /** Forget the log below the checkpoint, once most members that are waited for have it too. */
  async #dropLog(): Promise<void> {
    const { volume } = this.#c
    const { checkpoint } = volume
    if (checkpoint === undefined || historyOf(volume) === 'full' || volume.membership.isKeeper())
      return
    if (dominates(volume.entries.dropped, checkpoint.vector)) return
    const others = this.#waitedFor()
    const having = others.filter(
      ({ peer }) => (volume.claims.of(peer)?.cut ?? HLC_ZERO) >= checkpoint.hlc,
    )
    if (2 * (having.length + 1) <= others.length + 1) return
    await volume.entries.drop(checkpoint.vector, () => volume.commit())
  }

  /** More heads than members are of incarnations that write no more: bind them together. */
  async #mergeHeads(): Promise<void> {
    const { volume } = this.#c
    const count = volume.membership.members().length
    if (volume.actors.heads().length <= count || this.#countBefore() !== 0) return
    volume.merge()
    await volume.commit()
  }
}
