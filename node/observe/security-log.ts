// The security log of a node, on its disk: what its parts reported, numbered and hash-chained
// (security-chain.ts). Each event is written and synced in the background. Its head is kept in the
// index, too, and told to other members once it is durable: a log that was cut or changed is
// noticed here at the next start, and by them.
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import { toHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Identity } from '../../protocol/signed.ts'
import { MIB } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { securityLineHash, signSecurityHead } from '../../protocol/wire/security.ts'
import type { SecurityHead } from '../../protocol/wire/security.ts'
import type { SecurityEntry, SecurityReadOptions } from '../control/observe/security.ts'
import type { Kv } from '../store/kv.ts'
import type { LineSeal } from '../world/home-key.ts'
import type { DiskFile, World } from '../world/world.ts'
import { EventRates } from './event-rates.ts'
import {
  CURRENT_FILE,
  FOLDER,
  examine,
  formatLine,
  formerFile,
  formerFiles,
  hashOf,
  nextAfter,
  readEntries,
} from './security-chain.ts'
import type { Examined, Known, Link, LogFiles } from './security-chain.ts'
import type { RecordSecurity, SecurityEvent } from './security.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from './log-events.ts'

/** The head as it was when it was last durable, and what was told to be wrong with the log. */
const HEAD_KEY = STORE_PREFIXES.securityHead
const FILE_BYTES: number = 4 * MIB
/** Full files that are kept. */
const FORMER_MAX = 5
/** Events that wait for the disk: what comes while it cannot be written to is left out. */
const PENDING_MAX = 256
const MESSAGE_MAX = 1000
const NAME_MAX = 255

/** Known before there is a first event, so that the file is known to be new. */
const NONE: Link = { number: 0, hash: new Uint8Array() }

export interface SecurityLogComponents {
  readonly world: Pick<World, 'clock' | 'random' | 'disk'>
  readonly kv: Kv
  readonly identity: Identity
  readonly lines: LineSeal
  /** The name of a peer, where it is known. */
  readonly nameOf: (peer: PeerId, volume: VolumeId | undefined) => string | undefined
  readonly log: WriteLog
  /** Hears of each event that is taken. */
  readonly onEvent?: RecordSecurity | undefined
}

export interface SecurityLogOptions {
  /** The size of a full file. */
  readonly fileBytes?: number | undefined
}

/** The state of a log when it is opened. */
interface Found {
  readonly examined: Examined
  readonly newest: Link | undefined
  readonly kept: Kept | undefined
}

export class SecurityLog {
  readonly #c: SecurityLogComponents
  readonly #rates = new EventRates()
  #file: DiskFile | undefined
  #fileBytes: number
  readonly #fileBytesMax: number
  /** Newest event, and the newest that is durable; undefined: none was ever recorded. */
  #last: Link | undefined
  #durable: Link | undefined
  #head: SecurityHead | undefined
  /** The oldest event that is kept. */
  #first: number
  /** The faults of the log that were told. */
  #told: string
  #pending: { readonly line: string; readonly link: Link }[] = []
  #writing: Promise<void> | undefined
  #changed = Promise.withResolvers<void>()

  private constructor(
    components: SecurityLogComponents,
    { fileBytes = FILE_BYTES }: SecurityLogOptions,
    { examined: { currentBytes, first }, newest, kept }: Found,
  ) {
    this.#c = components
    this.#fileBytesMax = fileBytes
    this.#fileBytes = currentBytes
    this.#last = newest
    this.#durable = newest
    this.#first = kept?.first ?? first ?? 1
    this.#told = kept?.told ?? ''
  }

