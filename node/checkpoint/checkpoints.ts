// Checkpoints of one volume: when one is due, who proposes it, that enough members attest the same
// state before it counts, and dropping the log below it then. cost: O(writes since the last).
// Invariants:
//   a cut is proposed once all members that are waited for hold it durably; nothing can come below
//   this node attests only a state that it computed, and for which no entry it holds is too late
//   a checkpoint is durable here before this node attests it or drops anything of the log
import { dominates } from '../../protocol/clock/vector-clock.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { EntryHash } from '../../protocol/ids.ts'
import { attest } from '../../protocol/log/attestation.ts'
import type { Attestation } from '../../protocol/log/attestation.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { mayAdminister } from '../../protocol/roles.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Timer, World } from '../world/world.ts'
import { announce, governedHere } from './announcement.ts'
import { hearAttestation, recount, tally } from '../replica/attestations.ts'
import type { Tally } from '../replica/attestations.ts'
import {
  NO_CHECKPOINT,
  readCandidate,
  writeAnnouncement,
  writeCandidate,
  writeCheckpoint,
} from '../replica/kept-checkpoint.ts'
import type { Candidate, Checkpoint, FetchedCheckpoint } from '../replica/kept-checkpoint.ts'
import type { AnnouncedCut, CutState, Proposal } from '../replica/cuts.ts'
import { LateWrites, hasLate, wouldMakeLate } from '../log/late-entries.ts'
import { adoptCuts, computeCheckpoint, coversCut } from './compute-checkpoint.ts'
import { treesOf } from '../log/volume-trees.ts'
import { CheckpointSchedule } from './checkpoint-schedule.ts'
import { rebuild } from './rebuild.ts'
import { historyOf } from '../log/settings.ts'
import { countBefore, waitedFor } from '../log/stability.ts'
import type { CheckpointOptions } from './checkpoint-schedule.ts'
import type { Volume } from '../log/volume.ts'
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { SerialQueue } from '../jobs/serial-queue.ts'
import type { WriteLog } from '../observe/log-events.ts'

const LOOK_MS: number = MINUTE_MS
/** The room of fewer entries that are dropped comes back with that of later ones. */
const COMPACTED_ENTRIES_MIN = 1024

export interface CheckpointsComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'network'>
  readonly volume: Volume
  /** One thing at a time: computing, rebuilding, dropping. */
  readonly queue: SerialQueue
  /** There is a newer checkpoint here than beacons said. */
  readonly onNew: () => void
  /** This node attests a checkpoint. */
  readonly onAttested: (attestation: Attestation) => void
  /** The log here goes on from a checkpoint that does not count: another's is to be fetched. */
  readonly onBehind: () => void
  readonly log: WriteLog
}

export class Checkpoints {
  readonly #c: CheckpointsComponents
  readonly #schedule: CheckpointSchedule
  readonly #lateWrites: LateWrites
  readonly #stop = new AbortController()
  #timer: Timer | undefined
  #unlisten: readonly (() => void)[] = []
  /** The state of the newest proposal that was computed here. */
  #candidate: Candidate | undefined
  /** The newest cut that was compared, if what was announced there is not what is here. */
  #differing: AnnouncedCut | undefined

  constructor(components: CheckpointsComponents, options: CheckpointOptions) {
    this.#c = components
    const { volume, world } = components
    this.#schedule = new CheckpointSchedule(volume, world, options)
    this.#lateWrites = new LateWrites(volume, world)
    this.#candidate = readCandidate(volume.view)
  }

