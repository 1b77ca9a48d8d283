// Uploads data that is pinned to a cold tier at once: what is below a pin when that is set, and
// what comes or changes there later. What is still to be looked at is a list among this node's own
// keys: it is added to in the moment a change is applied, and durable with it; a file leaves it
// when all of it lies in the tier. So the cost is that of the changes, and after a restart nothing
// is looked at that was done.
//
// The node on which a pin was said puts what is below it, while it is there; then the other writers
// in rank, each an hour after the one before it. Two that see the swarm otherwise put the same.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import {
  float64FromBytes,
  float64ToBytes,
  fromByteString,
  hexToByteString,
  toHex,
} from '../../protocol/bytes.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import { stampActor } from '../../protocol/clock/dot.ts'
import { PLACEMENT_GROUPS } from '../../protocol/placement/placement-group.ts'
import { isDirVisible, readDir } from '../../protocol/tree/records.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { NodeId, PeerId } from '../../protocol/ids.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { Walk } from '../volume/file-walk.ts'
import { isColdPaused } from '../log/settings.ts'
import { pins, pinsOver } from '../state/pins.ts'
import type { Pin } from '../state/pins.ts'
import { viewPages } from '../state/state-view.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { Job } from '../jobs/background-job.ts'
import type { Clock, Random } from '../world/world.ts'
import { ColdPinPass } from './cold-pin-pass.ts'
import type { ColdPinPassParts } from './cold-pin-pass.ts'

const EVERY_MS: number = 10 * MINUTE_MS
const AT_ONCE_MS: number = SECOND_MS
/** Changes are gathered for so long, so that packs are not too small. */
const GATHER_MS: number = 15 * SECOND_MS
/** After so long the next in rank takes over. */
const TAKE_OVER_MS: number = HOUR_MS

/** Folders and files to be looked at, by id: since when, as 64 bits of ms. */
const FOLDER: ByteString = STATE_PREFIXES.coldPinFolder
const FILE: ByteString = STATE_PREFIXES.coldPinFile
/** All pins that there are were added once. */
const BEGUN: ByteString = STATE_PREFIXES.coldPinsBegun

export interface ColdPinsParts extends Omit<ColdPinPassParts, 'walk' | 'done'> {
  readonly clock: Clock
  readonly random: Random
  /**
   * The place of this node among those that may see to it, of which `first` comes first; undefined:
   * it may not.
   */
  readonly placeIn: (placementGroup: number, first: PeerId | undefined) => number | undefined
}

interface Due {
  readonly id: NodeId
  readonly key: ByteString
  readonly since: Uint8Array
}

export class ColdPins {
  readonly #parts: ColdPinsParts
  readonly #job: Job
  readonly #timer: DebounceTimer
  readonly #unlisten: readonly (() => void)[]
  /** Without any, changes cost nothing. */
  #mayHavePins = true
  #hasHeardOfPins = false
  /** Some chunks that are to go are in no stripe yet. */
  #isWaiting = false
  /** Files added during a pass since they were looked at. */
  #added: Set<NodeId> | undefined
  #failures: ReadonlyMap<string, ShoalError> = new Map()

