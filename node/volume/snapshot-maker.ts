// Makes the snapshots that the setting `snapshots` of a volume asks for, and removes those that it
// keeps no longer. One member does so at a time, an admin if one is connected; the next takes over
// where nothing comes of that. What is due is looked up in the snapshots that there are, so nothing
// is made twice, but by members that cannot hear of each other.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { dueSnapshots, nextPeriodMs } from '../../protocol/op/snapshot-schedule.ts'
import type { DueSnapshots, ScheduledSnapshot } from '../../protocol/op/snapshot-schedule.ts'
import { mayAdminister, mayGiveUp } from '../../protocol/roles.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { Instant } from '../../protocol/units.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { Backoff } from '../jobs/backoff.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { snapshotScheduleOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import { snapshotsIn } from '../state/snapshots.ts'
import type { Snapshot } from '../state/snapshots.ts'
import type { Swarm } from '../sync/swarm.ts'
import type { Timer, World } from '../world/world.ts'
import type { Change } from './files.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** A node that starts hears first of what the others have made. */
const SETTLE_MS: number = 30 * SECOND_MS
/** A member whose turn it is not waits this long for each one before it. */
const TURN_MS: number = MINUTE_MS
/** Looked at no later, since clocks are set and machines sleep. */
const LOOK_MS: number = 10 * MINUTE_MS
const PAUSES = { firstMs: MINUTE_MS, longestMs: 30 * MINUTE_MS }

export interface SnapshotMakerComponents {
  readonly volume: Volume
  readonly world: Pick<World, 'clock'>
  readonly swarm: Pick<Swarm, 'snapshots' | 'connectedMembers'>
  /** How changes are made in the volume. */
  readonly changing: (signal: AbortSignal) => Change
  readonly log: WriteLog
}

export class SnapshotMaker {
  readonly #c: SnapshotMakerComponents
  readonly #stop = new AbortController()
  readonly #looking = new SerialQueue()
  readonly #backoff = new Backoff(PAUSES)
  #timer: Timer | undefined
  #unlisten: (() => void) | undefined
  /** Since when something is due that it may be others' turn to do. */
  #dueSince: Instant | undefined

  constructor(components: SnapshotMakerComponents) {
    this.#c = components
  }

  start(): void {
    const { volume } = this.#c
    let text = ''
    this.#unlisten = volume.events.members.add(() => {
      const now = [...snapshotScheduleOf(volume)].join()
      if (now === text) return
      text = now
      this.#lookIn(0)
    })
    text = [...snapshotScheduleOf(volume)].join()
    this.#lookIn(SETTLE_MS)
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    this.#unlisten?.()
    this.#timer?.cancel()
    await this.#looking.idle()
  }

  #lookIn(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#stop.signal.aborted || snapshotScheduleOf(this.#c.volume).size === 0) return
    const look = (): Promise<void> => this.#looking.run(() => this.#look())
    this.#timer = this.#c.world.clock.timer(delayMs, () => void look())
  }

  async #look(): Promise<void> {
    const { volume, world, log } = this.#c
    const { clock } = world
    if (this.#stop.signal.aborted) return
    try {
      const due = await this.#due()
      const waitMs = due === undefined ? 0 : this.#waitMs()
      if (waitMs === 0) {
        if (due !== undefined) await this.#do(due)
        this.#dueSince = undefined
      }
      this.#backoff.reset()
      const beginMs = nextPeriodMs(snapshotScheduleOf(volume), clock.wall()) ?? Infinity
      const nextMs = waitMs === 0 ? beginMs - clock.wall() : waitMs
      this.#lookIn(Math.min(Math.max(0, nextMs), LOOK_MS))
    } catch (error) {
      if (this.#stop.signal.aborted) return
      log('snapshot.schedule-failed', { error: String(error) })
      this.#lookIn(this.#backoff.next())
    }
  }

  /** Snapshots to make and to remove, as far as this node may; undefined: none. */
  async #due(): Promise<DueSnapshots<Snapshot> | undefined> {
    const { volume, world } = this.#c
    const all = (await snapshotsIn(volume.view)).map((snapshot) => this.#scheduled(snapshot))
    const { make, remove } = dueSnapshots(snapshotScheduleOf(volume), all, world.clock.wall())
    const mine = remove.filter((snapshot) => this.#mayRemove(snapshot))
    return make.length + mine.length > 0 ? { make, remove: mine } : undefined
  }

  /**
   * A member may say of a snapshot what it likes, and remove it: so admins make their own beside
   * those of writers, and what anybody keeps goes for an admin's or the own alone.
   */
  #scheduled(snapshot: Snapshot): Snapshot & ScheduledSnapshot {
    const { identity } = this.#c.volume
    const { peer, folder } = snapshot
    const isTrusted = peer === identity.peer || this.#isAdmin(peer)
    const isOfAll = folder === ROOT
    return {
      ...snapshot,
      isEnough: isOfAll && (isTrusted || !this.#isAdmin(identity.peer)),
      displaces: isOfAll && isTrusted,
    }
  }

  #mayRemove({ peer, isHeld }: Snapshot): boolean {
    const { identity } = this.#c.volume
    return !isHeld && (peer === identity.peer || this.#isAdmin(identity.peer))
  }

  #isAdmin(peer: PeerId): boolean {
    const role = this.#c.volume.membership.roleOf(peer)
    return role !== undefined && mayAdminister(role)
  }

  /** How long to wait for its turn: after admins, and after those with a lesser id. */
  #waitMs(): number {
    const { volume, swarm, world } = this.#c
    const { membership, identity } = volume
    const mayMake = (peer: PeerId): boolean => mayGiveUp(membership.roleOf(peer) ?? 'reader')
    if (!mayMake(identity.peer)) return Infinity
    const rank = (peer: PeerId): string => `${this.#isAdmin(peer) ? 0 : 1}${peer}`
    const own = rank(identity.peer)
    const before = swarm
      .connectedMembers(volume)
      .filter((peer) => mayMake(peer) && rank(peer) < own)
    const now = world.clock.now()
    this.#dueSince ??= now
    return Math.max(0, this.#dueSince + before.length * TURN_MS - now)
  }

  async #do({ make, remove }: DueSnapshots<Snapshot>): Promise<void> {
    const { volume, swarm, changing } = this.#c
    const snapshots = swarm.snapshots(volume)
    const change = changing(this.#stop.signal)
    for (const name of make) await snapshots.create({ name, folder: ROOT }, change)
    for (const { peer, id } of remove)
      await snapshots.change({ kind: 'snapshot-rm', peer, id, forced: false }, change)
  }
}