  start(): void {
    const { volume } = this.#c
    this.#unlisten = [
      volume.events.cut.add((id) => this.#inTurn(() => this.#consider(id))),
      volume.events.attested.add(() => this.#inTurn(() => this.#follow())),
      volume.events.members.add(() => this.#inTurn(() => this.#follow())),
      volume.forks.onChange(() => this.#inTurn(() => this.#takeForks())),
    ]
    void this.#inTurn(() => this.#follow())
    this.#plan()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    this.#timer?.cancel()
    for (const unlisten of this.#unlisten) unlisten()
    await this.#c.queue.idle()
  }

  /** The time of the newest compared cut, if its announced state is not the one computed here. */
  get differsMs(): WallTime | undefined {
    return this.#differing && hlcMillis(this.#differing.hlc)
  }

  /** Take up a checkpoint that was examined, and fetched. */
  install(fetched: FetchedCheckpoint): Promise<void> {
    return this.#inTurn(async () => {
      const { volume } = this.#c
      const { checkpoint, cuts } = volume
      // History is not given up for anybody's word: what it covers is computed from that.
      const isCovered = coversCut(volume, fetched)
      adoptCuts(volume, fetched)
      const place = checkpoint === undefined ? -1 : cuts.placeOf(checkpoint)
      if (cuts.placeOf(fetched) <= place) return
      if (isCovered) return this.#follow()
      await this.#rebuild(fetched)
      writeAnnouncement(volume.view, fetched.announcement)
      await volume.commit()
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

  /** Failures are left to the next occasion, except those that end the volume: users see them. */
  #inTurn(run: () => Promise<void>): Promise<void> {
    const guarded = async (): Promise<void> => {
      if (this.#stop.signal.aborted) return
      try {
        await run()
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#c.log('checkpoint.failed', { error: String(error) })
      }
    }
    return this.#c.queue.run(guarded)
  }

  async #look(): Promise<void> {
    const { volume, world } = this.#c
    volume.beacons.watch(volume.durableClaim(), world.clock.wall())
    await this.#follow()
    for (const { id } of volume.cuts.proposed.toReversed()) await this.#consider(id)
    const cut = this.#schedule.take()
    if (cut !== undefined) await this.#propose(cut)
    if (this.#lateWrites.restate() > 0) await volume.commit()
    await this.#dropLog()
    await this.#mergeHeads()
    await this.#sweepNodes()
  }

  async #propose(cut: Cut): Promise<void> {
    const { volume } = this.#c
    const before = volume.cuts.newest?.id
    const governed = governedHere(volume)
    await this.#compute({ ...cut, before, governed }, ({ clear, sealed }) => {
      // The roles have changed meanwhile: next time.
      if (governedHere(volume).join() !== governed.join()) return undefined
      return announce(volume, { ...cut, before, governed, clear, sealed })
    })
    await this.#follow()
  }

  /** Attests a proposed checkpoint, if this node computes the same and no entry comes too late. */
  async #consider(id: EntryHash): Promise<void> {
    await this.#follow()
    const { volume, world } = this.#c
    const cut = volume.cuts.get(id)
    const { peer } = volume.identity
    const isSaid = volume.attestations.of(id).some((one) => one.peer === peer)
    if (cut?.proposal === undefined || isSaid) return
    if (cut.counts) return this.#attestCounted(cut, cut.proposal)
    if (!this.#isNext(cut) || wouldMakeLate(volume, world.clock, cut)) return
    if (!this.#schedule.isWorth(cut)) return
    await this.#compute({ ...cut, governed: cut.proposal.governed }, () => id)
    await this.#follow()
  }

  /** Attests a cut that counts already: the more do, the more members may be lost. */
  async #attestCounted({ id, hlc }: AnnouncedCut, { roots }: Proposal): Promise<void> {
    const { checkpoint } = this.#c.volume
    const isHere = checkpoint?.hlc === hlc && checkpoint.clear === roots.clear
    if (isHere) await this.#attest({ id, checkpoint })
  }

  /** Does a proposal follow the cuts that count, leaving out none that its author knew? */
  #isNext({ before, held }: AnnouncedCut): boolean {
    const { chain } = this.#c.volume.cuts
    const at = chain.findIndex(({ id }) => id === before)
    if (before === undefined ? chain.length > 0 : at < 0) return false
    return chain.slice(at + 1).every((later) => !dominates(held, later.held))
  }

  /** Computes the state at a cut, and attests it in the entry that `announced` names. */
  async #compute(
    cut: CutState & Pick<Proposal, 'governed'>,
    announced: (checkpoint: Checkpoint) => EntryHash | undefined,
  ): Promise<void> {
    const { volume, world } = this.#c
    await volume.orphanNodes.compute(async () => {
      const { signal } = this.#stop
      const components = { volume, clock: world.clock }
      const { checkpoint } = await computeCheckpoint(components, cut, { signal })
      await volume.commit()
      const id = announced(checkpoint)
      if (id !== undefined) await this.#attest({ id, checkpoint })
    })
  }

