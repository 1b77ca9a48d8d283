// Checkpoints of one volume: when one is due, who makes it, that all get the same, and dropping the log below it once
// most members have it. Cost of each: O(what was written since the last). Invariants:
//   a cut is announced only when every member that is waited for holds it all durably, and nothing can come below it
//   a checkpoint is durable here before this node says that it has it, and before anything of the log is dropped
import { dominates, equalVectors } from '../../protocol/clock/vector-clock.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import { mayWrite } from '../../protocol/membership/roles.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import { writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint, FetchedCheckpoint } from './checkpoint.ts'
import type { AnnouncedCut, CutState } from './cuts.ts'
import { isOf } from './claims.ts'
import { NO_CHECKPOINT, computeCheckpoint, treesOf } from './compute-checkpoint.ts'
import { CheckpointSchedule } from './checkpoint-schedule.ts'
import { rebuild } from './rebuild.ts'
import type { Replica } from './replica.ts'
import { historyOf } from './settings.ts'
import { countBefore, isQuorum } from './stable.ts'
import type { CheckpointOptions } from './checkpoint-schedule.ts'
import type { CheckpointOp } from './listeners.ts'
import type { Volume } from './volume.ts'

const LOOK_MS: number = MINUTE_MS

type Computed = Awaited<ReturnType<typeof computeCheckpoint>>

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
  readonly #schedule: CheckpointSchedule
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #unlisten: readonly (() => void)[] = []
  /** One thing at a time: computing, rebuilding, dropping. */
  #last: Promise<void> = Promise.resolve()
  #differsMs: WallTime | undefined

  constructor(components: CheckpointsComponents, options: CheckpointOptions) {
    this.#c = components
    const { volume, world } = components
    this.#schedule = new CheckpointSchedule(volume, world.clock, options)
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
      const { volume } = this.#c
      checkSource(volume, from)
      for (const cut of fetched.cuts) volume.cuts.add(cut)
      const { checkpoint, cuts } = volume
      const place = checkpoint === undefined ? -1 : cuts.placeOf(checkpoint)
      if (cuts.placeOf(fetched) <= place) return
      await this.#rebuild(fetched)
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
    const cut = this.#schedule.take()
    if (cut !== undefined) await this.#make(cut)
    await this.#dropLog()
    await this.#mergeHeads()
    await this.#sweepNodes()
  }

  async #make(cut: Cut): Promise<void> {
    const { volume } = this.#c
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
    if (!isQuorum(volume, having)) return
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
    const count = volume.membership.nodes().length
    if (volume.actors.heads().length <= count) return
    if (countBefore(volume, world.network.peers()) !== 0) return
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
