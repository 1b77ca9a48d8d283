// Snapshots of one volume: making one, and having the trees of those that others made. Invariants:
//   a snapshot is logged once all nodes of its tree are durable here
//   this node goes by what it computed itself, whatever the maker says; where it cannot, by nodes
//     that hash to the root that the maker said
//   what a snapshot names is live while the snapshot is there (node/tree/live-versions.ts)
import { stampMs } from '../../protocol/clock/dot.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { toHex } from '../../protocol/bytes.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import { enforces } from '../../protocol/trust.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import type { NodeHash } from '../../protocol/prolly/prolly.ts'
import { isSnapshotName } from '../../protocol/op/snapshot-name.ts'
import type { SnapshotCut, SnapshotId, SnapshotOp } from '../../protocol/op/snapshot-op.ts'
import { DAY_MS, GIB, KIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { BackoffTable } from '../jobs/backoff.ts'
import type { Volume } from '../log/volume.ts'
import { treesOf } from '../log/volume-trees.ts'
import {
  readMissingTrees,
  readSnapshotTrees,
  writeMissingTrees,
  writeSnapshotTrees,
} from '../state/snapshot-trees.ts'
import type { MissingTree, SnapshotTree } from '../state/snapshot-trees.ts'
import { SNAPSHOT, snapshotAt, snapshotKey, snapshotsIn } from '../state/snapshots.ts'
import type { Snapshot, SnapshotKey } from '../state/snapshots.ts'
import type { Timer, World } from '../world/world.ts'
import { governedHere } from './announcement.ts'
import type { FetchRoom } from './checkpoint-transfer.ts'
import { baseOf, canCompute, computeSnapshot } from './compute-snapshot.ts'
import type { WriteLog } from '../observe/log-events.ts'

const LOOK_MS: number = MINUTE_MS
/** A tree that nobody had for so long is waited for no more, lest collection stops for ever. */
const LOST_MS: number = 7 * DAY_MS
/** The most bytes that are fetched of all trees of one maker, and more for each file here. */
const FETCHED_MAX: number = GIB
const FETCHED_OF_FILE_MAX: number = 4 * KIB

export interface SnapshotsComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly volume: Volume
  /** Shared with checkpoints, which are computed and kept in it: nothing goes meanwhile. */
  readonly queue: SerialQueue
  /** Members that may have the nodes of a tree, and can be asked. */
  readonly peers: () => readonly PeerId[]
  /** Fetch what is missing here of a sealed tree, and for which there is room. */
  readonly fetch: (root: NodeHash, from: PeerId, room: FetchRoom) => Promise<void>
  readonly log: WriteLog
}

/** A snapshot that is to be made. */
export interface NewSnapshot {
  readonly name: string
  readonly folder: NodeId
  /** By default one that nobody knows. */
  readonly id?: SnapshotId
}

/** Makes ops at once, or by the voters of the volume. */
type Submit = (make: () => void) => Promise<unknown>

export class Snapshots {
  readonly #c: SnapshotsComponents
  readonly #stop = new AbortController()
  readonly #looking = new SerialQueue()
  readonly #backoff: BackoffTable<SnapshotKey>
  #timer: Timer | undefined
  #unlisten: (() => void) | undefined
  #isDue = false
  #presents = 0
  /** Their trees are here, and they are not logged yet. */
  readonly #making = new Set<SnapshotKey>()
  /** Bytes that were fetched of trees of a maker which were not taken, since this node runs. */
  readonly #spent = new Map<PeerId, number>()

  constructor(components: SnapshotsComponents) {
    this.#c = components
    const { clock } = components.world
    this.#backoff = new BackoffTable(clock, { firstMs: 10 * SECOND_MS, longestMs: 10 * MINUTE_MS })
  }

