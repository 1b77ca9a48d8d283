// The security log of a node: what its parts reported, in a chained log (chained-log.ts). Its head
// is told to other members once it is durable: a log that was cut or changed is noticed by them,
// too.
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import type { Identity } from '../../protocol/signed.ts'
import { MIB } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { securityLineHash, signSecurityHead } from '../../protocol/wire/security.ts'
import type { SecurityHead } from '../../protocol/wire/security.ts'
import type { ChainReadOptions, SecurityEntry } from '../control/observe/security.ts'
import { ChainedLog } from './chained-log.ts'
import type { ChainedLogComponents } from './chained-log.ts'
import { EventRates } from './event-rates.ts'
import type { Examined, LogKind } from './log-chain.ts'
import type { RecordSecurity, SecurityEvent, SecurityEventKind } from './security.ts'
import type { WriteLog } from './log-events.ts'

const FILE_BYTES: number = 4 * MIB
/** Full files that are kept. */
const FORMER_MAX = 5
/** Events that wait for the disk: what comes while it cannot be written to is left out. */
const PENDING_MAX = 256
const MESSAGE_MAX = 1000
const NAME_MAX = 255

const KIND: LogKind<SecurityEntry> = {
  name: 'security',
  hash: securityLineHash,
  entryOf: (numbered, { kind, volume, peer, name, message }) => ({
    ...numbered,
    kind: String(kind) as SecurityEventKind,
    volume: volume as VolumeId | undefined,
    peer: peer as PeerId | undefined,
    name: name as string | undefined,
    message: String(message),
  }),
}

export interface SecurityLogComponents extends Omit<ChainedLogComponents, 'onFailure'> {
  readonly identity: Identity
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

export class SecurityLog {
  readonly #c: SecurityLogComponents
  readonly #log: ChainedLog<SecurityEntry>
  readonly #rates = new EventRates<SecurityEventKind>()
  #head: SecurityHead | undefined

  private constructor(components: SecurityLogComponents, log: ChainedLog<SecurityEntry>) {
    this.#c = components
    this.#log = log
  }

  /** Opens the log; its faults become its next event, once. */
  static async open(
    components: SecurityLogComponents,
    { fileBytes = FILE_BYTES }: SecurityLogOptions = {},
  ): Promise<SecurityLog> {
    const { world, kv, lines, log: writeLog } = components
    const onFailure: ChainedLogComponents['onFailure'] = ({ message: error }) =>
      writeLog('security.log-failed', { error })
    const chained = await ChainedLog.open(
      { world, kv, lines, onFailure },
      {
        kind: KIND,
        headKey: STORE_PREFIXES.securityHead,
        fileBytes,
        formerMax: FORMER_MAX,
        pendingMax: PENDING_MAX,
        gatherMs: 0,
        examined: 'all',
      },
    )
    const log = new SecurityLog(components, chained)
    const { found } = chained
    if (found === '') return log
    const message = `this log was truncated or altered, and events are lost: ${found}`
    log.record({ kind: 'log-altered', message })
    await chained.tell()
    return log
  }

  /** Take an event; see RecordSecurity. */
  readonly record: RecordSecurity = (event) => {
    this.#c.onEvent?.(event)
    const nowMs = this.#c.world.clock.wall()
    for (const leftOut of this.#rates.drain(nowMs, false)) this.#append(leftOut, nowMs)
    if (!this.#log.isFull && this.#rates.takes(event.kind, event.peer, nowMs))
      this.#append(event, nowMs)
    else this.#log.writeSoon()
  }

  /** The head of the durable log; undefined: nothing was recorded. */
  get head(): SecurityHead | undefined {
    const { durable } = this.#log
    if (durable === undefined || durable.number === 0) return undefined
    const { number, hash } = durable
    if (this.#head?.number !== number) this.#head = signSecurityHead(this.#c.identity, number, hash)
    return this.#head
  }

  /** As SecurityApi has it. */
  read(
    options: ChainReadOptions & { readonly signal: AbortSignal },
  ): AsyncGenerator<readonly SecurityEntry[]> {
    return this.#log.read(options)
  }

  /** Read all of it again. */
  check(): Promise<Examined> {
    return this.#log.check()
  }

  /** Is this head, which somebody holds, of this log as it is? */
  async compare(held: SecurityHead): Promise<'same' | 'differs' | 'older'> {
    const hash = await this.#log.hashOf(held.number)
    if (hash !== undefined) return hash === toHex(held.hash) ? 'same' : 'differs'
    return held.number > (this.#log.durable?.number ?? 0) ? 'differs' : 'older'
  }

  /** Writes what is left; a disk that cannot be written to is not waited for. */
  async close(): Promise<void> {
    const nowMs = this.#c.world.clock.wall()
    for (const leftOut of this.#rates.drain(nowMs, true)) this.#append(leftOut, nowMs)
    await this.#log.close()
  }

  #append({ kind, volume, peer, message: whole }: SecurityEvent, timeMs: WallTime): void {
    const { nameOf, log } = this.#c
    const name = peer === undefined ? undefined : nameOf(peer, volume)?.slice(0, NAME_MAX)
    const message = whole.slice(0, MESSAGE_MAX)
    this.#log.append({ kind, volume, peer, name, message }, timeMs)
    log('security.event', { security: kind, volume, peer, message })
  }
}
