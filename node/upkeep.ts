// All that a node does by itself for what is stored: for each of its volumes, from when it is
// hosted on, and for its own disk. Here is only what belongs together; when each thing is done is
// in its own file.
import { assert } from '../protocol/errors.ts'
import { mayGiveUp } from '../protocol/roles.ts'
import type { PeerId } from '../protocol/ids.ts'
import type { ViewTarget } from '../protocol/tree/view.ts'
import { HOUR_MS, MIB, MINUTE_MS } from '../protocol/units.ts'
import { SWEEP_STEP_MS } from './stripes/provider-announcer.ts'
import type { HostedVolume } from './volume/hosted-volume.ts'
import type { HostedVolumes } from './volume/hosted-volumes.ts'
import { graceMsOf, trashMsOf } from './log/settings.ts'
import type { LeftVolume } from './log/left-volumes.ts'
import type { Volumes } from './log/volumes.ts'
import type { Detector, Liveness } from './peers/detector.ts'
import type { RecordSecurity } from './observe/security.ts'
import type { Store } from './store/store.ts'
import type { World } from './world/world.ts'
import { AUDIT_EVERY_MS, Audit } from './repair/audit.ts'
import { Budget } from './world/budget.ts'
import type { BelievedShard } from './shard-map/disbelieved-shards.ts'
import type { Quarantine } from './repair/quarantine.ts'
import { Doubts } from './repair/doubts.ts'
import { Job } from './jobs/background-job.ts'
import { LocalPinning } from './pinning/local-pinning.ts'
import { relieve } from './gc/relief.ts'
import { Repacker } from './gc/repacking.ts'
import { LEFT_EVERY_MS, LeftData } from './gc/left-data.ts'
import { Reclaim } from './gc/reclaim.ts'
import { SCRUB_EVERY_MS, Scrub } from './repair/scrub.ts'
import type { ScrubbedVolume } from './repair/scrub-check.ts'
import { RepairLoop } from './repair/repair-loop.ts'
import type { RepairLoopOptions } from './repair/repair-loop.ts'
import { VolumeGc } from './gc/volume-gc.ts'
import type { WriteLog } from './observe/log-events.ts'

/** Unanswered questions are asked again at this interval. */
const DOUBTS_EVERY_MS: number = 10 * MINUTE_MS
const RELIEF_EVERY_MS: number = HOUR_MS
const BYTES_PER_SECOND: number = 64 * MIB

export interface NodeUpkeepOptions extends RepairLoopOptions {
  /**
   * For all volumes together, what is urgent apart: what this node sends and receives. 64 MiB by
   * default.
   */
  readonly bytesPerSecond?: number | undefined
}

export interface NodeUpkeepComponents {
  readonly world: World
  readonly store: Store
  readonly volumes: Volumes
  readonly hosted: HostedVolumes
  readonly detector: Detector
  readonly quarantine: Quarantine
  readonly security?: RecordSecurity | undefined
  readonly log: WriteLog
}

export class NodeUpkeep {
  readonly scrub: Scrub
  readonly garbage: Reclaim
  readonly #leftData: LeftData
  readonly #c: NodeUpkeepComponents
  readonly #options: RepairLoopOptions
  readonly #budget: Budget
  readonly #upkeeps = new Map<HostedVolume, RepairLoop>()
  readonly #garbage = new Map<HostedVolume, VolumeGc>()
  readonly #keepers = new Map<HostedVolume, LocalPinning>()
  /** By the volume that they are for; undefined: for the node. */
  readonly #jobs = new Map<Job, HostedVolume | undefined>()
  #isStarted = false