  constructor(parts: ColdPinsParts) {
    this.#parts = parts
    const { hosted, clock } = parts
    const { view, events } = hosted.namespace.volume
    const run = (signal: AbortSignal): Promise<void> => this.#run(signal)
    this.#job = new Job({ ...parts, name: 'cold pins', everyMs: EVERY_MS, run })
    this.#timer = new DebounceTimer(clock, () => this.#job.wake())
    this.#unlisten = [
      events.pins.add((id) => this.#onPin(id)),
      // There may be a tier that there was not, or none is to wait any more.
      events.members.add(() => this.#timer.ringIn(AT_ONCE_MS)),
      events.change.add((changes) => this.#onChange(changes)),
      events.onReset(() => () => {
        view.delete(BEGUN)
        this.#mayHavePins = true
        this.#timer.ringIn(AT_ONCE_MS)
      }),
      hosted.map.onChange(({ kind }) => {
        if (this.#isWaiting && kind === 'shards') this.#timer.ringIn(GATHER_MS)
      }),
    ]
  }

  /** Why the last pass could not put anything into a tier; undefined if it could. */
  failureOf(tier: string): ShoalError | undefined {
    return this.#failures.get(tier)
  }

  start(): void {
    this.#job.start()
    this.#timer.ringIn(AT_ONCE_MS)
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    this.#timer.cancel()
    await this.#job.stop()
    this.#timer.cancel()
  }

  #onPin(id: NodeId): void {
    this.#mayHavePins = true
    this.#hasHeardOfPins = true
    this.#add(id, AT_ONCE_MS)
  }

  #onChange({ inodes, names }: ChangeSet): void {
    if (!this.#mayHavePins) return
    const { namespace } = this.#parts.hosted
    const { view } = namespace.volume
    for (const id of inodes) this.#add(id, GATHER_MS)
    for (const [dir, name] of names) {
      const known = readDir(view, dir)
      if (known === undefined || !isDirVisible(dir, known)) continue
      const target = namespace.lookup(dir, name)
      if (target !== undefined) this.#add(target.id, GATHER_MS)
    }
  }

  /** A folder or a file is to be looked at, if a pin is over it. */
  #add(id: NodeId, inMs: number): void {
    const { view } = this.#parts.hosted.namespace.volume
    const isFolder = readDir(view, id) !== undefined
    const places = pinsOver(view, id, 'pin-cold').flatMap((pin) => this.#placeOf(pin) ?? [])
    if (places.length === 0) return
    view.put(
      (isFolder ? FOLDER : FILE) + hexToByteString(id),
      float64ToBytes(this.#parts.clock.wall()),
    )
    this.#added?.add(id)
    this.#timer.ringIn(inMs + Math.min(...places) * TAKE_OVER_MS)
  }

  #placeOf({ id, stamp }: Pin): number | undefined {
    const { actors } = this.#parts.hosted.namespace.volume
    const group = Number.parseInt(id.slice(0, 4), 16) % PLACEMENT_GROUPS
    return this.#parts.placeIn(group, actors.get(stampActor(stamp))?.peer)
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { hosted, clock } = this.#parts
    const { namespace, chunks } = hosted
    const { volume } = namespace
    if (!(await this.#begin()) || isColdPaused(volume)) return
    const walk = new Walk({ namespace, reader: chunks.reader([]), clock }, signal)
    const done = (file: NodeId): void => this.#done(FILE + hexToByteString(file), file)
    const pass = new ColdPinPass({ ...this.#parts, walk, done }, signal)
    this.#added = new Set()
    this.#isWaiting = false
    try {
      for await (const due of this.#due(FOLDER)) await this.#folder(due, walk)
      for await (const due of this.#due(FILE)) {
        signal.throwIfAborted()
        await this.#file(due, pass)
      }
      await pass.flush()
    } finally {
      this.#added = undefined
      this.#failures = pass.failures
      await volume.commit()
    }
  }

  /** returns whether there are any pins, or any of them still has an effect. */
  async #begin(): Promise<boolean> {
    const { view } = this.#parts.hosted.namespace.volume
    const isFirst = view.get(BEGUN) === undefined
    let hasPins = this.#hasHeardOfPins
    for await (const { id, kind } of pins(view)) {
      if (kind !== 'pin-cold') continue
      hasPins = true
      if (isFirst) this.#add(id, AT_ONCE_MS)
    }
    if (isFirst) view.put(BEGUN, new Uint8Array(0))
    this.#mayHavePins = hasPins || this.#hasHeardOfPins
    return this.#mayHavePins
  }

  /** The files below a folder are due since it was. */
  async #folder({ id, key, since }: Due, walk: Walk): Promise<void> {
    const { volume } = this.#parts.hosted.namespace
    const { view } = volume
    this.#added?.delete(id)
    const { now, laterMs } = this.#divide(id, since)
    if (laterMs !== undefined) return this.#timer.ringIn(laterMs)
    if (now.length > 0) {
      for await (const file of walk.filesBelow({ kind: 'dir', id })) {
        const due = FILE + hexToByteString(file)
        if (view.get(due) === undefined) view.put(due, since)
        await volume.makeRoom()
      }
    }
    this.#done(key, id)
  }

  async #file({ id, since }: Due, pass: ColdPinPass): Promise<void> {
    this.#added?.delete(id)
    const { now, laterMs } = this.#divide(id, since)
    if (laterMs !== undefined) this.#timer.ringIn(laterMs)
    const found = await pass.file(id, now, { isAll: laterMs === undefined })
    if (found === 'waits') this.#isWaiting = true
  }

  /**
   * Tiers that a folder or file is to be put into now, and when it is to be seen whether others
   * were.
   */
  #divide(id: NodeId, since: Uint8Array): Divided {
    const { view } = this.#parts.hosted.namespace.volume
    const now: Divided['now'][number][] = []
    const later: number[] = []
    for (const pin of pinsOver(view, id, 'pin-cold')) {
      const place = this.#placeOf(pin)
      if (place === undefined) continue
      const inMs = float64FromBytes(since) + place * TAKE_OVER_MS - this.#parts.clock.wall()
      if (inMs > 0) later.push(inMs)
      else now.push({ tier: pin.to, isFirst: place === 0 })
    }
    return { now, laterMs: later.length === 0 ? undefined : Math.min(...later) }
  }

  #done(key: ByteString, id: NodeId): void {
    if (this.#added?.has(id) === false) this.#parts.hosted.namespace.volume.view.delete(key)
  }

  async *#due(prefix: ByteString): AsyncGenerator<Due, void, undefined> {
    const { view } = this.#parts.hosted.namespace.volume
    for await (const [key, since] of viewPages(view, prefix))
      yield { id: idIn(key, prefix), key, since }
  }
}

interface Divided {
  readonly now: readonly { readonly tier: string; readonly isFirst: boolean }[]
  readonly laterMs: number | undefined
}

function idIn(key: ByteString, prefix: ByteString): NodeId {
  return toHex(fromByteString(key.slice(prefix.length, prefix.length + SHORT_ID_BYTES))) as NodeId
}
