// A log whose lines are numbered and chained by hashes (log-chain.ts), on the disk of a node. Lines
// are written and synced in the background. Its head is kept in the index, too, once it is durable:
// a log that was cut or changed is noticed at the next start.
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { asShoalError } from '../../protocol/errors.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { ChainReadOptions } from '../control/observe/security.ts'
import type { Kv } from '../store/kv.ts'
import type { LineSeal } from '../world/home-key.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { DiskFile, Timer, World } from '../world/world.ts'
import {
  FOLDER,
  currentFile,
  examine,
  formatLine,
  formerFile,
  formerFiles,
  hashOf,
  nextAfter,
  readEntries,
  readNewest,
} from './log-chain.ts'
import type { Examined, Known, Link, LogFiles, LogKind, Numbered } from './log-chain.ts'

/** Known before there is a first event, so that the file is known to be new. */
const NONE: Link = { number: 0, hash: new Uint8Array() }

export interface ChainedLogComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'disk'>
  readonly kv: Kv
  readonly lines: LineSeal
  /** Hears why lines could not be written. */
  readonly onFailure: (error: ShoalError) => void
}

/** Entry: of its lines. */
export interface ChainedLogSettings<Entry extends Numbered> {
  readonly kind: LogKind<Entry>
  /** The key of its head in the index. */
  readonly headKey: string
  /** The size of a full file. */
  readonly fileBytes: number
  /** Full files that are kept. */
  readonly formerMax: number
  /** Entries that may wait for the disk. */
  readonly pendingMax: number
  /** Entries are written together that come within this time; 0: at once. */
  readonly gatherMs: number
  /** The part that is examined when it is opened. */
  readonly examined: 'all' | 'newest file'
}

type Fields<Entry extends Numbered> = Omit<Entry, keyof Numbered>

/** A former state, as the index has it. */
interface Kept extends Known {
  /** The faults of the log that were told. */
  readonly told: string
}

export class ChainedLog<Entry extends Numbered> {
  readonly #c: ChainedLogComponents
  readonly #settings: ChainedLogSettings<Entry>
  readonly #files: LogFiles<Entry>
  #file: DiskFile | undefined
  #fileBytes = 0
  /** Newest event, and the newest that is durable; undefined: none was ever recorded. */
  #last: Link | undefined
  #durable: Link | undefined
  /** The oldest event that is kept. */
  #first = 1
  #told = ''
  #pending: { readonly line: string; readonly link: Link }[] = []
  #due: Timer | undefined
  #writing: Promise<void> | undefined
  #changed = Promise.withResolvers<void>()
  /** Faults that were found when it was opened and not told before; '' for none. */
  #found = ''

  private constructor(components: ChainedLogComponents, settings: ChainedLogSettings<Entry>) {
    const { world, lines } = components
    this.#c = components
    this.#settings = settings
    this.#files = { kind: settings.kind, disk: world.disk, open: lines.open }
  }

  static async open<Entry extends Numbered>(
    components: ChainedLogComponents,
    settings: ChainedLogSettings<Entry>,
  ): Promise<ChainedLog<Entry>> {
    const log = new ChainedLog(components, settings)
    await log.#open()
    return log
  }

