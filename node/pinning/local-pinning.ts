// Keeps the folders and files of a volume that are pinned to this node wholly in its store: what is
// there when a pin is set, and what comes or changes below later. A chunk is named to the filter
// before it is stored, and while the filter does not know of all, every chunk counts as kept:
// nothing that is pinned is evicted, at the price of a little that is not.
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { ChunkId, NodeId } from '../../protocol/ids.ts'
import type { ChangeSet } from '../../protocol/tree/apply.ts'
import { LINKS_SEEN_MAX, NAMES_SHOWN_MAX } from '../../protocol/limits.ts'
import {
  ROOT,
  isDirVisible,
  linksOf,
  readDir,
  readInode,
  readLink,
} from '../../protocol/tree/records.ts'
import type { Inode, StateStore } from '../../protocol/tree/records.ts'
import { firstLosers, versionsOf } from '../../protocol/tree/versions.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { inParallel, untilAborted } from '../stripes/in-parallel.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { pathOf } from '../volume/paths.ts'
import { readLocalPins, writeLocalPins } from './local-pins.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Random } from '../world/world.ts'
import { Job } from '../jobs/background-job.ts'
import { LocalPinPass } from './local-pin-pass.ts'
import { LocalPinTally } from './local-pin-tally.ts'
import type { Kept } from './local-pin-tally.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Missing data is tried again at this interval. */
const EVERY_MS: number = MINUTE_MS
/** All is looked at again so often, since chunks may be found damaged. */
const ALL_EVERY_MS: number = 6 * HOUR_MS
/** Changes are waited for so long, so that a burst is one. */
const SETTLE_MS: number = SECOND_MS / 4
const FILES_MAX = 4
/** In a file of unknown shape, one chunk is expected for so many bytes. */
const BYTES_PER_CHUNK = 16_384
const CHUNKS_MIN = 4096
/** Changes remembered singly; after more, all is looked at. */
const DUE_MAX = 10_000
/** Files looked at before others have their turn. */
const PACE = 256

export interface LocalPinningParts {
  readonly hosted: Pick<HostedVolume, 'namespace' | 'fetcher' | 'chunks' | 'placedCopies'>
  readonly store: Pick<Store, 'chunks' | 'commit'>
  readonly clock: Clock
  readonly random: Random
  readonly log: WriteLog
}

export interface LocalPin extends Kept {
  readonly id: NodeId
  readonly failure: ShoalError | undefined
}

export class LocalPinning {
  readonly #parts: LocalPinningParts
  readonly #pins: Set<NodeId>
  readonly #tally = new LocalPinTally()
  readonly #job: Job
  readonly #unlisten: (() => void)[] = []
  /** All chunks of all files, or undefined. */
  #known: BloomFilter | undefined
  /** The same, being filled to take its place; and how many it is made for. */
  #next: BloomFilter | undefined
  #expected = 0
  #dueInodes = new Set<NodeId>()
  #dueNames: (readonly [NodeId, Name])[] = []
  #isAllDue = true
  #allAt = 0
  readonly #timer: DebounceTimer
  #changed = Promise.withResolvers<void>()

  constructor(parts: LocalPinningParts) {
    this.#parts = parts
    this.#pins = readLocalPins(parts.hosted.namespace.volume.view)
    const run = (signal: AbortSignal): Promise<void> => this.#pass(signal)
    this.#timer = new DebounceTimer(parts.clock, () => this.#work())
    this.#job = new Job({ ...parts, name: 'local pins', everyMs: EVERY_MS, run })
  }

  start(): void {
    const { events } = this.#parts.hosted.namespace.volume
    this.#unlisten.push(
      events.change.add((changes) => this.#onChange(changes)),
      events.onReset(() => () => this.#lookAtAll()),
    )
    if (this.#pins.size > 0) this.#work()
  }

  /** Resolves when nothing goes on any more. */
  async stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten()
    this.#timer.cancel()
    await this.#job.stop()
  }

  /** Is a chunk to stay in the store here? Also true, though rarely, of one that is not. */
  has(chunk: ChunkId): boolean {
    if (this.#pins.size === 0) return false
    return this.#known?.has(chunk) !== false || this.#next?.has(chunk) === true
  }

  isPinned(id: NodeId): boolean {
    return this.#pins.has(id)
  }

  /** All pins, and how much of each is here. */
  async list(signal: AbortSignal): Promise<readonly LocalPin[]> {
    await this.#countDue(signal)
    return Array.from(this.#pins, (id) => ({
      id,
      ...this.#tally.of(id),
      failure: this.#failureBelow(id),
    }))
  }