  constructor(components: NodeUpkeepComponents, options: NodeUpkeepOptions = {}) {
    this.#c = components
    this.#options = options
    const { world, store, hosted, log } = components
    const { left } = components.volumes
    const keepsOthers = (): boolean => left.all().length > 0
    const { clock, network, random } = world
    const { bytesPerSecond = BYTES_PER_SECOND } = options
    this.#budget = new Budget(clock, { bytesPerSecond })
    const volumes = (): Iterable<ScrubbedVolume> => this.#scrubbed()
    const scrub = (this.scrub = new Scrub({ store, clock, network, volumes, keepsOthers, log }))
    this.#addJob('scrub', SCRUB_EVERY_MS, (signal) => scrub.run(signal), undefined)
    this.garbage = new Reclaim({
      store,
      volumes: () => [...this.#garbage.values()],
      keepsOthers,
      trashMs: () => Math.max(0, ...[...hosted.all()].map(({ volume }) => trashMsOf(volume))),
      network,
      clock,
      random,
      log,
    })
    this.#leftData = new LeftData({ store, left, hosted, volumes: components.volumes, clock, log })
    const dropDue = (signal: AbortSignal): Promise<void> =>
      this.garbage.aside(() => this.#leftData.dropDue(signal))
    this.#addJob('left volumes', LEFT_EVERY_MS, dropDue, undefined).wake()
    for (const each of hosted.all()) this.#add(each)
    hosted.onHosted((each) => this.#add(each))
    hosted.onReleased((each) => this.garbage.aside(() => this.#remove(each)))
  }

  start(): void {
    this.#isStarted = true
    for (const upkeep of this.#upkeeps.values()) upkeep.start()
    for (const garbage of this.#garbage.values()) garbage.start()
    for (const localPinning of this.#keepers.values()) localPinning.start()
    for (const job of this.#jobs.keys()) job.start()
    this.garbage.start()
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    await this.garbage.stop()
    const volumes = [
      ...this.#upkeeps.values(),
      ...this.#garbage.values(),
      ...this.#keepers.values(),
    ]
    const all = [...volumes, ...this.#jobs.keys()]
    await Promise.all(all.map((each) => each.stop()))
  }

  /** Members of a volume, their connections or its policies have changed. */
  peersChanged(): void {
    for (const upkeep of this.#upkeeps.values()) upkeep.peersChanged()
    for (const localPinning of this.#keepers.values()) localPinning.peersChanged()
  }

  /** A folder or file of a volume has another redundancy class. */
  repin(hosted: HostedVolume, target: ViewTarget): void {
    this.#garbage.get(hosted)?.repin.add(target)
  }

  /** Delete what is here of a volume that was left, for good. */
  deleteLeft(left: LeftVolume, signal: AbortSignal): Promise<void> {
    return this.garbage.aside(() => this.#leftData.drop(left, signal))
  }

  of(hosted: HostedVolume): RepairLoop {
    const upkeep = this.#upkeeps.get(hosted)
    assert(upkeep !== undefined, 'a hosted volume is looked after')
    return upkeep
  }

  /** Bytes of shards made anew, moved or coded anew since the start. */
  get writtenBytes(): number {
    return Array.from(this.#upkeeps.values(), (one) => one.report()).reduce(
      (sum, { repairedBytes, movedBytes }) => sum + repairedBytes + movedBytes,
      0,
    )
  }

  /** The faults of files that the last pass over all of them found. */
  faultsOf(hosted: HostedVolume): Pick<VolumeGc, 'falseFiles' | 'fault'> | undefined {
    return this.#garbage.get(hosted)
  }

  /** The keeper of the pins of this node alone. */
  localPinning(hosted: HostedVolume): LocalPinning {
    const localPinning = this.#keepers.get(hosted)
    assert(localPinning !== undefined, 'a hosted volume is looked after')
    return localPinning
  }

  #add(hosted: HostedVolume): void {
    const { world, store, detector, quarantine, log } = this.#c
    const { map, client, volume, fetcher, dedupCheck } = hosted
    const { network, clock, random } = world
    const graceMs = (): number => graceMsOf(volume)
    const upkeep = new RepairLoop(
      {
        store,
        map,
        client,
        network,
        clock,
        random,
        detector,
        budget: this.#budget,
        quarantine,
        graceMs,
        dedupCheck,
        fetch: (chunk, signal) => fetcher.fetch(chunk, { hints: [], signal }),
        mayCondemn: (peer) => mayGiveUp(volume.membership.member(peer)?.role ?? 'reader'),
        log,
      },
      this.#options,
    )
    this.#upkeeps.set(hosted, upkeep)
    const localPinning = new LocalPinning({ hosted, store, clock, random, log })
    this.#keepers.set(hosted, localPinning)
    const garbage = this.#garbageOf(hosted, localPinning)
    this.#garbage.set(hosted, garbage)
    const parts = { map, client, network, clock, random, quarantine, graceMs, log }
    const audit = new Audit(parts)
    this.#addJob('audit', AUDIT_EVERY_MS, (signal) => audit.run(signal), hosted)
    this.#lookIntoDoubts(hosted)
    const relieved = { volume, space: () => store.space(), log }
    this.#addJob('relief', RELIEF_EVERY_MS, (signal) => relieve(relieved, signal), hosted)
    const { announcer } = hosted
    map.onChange((event) => announcer.changed(event))
    this.#addJob('announce', SWEEP_STEP_MS, (signal) => announcer.sweep(signal), hosted)
    if (this.#isStarted) upkeep.start()
    if (this.#isStarted) garbage.start()
    if (this.#isStarted) localPinning.start()
  }

  /** A volume is none of this node's any more. */
  async #remove(hosted: HostedVolume): Promise<void> {
    const jobs = [...this.#jobs].filter(([, of]) => of === hosted).map(([job]) => job)
    const tables = [this.#upkeeps, this.#garbage, this.#keepers]
    const parts = tables.map((table) => table.get(hosted))
    for (const table of tables) table.delete(hosted)
    for (const job of jobs) this.#jobs.delete(job)
    await Promise.all([...parts, ...jobs].map(async (each) => each?.stop()))
  }

  /** Checks shards that others report as not held. */
  #lookIntoDoubts(hosted: HostedVolume): void {
    const { map, client, volume } = hosted
    const { world, store, security } = this.#c
    const onRefuted = (by: PeerId | undefined, { index, stripe, peer }: BelievedShard): void => {
      const [who = 'somebody', holder] = [by, peer].map((one) =>
        one === undefined ? undefined : volume.membership.nameOf(one),
      )
      const message =
        `${who} claims that ${holder} lacks shard ${index} of ${stripe}, ` +
        `but ${holder} has just proved to have it`
      security?.({ kind: 'shard-denied', volume: volume.id, ...(by && { peer: by }), message })
    }
    const doubted = new Doubts({ ...world, map, client, store, onRefuted })
    const job = this.#addJob('doubts', DOUBTS_EVERY_MS, (signal) => doubted.run(signal), hosted)
    map.onChange((event) => {
      if (doubted.changed(event)) job.wake()
    })
  }

  #garbageOf(hosted: HostedVolume, kept: LocalPinning): VolumeGc {
    const { world, store, detector, security, log } = this.#c
    const { namespace, volume, map, packer, fetcher, chunks, inFlight, classes } = hosted
    const { client, dedupCheck, placedCopies, reads } = hosted
    const { clock } = world
    const budget = this.#budget
    const isAvoided = (peer: PeerId): boolean => map.isAvoided(peer)
    const placing = { ...world, store, map, client, dedupCheck, fetcher, budget, isAvoided, log }
    const packAnew = new Repacker(placing)
    const wake = (): void => this.garbage.wake()
    const livenessOf = (peer: PeerId): Liveness => detector.liveness(peer, graceMsOf(volume))
    const parts = { namespace, store, map, packer, fetcher, chunks, inFlight, classes }
    const ofNode = { packAnew, dedupCheck, livenessOf, clock, wake, security, log }
    return new VolumeGc({ ...parts, ...ofNode, kept, placedCopies, reads })
  }

  #addJob(
    name: string,
    everyMs: number,
    run: (signal: AbortSignal) => Promise<void>,
    hosted: HostedVolume | undefined,
  ): Job {
    const { world, log } = this.#c
    const { clock, random } = world
    const job = new Job({ clock, random, log, name, everyMs, run })
    this.#jobs.set(job, hosted)
    if (this.#isStarted) job.start()
    return job
  }

  *#scrubbed(): Generator<ScrubbedVolume, void, undefined> {
    for (const { name, volume } of this.#c.volumes.all()) {
      const hosted = this.#c.hosted.get(volume.id)
      if (hosted === undefined) continue
      const { map, packer, fetcher } = hosted
      yield {
        id: volume.id,
        name,
        map,
        isUnplaced: (chunk) => packer.isMarked(chunk),
        fetch: (chunk, { signal }) => fetcher.fetch(chunk, { hints: [], signal }),
      }
    }
  }
}