  async #open(): Promise<void> {
    const kept = this.#kept()
    const { examined } = this.#settings
    const { first, last, currentBytes, problems, hasTail } = await examine(
      this.#files,
      kept,
      examined,
    )
    // Others may hold the one that was kept: the next event follows from that, whatever was made of
    // it.
    const isBehind = kept !== undefined && (last?.number ?? 0) <= kept.link.number
    this.#last = this.#durable = isBehind ? kept.link : last
    this.#fileBytes = currentBytes
    this.#first = kept?.first ?? first ?? 1
    this.#told = kept?.told ?? ''
    if (problems.length > 0 && hasTail) await this.#turnOver()
    const found = problems.join('; ')
    this.#found = found === this.#told ? '' : found
  }

  /** Faults that were found when it was opened and not told before; '' for none. */
  get found(): string {
    return this.#found
  }

  /** Note that what was found is told: it is not told again at the next start. */
  async tell(): Promise<void> {
    await this.settle()
    // As it is put from now on, with an event behind it.
    const { problems } = await examine(this.#files, this.#kept(), this.#settings.examined)
    this.#told = problems.join('; ')
    if (this.#durable !== undefined) await this.#keep(this.#durable)
  }

  /** Nothing more may be appended until what waits is written. */
  get isFull(): boolean {
    return this.#pending.length >= this.#settings.pendingMax
  }

  /** The newest entry that is durable. */
  get durable(): Link | undefined {
    return this.#durable
  }

  append(fields: Fields<Entry>, timeMs: WallTime): void {
    const { number: before, hash } = this.#last ?? NONE
    const number = before + 1
    // A log begins with chance, lest its hashes tell what its first events were.
    const prev = before === 0 ? this.#c.world.random.bytes(HASH_BYTES) : hash
    const line = formatLine({ number, timeMs, ...fields }, prev)
    this.#last = { number, hash: this.#settings.kind.hash(line) }
    this.#pending.push({ line, link: this.#last })
    this.writeSoon()
  }

  /** Write what is pending, also what could not be written before. */
  writeSoon(): void {
    const { gatherMs, pendingMax } = this.#settings
    if (this.#pending.length === 0 || this.#writing !== undefined) return
    if (gatherMs === 0 || this.#pending.length > pendingMax / 2) return this.#writeNow()
    this.#due ??= this.#c.world.clock.timer(gatherMs, () => this.#writeNow())
  }

  #writeNow(): void {
    this.#due?.cancel()
    this.#due = undefined
    if (this.#pending.length === 0) return
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      // What came meanwhile; what failed waits for the next event.
      if (this.#file !== undefined) this.writeSoon()
    })
  }

  /** Until all that was appended is written, or could not be. */
  async settle(): Promise<void> {
    if (this.#due !== undefined) this.#writeNow()
    await this.#writing
  }

  /** In the order in which they were recorded, in pages. */
  async *read({
    sinceMs = 0 as WallTime,
    limit,
    follow = false,
    isAsked = () => true,
    signal,
  }: ChainReadOptions & {
    readonly isAsked?: (entry: Entry) => boolean
    readonly signal: AbortSignal
  }): AsyncGenerator<readonly Entry[]> {
    let seen = 0
    for (let isFirst = true; isFirst || follow; isFirst = false) {
      const changed = this.#changed.promise
      await this.settle()
      const after = seen
      const isNew = (entry: Entry): boolean =>
        entry.number > after && entry.timeMs >= sinceMs && isAsked(entry)
      if (isFirst && limit !== undefined) {
        const newest = await readNewest(this.#files, limit, isNew)
        seen = newest.at(-1)?.number ?? this.#durable?.number ?? 0
        yield newest
      } else {
        for await (const page of readEntries(this.#files, after)) {
          seen = page.at(-1)?.number ?? seen
          yield page.filter(isNew)
        }
      }
      if (follow) await changedOrAborted(changed, signal)
    }
  }

  /** Read all of it again. */
  async check(): Promise<Examined> {
    await this.settle()
    return examine(this.#files, this.#kept(), 'all')
  }

  /** In hexadecimal; undefined for an entry that is not kept. */
  async hashOf(number: number): Promise<string | undefined> {
    await this.settle()
    return hashOf(this.#files, number)
  }

  /** Writes what is left; a disk that cannot be written to is not waited for. */
  async close(): Promise<void> {
    this.writeSoon()
    await this.settle()
    await this.#file?.close()
    this.#file = undefined
  }

  /** Write what is pending. What fails is tried again with the next event. */
  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const isOne = this.#c.world.random.unlucky('observe.one-line-a-write')
      const batch = this.#pending.slice(0, isOne ? 1 : undefined)
      const [first, last] = [batch[0], batch.at(-1)]
      if (first === undefined || last === undefined) return
      try {
        if (this.#durable === undefined) await this.#keep(NONE)
        if (this.#fileBytes >= this.#settings.fileBytes) await this.#turnOver(first.link.number)
        await this.#writeLines(batch.map(({ line }) => line))
        await this.#keep(last.link)
      } catch (error) {
        this.#c.onFailure(asShoalError(error))
        if (this.#file !== undefined)
          await ignoreFailure(this.#file.close(), 'that it cannot be written is said')
        this.#file = undefined
        return
      }
      this.#pending = this.#pending.slice(batch.length)
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
      if (this.#settings.gatherMs > 0) return
    }
  }

  async #writeLines(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.map((line) => `${this.#c.lines.seal(line)}\n`).join(''))
    const file = await this.#openFile()
    await file.write(this.#fileBytes, [bytes])
    await file.sync()
    this.#fileBytes += bytes.length
  }

  /**
   * Cut where the last whole line ends: what is behind was being written when the node ended, or
   * could not be.
   */
  async #openFile(): Promise<DiskFile> {
    if (this.#file !== undefined) return this.#file
    const { disk } = this.#c.world
    await disk.makeFolder(FOLDER)
    const file = await disk.open(currentFile(this.#settings.kind.name), 'write')
    await file.truncate(this.#fileBytes)
    await disk.syncFolder(FOLDER)
    await disk.syncFolder('')
    return (this.#file = file)
  }

  /** Begin another file; the oldest goes. */
  async #turnOver(next: number = (this.#last?.number ?? 0) + 1): Promise<void> {
    const { disk } = this.#c.world
    const { name } = this.#settings.kind
    await this.#file?.close()
    this.#file = undefined
    await disk.rename(currentFile(name), formerFile(name, next))
    this.#fileBytes = 0
    const old = (await formerFiles(disk, name)).slice(0, -this.#settings.formerMax)
    const [newest] = old.slice(-1)
    if (newest === undefined || this.#durable === undefined) return
    this.#first = nextAfter(newest)
    await this.#keep(this.#durable)
    for (const file of old) await disk.remove(file)
  }

  async #keep(link: Link): Promise<void> {
    const key = this.#settings.headKey
    const value = encodeCbor([link.number, link.hash, this.#first, this.#told])
    await this.#c.kv.write([{ kind: 'put', key, value }], { sync: true })
    this.#durable = link
  }

  #kept(): Kept | undefined {
    const bytes = this.#c.kv.get(this.#settings.headKey)
    if (bytes === undefined) return undefined
    const [number, hash, first, told] = decodeCbor(bytes, 'head of a log') as readonly [
      number,
      Uint8Array,
      number,
      string,
    ]
    return { link: { number, hash }, first, told }
  }
}

async function changedOrAborted(changed: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([changed, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