  /**
   * Keep a folder with all below it, or a file, from now on, and tell how far that is until all is
   * here. To break off ends the telling alone. throws ShoalError why something could not be
   * fetched: 'ENOSPC', 'chunk-unavailable'.
   */
  async *keep(id: NodeId, signal: AbortSignal): AsyncGenerator<Kept, void, undefined> {
    const { volume } = this.#parts.hosted.namespace
    const isFirst = this.#pins.size === 0
    this.#pins.add(id)
    writeLocalPins(volume.view, this.#pins)
    if (isFirst) this.#isAllDue = true
    await volume.commit()
    await this.#count([targetOf(id, readInode(volume.view, id))], signal)
    this.#job.start()
    let isEnded = false
    const pass = this.#job.now().finally(() => {
      isEnded = true
      this.#tell()
    })
    void ignoreFailure(pass, 'it is thrown where it is awaited')
    for (;;) {
      const changed = this.#changed.promise
      yield this.#tally.of(id)
      if (isEnded) break
      await untilAborted(changed, signal)
    }
    await pass
    const failure = this.#failureBelow(id)
    if (failure === undefined) return
    const message = `${failure.message}; the pin stays, and missing data is fetched when possible`
    throw new ShoalError(failure.code, message, { cause: failure })
  }

  /** Let go: what is here are copies as others. */
  async letGo(id: NodeId): Promise<void> {
    const { namespace, placedCopies } = this.#parts.hosted
    const { volume } = namespace
    this.#pins.delete(id)
    placedCopies.forgetAll()
    writeLocalPins(volume.view, this.#pins)
    this.#lookAtAll()
    await volume.commit()
  }

  /** Peers came or went: what was not to be had may be now. */
  peersChanged(): void {
    if (this.#tally.incomplete.size > 0) this.#wakeSoon()
  }

  #onChange({ inodes, names }: ChangeSet): void {
    if (this.#pins.size === 0 || this.#isAllDue) return
    for (const id of inodes) this.#dueInodes.add(id)
    this.#dueNames.push(...names)
    if (this.#dueInodes.size + this.#dueNames.length > DUE_MAX) this.#isAllDue = true
    this.#wakeSoon()
  }

  #lookAtAll(): void {
    this.#isAllDue = true
    this.#wakeSoon()
  }

  #work(): void {
    this.#job.start()
    this.#job.wake()
  }

  #wakeSoon(): void {
    this.#timer.ringIn(SETTLE_MS)
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, store, hosted } = this.#parts
    if (this.#isAllDue || clock.now() >= this.#allAt) await this.#countAll(signal)
    else await this.#countDue(signal)
    const name = (chunk: ChunkId): void => {
      this.#known?.add(chunk)
      this.#next?.add(chunk)
    }
    const pass = new LocalPinPass({ store, hosted, name }, signal)
    try {
      const files = each([...this.#tally.incomplete])
      await inParallel(files, FILES_MAX, (id) => this.#file(id, pass, signal))
    } finally {
      await pass.end()
    }
    const files = [...this.#tally.incomplete].map((id) => this.#tally.files.get(id))
    if (this.#next !== undefined && files.every((file) => file?.isListed === true)) {
      this.#known = this.#next
      this.#next = undefined
    }
    if ((this.#known?.count ?? 0) > 2 * this.#expected) this.#isAllDue = true
  }

  /** Find out which files there are, and look into each anew. */
  async #countAll(signal: AbortSignal): Promise<void> {
    const { view } = this.#parts.hosted.namespace.volume
    this.#isAllDue = false
    this.#allAt = this.#parts.clock.now() + ALL_EVERY_MS
    this.#dueInodes = new Set()
    this.#dueNames = []
    try {
      for (const id of Array.from(this.#tally.files.keys())) this.#see(id, { anew: true })
      await this.#count(
        Array.from(this.#pins, (id) => targetOf(id, readInode(view, id))),
        signal,
      )
    } catch (error) {
      this.#isAllDue = true
      throw error
    }
    this.#expected = CHUNKS_MIN + this.#tally.wantedBytes / BYTES_PER_CHUNK
    this.#next = new BloomFilter(this.#expected)
  }

  /** See what has changed. */
  async #countDue(signal: AbortSignal): Promise<void> {
    if (this.#pins.size === 0) return
    const { namespace } = this.#parts.hosted
    const names = this.#dueNames
    for (const id of this.#dueInodes) this.#see(id)
    this.#dueInodes = new Set()
    this.#dueNames = []
    const targets = names.flatMap(([dir, name]) => {
      if (readDir(namespace.volume.view, dir) === undefined) return []
      return namespace.lookup(dir, name) ?? []
    })
    try {
      await this.#count(targets, signal)
    } catch (error) {
      this.#isAllDue = true
      throw error
    }
    if (this.#tally.incomplete.size > 0 && !this.#job.isRunning) this.#wakeSoon()
  }

  /** See these, and all files below folders. */
  async #count(targets: readonly ViewTarget[], signal: AbortSignal): Promise<void> {
    const { hosted, clock } = this.#parts
    const open = [...targets]
    let steps = 0
    for (let one = open.pop(); one !== undefined; one = open.pop()) {
      if (one.kind !== 'dir') {
        this.#see(one.id)
        continue
      }
      try {
        for await (const { target } of hosted.namespace.list(one.id)) {
          if (target.kind === 'dir') open.push(target)
          else this.#see(target.id)
          if (++steps % PACE === 0) await clock.sleep(1, { signal })
        }
      } catch (error) {
        // Removed meanwhile.
        if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ESTALE')) throw error
      }
    }
  }

  /** A file as it is now. anew: also if it is as it was. */
  #see(id: NodeId, { anew = false }: { readonly anew?: boolean } = {}): void {
    const { view } = this.#parts.hosted.namespace.volume
    const inode = readInode(view, id)
    const pins = inode === undefined ? new Set<NodeId>() : this.#pinsOver(id, inode)
    const known = this.#tally.files.get(id)
    if (inode === undefined || pins.size === 0) {
      this.#tally.delete(id)
      return
    }
    const key = keyOf(view, id, inode)
    const isSame = known?.key === key && known.pins.symmetricDifference(pins).size === 0
    if (isSame && !anew) return
    const wantedBytes = versionsOf(view, id, inode).reduce((sum, { size }) => sum + size, 0)
    const actualBytes = isSame ? known.actualBytes : 0
    const file = { key, pins, wantedBytes, actualBytes, failure: undefined }
    this.#tally.set(id, { ...file, isListed: false })
  }

  /** The pins of a file, and of the folders that it shows in. cost: O(depth). */
  #pinsOver(id: NodeId, inode: Inode): Set<NodeId> {
    const { view } = this.#parts.hosted.namespace.volume
    const over = new Set<NodeId>()
    if (inode.links.length > 0 && this.#pins.has(id)) over.add(id)
    const seen = new Set<NodeId>()
    for (const link of linksOf(view, id, inode).take(LINKS_SEEN_MAX)) {
      for (let at = readLink(view, link)?.parent; at !== undefined && !seen.has(at);) {
        const dir = readDir(view, at)
        if (dir === undefined || !isDirVisible(at, dir)) break
        seen.add(at)
        if (this.#pins.has(at)) over.add(at)
        at = at === ROOT ? undefined : dir.parent
      }
    }
    return over
  }

  async #file(id: NodeId, pass: LocalPinPass, signal: AbortSignal): Promise<void> {
    // As it is now: the pass goes by the same versions.
    this.#see(id)
    const file = this.#tally.files.get(id)
    if (file === undefined) return
    const { view } = this.#parts.hosted.namespace.volume
    const inode = readInode(view, id)
    const versions = inode === undefined ? [] : [...versionsOf(view, id, inode)]
    let actualBytes = 0
    const onKept = (bytes: number): void => {
      actualBytes += bytes
      // If less is here than was counted, that is told at the end.
      if (actualBytes > file.actualBytes) this.#tally.put(id, file, actualBytes)
      this.#tell()
    }
    try {
      const missing = await pass.file(versions, onKept)
      file.isListed = true
      file.failure = missing && this.#failed(id, missing)
    } catch (error) {
      signal.throwIfAborted()
      file.failure = this.#failed(id, error)
    }
    this.#tally.put(id, file, actualBytes)
    if (file.failure === undefined) this.#tally.whole(id, file)
    this.#tell()
  }

  #failed(id: NodeId, cause: unknown): ShoalError {
    const { hosted, log } = this.#parts
    const { code, message } = asShoalError(cause)
    const path = pathOf(hosted.namespace, id)
    const shown = path === undefined ? 'a file that is gone' : hosted.namespace.shownPath(path)
    const failure = new ShoalError(code, `${shown}: ${message}`, { cause: asShoalError(cause) })
    log('pin.incomplete', { code, message: failure.message })
    return failure
  }

  #failureBelow(pin: NodeId): ShoalError | undefined {
    for (const id of this.#tally.incomplete) {
      const file = this.#tally.files.get(id)
      if (file?.failure !== undefined && file.pins.has(pin)) return file.failure
    }
    return undefined
  }
}

/** Another one when its versions are others. */
function keyOf(view: StateStore, id: NodeId, inode: Inode): string {
  const first = firstLosers(view, id, inode, NAMES_SHOWN_MAX).map(({ dot }) => dot)
  return [inode.newest?.dot, inode.losers.length, ...first].join()
}

function targetOf(id: NodeId, inode: Inode | undefined): ViewTarget {
  return inode === undefined
    ? { kind: 'dir', id }
    : { kind: 'inode', id, link: ROOT, version: undefined }
}

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item, void, undefined> {
  yield* items
}