  async #attest(candidate: Candidate): Promise<void> {
    const { volume, onAttested } = this.#c
    const { id, checkpoint } = candidate
    this.#compare(candidate)
    if (!volume.cuts.get(id)?.counts) {
      this.#candidate = candidate
      writeCandidate(volume.view, candidate)
    }
    const { clear } = checkpoint
    const sealed = volume.membership.isKeeper() ? undefined : checkpoint.sealed
    const attestation = attest(volume.identity, volume.id, { cut: id, clear, sealed })
    hearAttestation(volume, attestation)
    await volume.commit()
    onAttested(attestation)
  }

  /** Brings the state here to the newest cut that counts, and the entries after it. */
  async #follow(): Promise<void> {
    const { volume } = this.#c
    const { cuts } = volume
    await this.#takeForks()
    recount(volume)
    const base = volume.checkpoint ?? NO_CHECKPOINT
    const { newest, chain } = cuts
    if (newest === undefined || cuts.placeOf(base) === chain.length - 1) {
      if (!cuts.areJudged) await this.#rebuild(volume.checkpoint)
      return
    }
    if (!cuts.leadTo(newest, base)) return this.#startOver()
    await volume.orphanNodes.compute(async () => {
      const checkpoint = await this.#stateAt(newest)
      if (cuts.areJudged) return this.#keep(newest, checkpoint)
      if (cuts.areJudgedButNewest && !hasLate(volume, newest))
        return this.#keep(newest, checkpoint, chain)
      await this.#keep(newest, checkpoint)
      await this.#rebuild(checkpoint)
    })
    await this.#takeForks()
  }

  tallyOf(id: EntryHash, proposal: Proposal): Tally {
    const { attestations, membership } = this.#c.volume
    return tally(proposal, attestations.of(id), membership)
  }

  /** As it was computed here already, or now. */
  async #stateAt(cut: AnnouncedCut): Promise<Checkpoint> {
    const { volume, world } = this.#c
    const isKept = !world.random.unlucky('checkpoint.candidate-forgotten')
    if (isKept && this.#candidate?.id === cut.id) return this.#candidate.checkpoint
    const governed = cut.proposal?.governed ?? []
    const { signal } = this.#stop
    const components = { volume, clock: world.clock }
    const { checkpoint } = await computeCheckpoint(components, { ...cut, governed }, { signal })
    this.#compare({ id: cut.id, checkpoint })
    return checkpoint
  }

  /** Replaces a checkpoint at a cut that does not count: by another's, or from the whole log. */
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

  /** Compares announced and computed state: if they differ, one of the two is damaged, or lies. */
  #compare({ id, checkpoint }: Candidate): void {
    const { volume } = this.#c
    const announced = volume.cuts.get(id)
    const roots = announced?.proposal?.roots
    if (announced === undefined || roots === undefined) return
    const isSame =
      roots.clear === checkpoint.clear &&
      (volume.membership.isKeeper() || roots.sealed === checkpoint.sealed)
    this.#differing = isSame ? undefined : announced
    if (isSame) return
    const at = new Date(hlcMillis(announced.hlc)).toISOString()
    const { author: peer } = announced.proposal ?? {}
    const message =
      `the state of this node at ${at} differs from the announced one: it is damaged, ` +
      'or the announcing member lies; the log is kept meanwhile, see "shoal status"'
    volume.events.security.tell({ kind: 'checkpoint-differs', peer, message })
  }

  /** Rebuilds the state where a fork changes labels, or which entries count. */
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

  /** judged: the cuts by which the state in use is built, if it is as this checkpoint wants it. */
  async #keep(
    cut: AnnouncedCut,
    checkpoint: Checkpoint,
    judged?: readonly AnnouncedCut[],
  ): Promise<void> {
    const { volume } = this.#c
    const old = volume.checkpoint ?? NO_CHECKPOINT
    writeCheckpoint(volume.view, checkpoint)
    volume.checkpoint = checkpoint
    writeAnnouncement(volume.view, this.#announcementOf(cut))
    this.#candidate = undefined
    writeCandidate(volume.view, undefined)
    if (judged !== undefined) volume.cuts.judge(judged)
    volume.cuts.prune(checkpoint)
    volume.attestations.keepOnly(volume.cuts.all)
    volume.replica.settle(checkpoint.hlc)
    volume.orphanNodes.drop(treesOf(volume), old, checkpoint)
    const then = volume.membership.stateAt(cut.proposal?.governed ?? [])
    volume.removals.checkBelow(checkpoint, then)
    await volume.commit()
    this.#c.onNew()
  }

  #announcementOf({ id, held }: AnnouncedCut): Entry | undefined {
    const { entries } = this.#c.volume
    for (const [label, seq] of held)
      if (entries.hash(label, seq) === id) return entries.entry(label, seq)
    return undefined
  }

  /** Drops the log below the checkpoint once enough attest it, not while states differ at a cut. */
  async #dropLog(): Promise<void> {
    const { volume, world } = this.#c
    const { checkpoint, cuts } = volume
    await volume.entries.finishDrop(() => volume.commit())
    if (checkpoint === undefined || historyOf(volume) === 'full' || volume.membership.isKeeper())
      return
    if (dominates(volume.entries.dropped, checkpoint.vector)) return
    const cut = cuts.chain[cuts.placeOf(checkpoint)]
    if (cut?.proposal === undefined) return
    // Anybody may announce a false state; one that others attest is another matter.
    const isDoubted = this.#differing !== undefined && cuts.get(this.#differing.id)?.counts === true
    if (isDoubted || !this.tallyOf(cut.id, cut.proposal).isEnough) return
    if (!this.#isKnownToAdmins(cut) || world.random.unlucky('checkpoint.log-kept')) return
    const count = await volume.entries.drop(checkpoint.vector, () => volume.commit())
    if (count >= COMPACTED_ENTRIES_MIN) await volume.view.compact(STATE_PREFIXES.entry)
  }

  /** Admins must know of a cut, since they could revoke the roles of those who attest it. */
  #isKnownToAdmins({ held }: AnnouncedCut): boolean {
    const { volume, world } = this.#c
    return waitedFor(volume, world.clock)
      .filter(({ role }) => mayAdminister(role))
      .every(({ peer }) => dominates(volume.beacons.of(peer)?.vector ?? new Map(), held))
  }

  /** Forget nodes that no checkpoint needs, if some may be left of what was broken off. */
  #sweepNodes(): Promise<void> {
    const { volume, world } = this.#c
    return volume.orphanNodes.sweep({
      trees: treesOf(volume),
      kept: [volume.checkpoint ?? NO_CHECKPOINT, this.#candidate?.checkpoint ?? NO_CHECKPOINT],
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