  start(): void {
    const { events } = this.#c.volume
    const look = (): void => void this.#lookSoon()
    const unlisten = [events.snapshots.add(look), events.onReset(() => look)]
    this.#unlisten = () => {
      for (const one of unlisten) one()
    }
    look()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new ShoalError('stopped', 'the node is stopping'))
    this.#timer?.cancel()
    this.#unlisten?.()
    await this.#looking.idle()
    await this.#c.queue.idle()
  }

  /**
   * Make a snapshot of what is here now: all that was written on this node, and received. It is
   * durable here when this resolves. throws 'usage', 'EEXIST', as Volume.submit().
   */
  async create({ name, folder, id: given }: NewSnapshot, submit: Submit): Promise<Snapshot> {
    const { volume, queue, world } = this.#c
    if (!isSnapshotName(name) || isMoment(name)) throw badName()
    const op = await queue.run(async () => {
      for (const known of await snapshotsIn(volume.view)) if (known.name === name) throw taken(name)
      volume.endBatch()
      const id = given ?? (toHex(world.random.bytes(SHORT_ID_BYTES)) as SnapshotId)
      const ref = { peer: volume.identity.peer, id }
      const [vector, { hlc }] = [volume.actors.vector(), volume.actors]
      const cut = { hlc, vector, base: baseOf(volume), governed: governedHere(volume) }
      const root = await this.#computeOwn(snapshotKey(ref), cut)
      return { kind: 'snapshot', ...ref, name, folder, ...cut, root } as const
    })
    const key = snapshotKey(op)
    try {
      await submit(() => void volume.submit(op))
      await volume.commit()
    } finally {
      this.#making.delete(key)
      void this.#lookSoon()
    }
    const made = snapshotAt(volume.view, key)
    if (made === undefined) throw new ShoalError('EACCES', 'the snapshot was removed meanwhile')
    return made
  }

  /** The root of the tree of one that is being made, which is kept until it is logged. */
  #computeOwn(
    key: SnapshotKey,
    { hlc, vector, governed }: Pick<SnapshotCut, 'hlc' | 'vector' | 'governed'>,
  ): Promise<NodeHash | undefined> {
    const { volume, world } = this.#c
    const { clock } = world
    const { signal } = this.#stop
    return volume.orphanNodes.compute(async () => {
      const isLate = isPlanted('snapshot-of-later')
      if (isLate) await clock.sleep(5 * SECOND_MS, { signal })
      const cut = { vector: isLate ? volume.actors.vector() : vector, governed }
      const root = await computeSnapshot({ volume, clock }, cut, { signal })
      this.#making.add(key)
      this.#keep(key, { root, check: 'same', hlc, fetchedBytes: 0 })
      await volume.commit()
      return root
    })
  }

  /**
   * Run with the root of the tree of what is here now, whose nodes stay until it ends. isWanted:
   * else there is none.
   */
  async withPresent<Result>(
    run: (root: NodeHash | undefined) => Promise<Result>,
    { isWanted = true }: { readonly isWanted?: boolean } = {},
  ): Promise<Result> {
    if (!isWanted) return run(undefined)
    const { volume, queue } = this.#c
    const key = `${SNAPSHOT}${this.#presents++}` as SnapshotKey
    const root = await queue.run(() => {
      volume.endBatch()
      const [vector, { hlc }] = [volume.actors.vector(), volume.actors]
      return this.#computeOwn(key, { hlc, vector, governed: governedHere(volume) })
    })
    try {
      return await run(root)
    } finally {
      this.#making.delete(key)
      void this.#lookSoon()
    }
  }

  /** Remove one, hold it, or let it go. */
  async change(op: Exclude<SnapshotOp, { kind: 'snapshot' }>, submit: Submit): Promise<void> {
    const { volume } = this.#c
    await submit(() => void volume.submit(op))
    await volume.commit()
  }

  /** Have the trees of all snapshots that there are, and forget those of others. */
  look(): Promise<void> {
    return this.#looking.run(async () => {
      this.#isDue = false
      const { volume, log } = this.#c
      if (this.#stop.signal.aborted || volume.membership.isKeeper()) return
      try {
        const all = await snapshotsIn(volume.view)
        await this.#forgetOthers(all)
        const trees = readSnapshotTrees(volume.view)
        for (const snapshot of all) if (!trees.has(snapshot.key)) await this.#have(snapshot)
        if (!(await this.#hasAll(all))) this.#lookLater()
      } catch (error) {
        if (this.#stop.signal.aborted) return
        log('snapshot.failed', { error: String(error) })
        this.#lookLater()
      }
    })
  }

  /** Writes down which trees are missing, since when, and whether they are lost. */
  async #hasAll(all: readonly Snapshot[]): Promise<boolean> {
    const { volume } = this.#c
    const trees = readSnapshotTrees(volume.view)
    const known = readMissingTrees(volume.view)
    const nowMs = volume.time.now()
    const missing = all
      .filter(({ key }) => !trees.has(key))
      .map((snapshot): readonly [SnapshotKey, MissingTree] => {
        const { sinceMs, isLost } = known.get(snapshot.key) ?? { sinceMs: nowMs, isLost: false }
        const isOver = nowMs - sinceMs >= LOST_MS
        if (isOver && !isLost) this.#tellLost(snapshot)
        return [snapshot.key, { sinceMs, isLost: isOver }]
      })
    const isSame = ([key, { isLost }]: (typeof missing)[number]): boolean =>
      known.get(key)?.isLost === isLost
    if (missing.length !== known.size || !missing.every(isSame)) {
      writeMissingTrees(volume.view, new Map(missing))
      await volume.commit()
      volume.events.snapshots.tell()
    }
    return missing.length === 0
  }

  async #lookSoon(): Promise<void> {
    if (this.#isDue) return
    this.#isDue = true
    await this.look()
  }

  /** There is a tree to be had, of which nothing will tell that it can be had now. */
  #lookLater(): void {
    if (this.#stop.signal.aborted) return
    const { clock, random } = this.#c.world
    this.#timer?.cancel()
    this.#timer = clock.timer(LOOK_MS * (0.5 + random.number()), () => void this.#lookSoon())
  }

  async #forgetOthers(all: readonly Snapshot[]): Promise<void> {
    const { volume, queue } = this.#c
    const there = new Set(all.map(({ key }) => key))
    await queue.run(async () => {
      const trees = readSnapshotTrees(volume.view)
      const isGone = (key: SnapshotKey): boolean =>
        !there.has(key) && !this.#making.has(key) && snapshotAt(volume.view, key) === undefined
      const kept = new Map([...trees].filter(([key]) => !isGone(key)))
      if (kept.size === trees.size) return
      writeSnapshotTrees(volume.view, kept)
      volume.orphanNodes.leave()
      await volume.commit()
    })
  }

  async #have(snapshot: Snapshot): Promise<void> {
    if (this.#stop.signal.aborted) return
    if (enforces('snapshot-by-own') && (await this.#compute(snapshot))) return
    if (!this.#backoff.isDue(snapshot.key)) return
    if (await this.#fetch(snapshot)) this.#backoff.succeeded(snapshot.key)
    else this.#backoff.failed(snapshot.key)
  }

  /** returns whether this node could. */
  #compute(snapshot: Snapshot): Promise<boolean> {
    const { volume, queue, world } = this.#c
    return queue.run(async () => {
      const { key, hlc } = snapshot
      if (this.#stop.signal.aborted || !canCompute(volume, snapshot)) return false
      const { signal } = this.#stop
      await volume.orphanNodes.compute(async () => {
        const components = { volume, clock: world.clock }
        const root = await computeSnapshot(components, snapshot, { signal })
        const check = root === snapshot.root ? 'same' : 'differs'
        if (check === 'differs') this.#tellDiffers(snapshot)
        this.#keep(key, { root, check, hlc, fetchedBytes: 0 })
        await volume.commit()
        volume.events.snapshots.tell()
      })
      return true
    })
  }

  /** returns whether its tree is here. */
  async #fetch(snapshot: Snapshot): Promise<boolean> {
    const { volume, peers, log } = this.#c
    const { root, peer: maker } = snapshot
    const others = peers()
    const first = others.filter((peer) => peer === maker)
    if (root === undefined) return this.#take(snapshot, 0)
    for (const peer of [...first, ...others.filter((other) => other !== maker)]) {
      if (this.#stop.signal.aborted) return false
      try {
        const fetch = async (): Promise<boolean> => {
          const room = this.#roomFor(maker)
          const { bytes } = room
          try {
            await this.#c.fetch(root, peer, room)
          } finally {
            this.#spent.set(maker, (this.#spent.get(maker) ?? 0) + bytes - room.bytes)
          }
          return this.#take(snapshot, bytes - room.bytes)
        }
        if (await volume.orphanNodes.fetch(fetch)) return true
      } catch (error) {
        if (!this.#stop.signal.aborted)
          log('snapshot.not-had', { peer, snapshot: snapshot.name, error: String(error) })
        if (hasCode(error, 'stopped')) return false
      }
    }
    return false
  }

  /** Is all of its tree here? What was here before the fetch may have gone since. */
  #take({ key, root, hlc, peer }: Snapshot, fetchedBytes: number): Promise<boolean> {
    const { volume, queue } = this.#c
    return queue.run(async () => {
      if (!treesOf(volume).sealed.isWhole(root, volume.checkpoint?.sealed)) return false
      this.#keep(key, { root, check: 'taken', hlc, fetchedBytes })
      this.#spent.set(peer, (this.#spent.get(peer) ?? 0) - fetchedBytes)
      await volume.commit()
      volume.events.snapshots.tell()
      return true
    })
  }

  /** The bytes that may be fetched yet of trees that a member made. */
  #roomFor(maker: PeerId): FetchRoom {
    const { view, replica } = this.#c.volume
    let bytes = FETCHED_MAX + FETCHED_OF_FILE_MAX * replica.files.totals.files
    for (const [key, { fetchedBytes }] of readSnapshotTrees(view))
      if (snapshotAt(view, key)?.peer === maker) bytes -= fetchedBytes
    return { bytes: Math.max(0, bytes - (this.#spent.get(maker) ?? 0)) }
  }

  /** Durable with the next commit. */
  #keep(key: SnapshotKey, tree: SnapshotTree): void {
    const { view } = this.#c.volume
    writeSnapshotTrees(view, new Map([...readSnapshotTrees(view), [key, tree]]))
  }

  #tellDiffers({ name, peer, stamp }: Snapshot): void {
    const { membership, events } = this.#c.volume
    const at = new Date(stampMs(stamp)).toISOString()
    const message =
      `the snapshot ${name} of ${membership.nameOf(peer)}, made at ${at}, differs from what this ` +
      'node has of that moment: one of the two is damaged, or lies; this node uses its own, see ' +
      '"shoal snapshot ls"'
    events.security.tell({ kind: 'snapshot-differs', peer, message })
  }

  #tellLost({ name, peer }: Snapshot): void {
    const { membership, events } = this.#c.volume
    const message =
      `the snapshot ${name} of ${membership.nameOf(peer)} is lost: nobody has had it for a week, ` +
      'so data that only it names is given up; remove it with "shoal snapshot rm"'
    events.security.tell({ kind: 'snapshot-lost', peer, message })
  }
}

/** Names that the command takes for a time, or the id of a version. */
function isMoment(name: string): boolean {
  return /^(\d{1,6}(?:s|m|h|d|w)|[0-9a-f]{4,12}|\d{4}-\d\d-\d\d.*|yesterday|now)$/i.test(name)
}

function badName(): ShoalError {
  const rule =
    'at most 64 letters, digits, spaces and ._:+-, of which a letter, a digit or "_" is the ' +
    'first; and nothing that could be a time or the id of a version'
  return new ShoalError('usage', `a snapshot cannot have this name: ${rule}`)
}

function taken(name: string): ShoalError {
  const how = 'give another name, or remove it with "shoal snapshot rm"'
  return new ShoalError('EEXIST', `there is a snapshot ${name} already; ${how}`)
}
