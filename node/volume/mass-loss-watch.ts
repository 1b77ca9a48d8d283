// The brake on mass loss: when one member replaces or removes more than a share of a volume within
// minutes (ransomware, `rm -r` in the wrong folder), what stood before is kept until an admin says
// that it was meant. Every member that may write watches, and one of them tells the others.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { ActorId, NodeId, PeerId } from '../../protocol/ids.ts'
import { isSameContent } from '../../protocol/op/same-content.ts'
import { mayWrite } from '../../protocol/roles.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { readInode } from '../../protocol/tree/records.ts'
import { decodeSuperseded, supersededPrefix } from '../../protocol/tree/superseded.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { authorOf } from '../log/security-records.ts'
import { massLossShareOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import { countingLosses, massLosses } from '../state/mass-losses.ts'
import type { MassLoss } from '../state/mass-losses.ts'
import { prefixEnd } from '../state/state-view.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { Timer, World } from '../world/world.ts'
import { LOSS_MINUTES, LOST_FILES_MIN, LossCounts } from './loss-counts.ts'
import type { LossRun } from './loss-counts.ts'

/**
 * Members other than the one that loses let it tell first, then one another; that several tell at
 * once does no harm.
 */
const FIRST_TURN_MS: number = 5 * SECOND_MS
const TURNS_MS: number = 10 * SECOND_MS
/** Runs that begin no further apart are one loss, and for longer while that is not dismissed. */
const ONE_LOSS_MS: number = LOSS_MINUTES * MINUTE_MS
const ONE_OPEN_LOSS_MS: number = HOUR_MS

export interface MassLossWatchComponents {
  readonly volume: Volume
  readonly world: Pick<World, 'clock' | 'random'>
}

export class MassLossWatch {
  readonly #c: MassLossWatchComponents
  readonly #counts = new LossCounts()
  /** One at a time of each writer. */
  readonly #due = new Map<ActorId, Timer>()
  /** Looks at what is told, one after the other. */
  #looking: Promise<unknown> = Promise.resolve()
  #known: readonly MassLoss[] = []
  #unlisten: (() => void)[] = []

  constructor(components: MassLossWatchComponents) {
    this.#c = components
  }

  /** Those that count now: what stood before them is kept. */
  get counting(): readonly MassLoss[] {
    return countingLosses(this.#known)
  }

  start(): void {
    const { events } = this.#c.volume
    const read = (): void => this.#soon(() => this.#read())
    this.#unlisten = [
      events.change.add((changes) => this.#changed(changes)),
      events.losses.add(read),
      events.onReset(() => read),
    ]
    read()
  }

  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    for (const timer of this.#due.values()) timer.cancel()
    this.#unlisten = []
    this.#due.clear()
    await this.#looking
  }

  #changed({ lost }: ChangeSet): void {
    for (const one of lost) {
      const run = this.#counts.add(one)
      if (run !== undefined && this.#isMass(run)) this.#found(run)
    }
  }

  /** Compares it with the files that there were at its beginning. */
  #isMass({ files }: LossRun): boolean {
    const { volume, world } = this.#c
    if (world.random.unlucky('volume.one-file-is-many')) return true
    if (files < LOST_FILES_MIN) return false
    const share = massLossShareOf(volume)
    return share !== undefined && files >= share * (volume.replica.files.totals.files + files)
  }

  #found(run: LossRun): void {
    const { volume, world } = this.#c
    if (this.#due.has(run.actor)) return
    const isOwn = authorOf(volume, run.actor) === volume.identity.peer
    const delayMs = isOwn ? 0 : FIRST_TURN_MS + world.random.number() * TURNS_MS
    const timer = world.clock.timer(delayMs, () => {
      this.#due.delete(run.actor)
      this.#counts.end(run.actor)
      this.#soon(() => this.#tell(run))
    })
    this.#due.set(run.actor, timer)
  }

  async #tell(run: LossRun): Promise<void> {
    const { volume } = this.#c
    const peer = authorOf(volume, run.actor)
    const role = volume.membership.roleOf(volume.identity.peer)
    if (peer === undefined || role === undefined || !mayWrite(role)) return
    await this.#read()
    if (this.#isKnown(run, peer) || (await this.#isRestored(run))) return
    volume.submit({ kind: 'mass-loss', peer, at: run.at })
  }

  /** Is it told of? */
  #isKnown({ at }: LossRun, peer: PeerId): boolean {
    return this.#known.some((loss) => {
      const apartMs = Math.abs(hlcMillis(at) - hlcMillis(loss.at))
      const oneMs = loss.dismissed === undefined ? ONE_OPEN_LOSS_MS : ONE_LOSS_MS
      return loss.peer === peer && apartMs < oneMs
    })
  }

  /** Does most of it hold now what it held before? */
  async #isRestored({ sample }: LossRun): Promise<boolean> {
    let restored = 0
    for (const inode of sample) if (await this.#isAsBefore(inode)) restored++
    return restored * 2 > sample.length
  }

  async #isAsBefore(id: NodeId): Promise<boolean> {
    const { view } = this.#c.volume
    const newest = readInode(view, id)?.newest
    if (newest === undefined) return false
    const prefix = supersededPrefix(id)
    for await (const [, value] of view.scan(prefix, prefixEnd(prefix)))
      if (isSameContent(decodeSuperseded(value).version, newest)) return true
    return false
  }

  async #read(): Promise<void> {
    this.#known = await massLosses(this.#c.volume.view)
  }

  #soon(run: () => Promise<void>): void {
    const done = this.#looking.then(run)
    this.#looking = ignoreFailure(done, 'the next change is looked at again')
  }
}