  /** Opens the log; its faults become its next event, once. */
  static async open(
    components: SecurityLogComponents,
    options: SecurityLogOptions = {},
  ): Promise<SecurityLog> {
    const { kv } = components
    const kept = decodeKept(kv.get(HEAD_KEY))
    const examined = await examine(filesOf(components), kept)
    const { last, problems, hasTail } = examined
    // Others may hold the one that was kept: the next event follows from that, whatever was made of
    // it.
    const isBehind = kept !== undefined && (last?.number ?? 0) <= kept.link.number
    const newest = isBehind ? kept.link : last
    const log = new SecurityLog(components, options, { examined, newest, kept })
    if (problems.length > 0 && hasTail) await log.#turnOver()
    const found = problems.join('; ')
    if (found !== log.#told && found !== '') await log.#tellOf(found)
    return log
  }

  async #tellOf(found: string): Promise<void> {
    const message = `this log was truncated or altered, and events are lost: ${found}`
    this.record({ kind: 'log-altered', message })
    await this.#settle()
    // As it is put from now on, with an event behind it.
    this.#told = (await this.check()).problems.join('; ')
    if (this.#durable !== undefined) await this.#keep(this.#durable)
  }

  /** Take an event; see RecordSecurity. */
  readonly record: RecordSecurity = (event) => {
    this.#c.onEvent?.(event)
    const nowMs = this.#c.world.clock.wall()
    for (const leftOut of this.#rates.drain(nowMs, false)) this.#append(leftOut, nowMs)
    const hasRoom = this.#pending.length < PENDING_MAX
    if (hasRoom && this.#rates.takes(event, nowMs)) this.#append(event, nowMs)
    else this.#writeSoon()
  }

  /** The head of the durable log; undefined: nothing was recorded. */
  get head(): SecurityHead | undefined {
    const { number, hash } = this.#durable ?? NONE
    if (number === 0) return undefined
    if (this.#head?.number !== number) this.#head = signSecurityHead(this.#c.identity, number, hash)
    return this.#head
  }

  /** As SecurityApi has it. */
  async *read({
    sinceMs = 0 as WallTime,
    limit,
    follow = false,
    signal,
  }: SecurityReadOptions & { readonly signal: AbortSignal }): AsyncGenerator<
    readonly SecurityEntry[]
  > {
    let seen = 0
    for (let isFirst = true; isFirst || follow; isFirst = false) {
      const changed = this.#changed.promise
      await this.#settle()
      const after = seen
      let newest: readonly SecurityEntry[] = []
      for await (const page of readEntries(filesOf(this.#c))) {
        const asked = page.filter(({ number, timeMs }) => number > after && timeMs >= sinceMs)
        seen = page.at(-1)?.number ?? seen
        if (limit === undefined || !isFirst) yield asked
        else newest = [...newest, ...asked].slice(-limit)
      }
      yield newest
      if (follow) await changedOrAborted(changed, signal)
    }
  }

  /** Read all of it again. */
  async check(): Promise<Examined> {
    await this.#settle()
    return examine(filesOf(this.#c), decodeKept(this.#c.kv.get(HEAD_KEY)))
  }

  /** Is this head, which somebody holds, of this log as it is? */
  async compare(held: SecurityHead): Promise<'same' | 'differs' | 'older'> {
    await this.#settle()
    const hash = await hashOf(filesOf(this.#c), held.number)
    if (hash !== undefined) return hash === toHex(held.hash) ? 'same' : 'differs'
    return held.number > (this.#durable?.number ?? 0) ? 'differs' : 'older'
  }

  /** Writes what is left; a disk that cannot be written to is not waited for. */
  async close(): Promise<void> {
    const nowMs = this.#c.world.clock.wall()
    for (const leftOut of this.#rates.drain(nowMs, true)) this.#append(leftOut, nowMs)
    this.#writeSoon()
    await this.#settle()
    await this.#file?.close()
    this.#file = undefined
  }

  #append(event: SecurityEvent, timeMs: WallTime): void {
    const { kind, volume, peer, message } = event
    const { nameOf, world, log } = this.#c
    const name = peer === undefined ? undefined : nameOf(peer, volume)?.slice(0, NAME_MAX)
    const { number: before, hash } = this.#last ?? NONE
    const number = before + 1
    const said = { kind, volume, peer, name, message: message.slice(0, MESSAGE_MAX) }
    // A log begins with chance, lest its hashes tell what its first events were.
    const prev = before === 0 ? world.random.bytes(HASH_BYTES) : hash
    const line = formatLine({ number, timeMs, ...said }, prev)
    this.#last = { number, hash: securityLineHash(line) }
    this.#pending.push({ line, link: this.#last })
    log('security.event', { security: kind, volume, peer, message: said.message })
    this.#writeSoon()
  }

  #writeSoon(): void {
    if (this.#pending.length > 0)
      this.#writing ??= this.#write().finally(() => (this.#writing = undefined))
  }

  async #settle(): Promise<void> {
    await this.#writing
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
        if (this.#fileBytes >= this.#fileBytesMax) await this.#turnOver(first.link.number)
        await this.#writeLines(batch.map(({ line }) => line))
        await this.#keep(last.link)
      } catch (error) {
        const { message } = asShoalError(error)
        this.#c.log('security.log-failed', { error: message })
        if (this.#file !== undefined)
          await ignoreFailure(this.#file.close(), 'that it cannot be written is said')
        this.#file = undefined
        return
      }
      this.#pending = this.#pending.slice(batch.length)
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
  }

  async #writeLines(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.map((line) => `${this.#c.lines.seal(line)}\n`).join(''))
    const file = await this.#open()
    await file.write(this.#fileBytes, [bytes])
    await file.sync()
    this.#fileBytes += bytes.length
  }

  /**
   * Cut where the last whole line ends: what is behind was being written when the node ended, or
   * could not be.
   */
  async #open(): Promise<DiskFile> {
    if (this.#file !== undefined) return this.#file
    const { disk } = this.#c.world
    await disk.makeFolder(FOLDER)
    const file = await disk.open(CURRENT_FILE, 'write')
    await file.truncate(this.#fileBytes)
    await disk.syncFolder(FOLDER)
    await disk.syncFolder('')
    return (this.#file = file)
  }

  /** Begin another file; the oldest goes. */
  async #turnOver(next: number = (this.#last?.number ?? 0) + 1): Promise<void> {
    const { disk } = this.#c.world
    await this.#file?.close()
    this.#file = undefined
    await disk.rename(CURRENT_FILE, formerFile(next))
    this.#fileBytes = 0
    const old = (await formerFiles(disk)).slice(0, -FORMER_MAX)
    const [newest] = old.slice(-1)
    if (newest === undefined || this.#durable === undefined) return
    this.#first = nextAfter(newest)
    await this.#keep(this.#durable)
    for (const file of old) await disk.remove(file)
  }

  async #keep(link: Link): Promise<void> {
    const value = encodeCbor([link.number, link.hash, this.#first, this.#told])
    await this.#c.kv.write([{ kind: 'put', key: HEAD_KEY, value }], { sync: true })
    this.#durable = link
  }
}

function filesOf({ world, lines }: SecurityLogComponents): LogFiles {
  return { disk: world.disk, open: lines.open }
}

interface Kept extends Known {
  readonly told: string
}

function decodeKept(bytes: Uint8Array | undefined): Kept | undefined {
  if (bytes === undefined) return undefined
  const [number, hash, first, told] = decodeCbor(bytes, 'head of a security log') as readonly [
    number,
    Uint8Array,
    number,
    string,
  ]
  return { link: { number, hash }, first, told }
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
