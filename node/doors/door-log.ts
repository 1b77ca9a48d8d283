// The door log: who asked what at the doors of this node, from where, and how that ended, in a
// chained log (docs/formats/security-log.md). What it says of a request is its method and its path,
// never a query, a header or a body, where secrets are.
import { utf8 } from '../../protocol/bytes.ts'
import { deriveKey } from '../../protocol/hash.ts'
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { DoorLogEntry, DoorLogReadOptions } from '../control/doors.ts'
import { splitOnce } from '../../protocol/split-once.ts'
import { ChainedLog } from '../observe/chained-log.ts'
import type { ChainedLogComponents } from '../observe/chained-log.ts'
import { EventRates } from '../observe/event-rates.ts'
import type { Examined, LogKind } from '../observe/log-chain.ts'
import type { WriteLog } from '../observe/log-events.ts'
import type { RecordSecurity } from '../observe/security.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Answered } from './web-server.ts'

const HEAD_KEY: string = `${STORE_PREFIXES.door}log`
const FILE_BYTES: number = MIB
/** Full files that are kept. */
const FORMER_MAX = 31
/** A second's requests, and what comes while the disk is slow; more are counted alone. */
const PENDING_MAX = 8192
const GATHER_MS: number = SECOND_MS
/** Chars of a path, and of the names in a query. */
const PATH_MAX = 512
const NAMES_MAX = 64
/** Names in a query that say nothing of what is asked. */
const SIGNING = /^x-amz-/i
const STATUS_FAILED_MIN = 400
const PLAIN_NAME = /^[A-Za-z][\w-]{0,30}$/

const KIND: LogKind<DoorLogEntry> = {
  name: 'doors',
  hash: (line) => deriveKey('shoal 2026 door log v1', utf8(line)),
  entryOf: (numbered, { door, address, who, claims, action, status, ms }) => ({
    ...numbered,
    door: String(door),
    address: String(address),
    who: who as string | undefined,
    claims: claims as string | undefined,
    action: String(action),
    status: Number(status),
    ms: Number(ms),
  }),
}

export interface DoorLogComponents extends Omit<ChainedLogComponents, 'onFailure'> {
  readonly log: WriteLog
  readonly security: RecordSecurity
}

export type DoorLogReading = DoorLogReadOptions & { readonly signal: AbortSignal }

export class DoorLog {
  readonly #c: DoorLogComponents
  readonly #log: ChainedLog<DoorLogEntry>
  readonly #rates = new EventRates<string>()
  #leftOut = 0

  private constructor(components: DoorLogComponents, log: ChainedLog<DoorLogEntry>) {
    this.#c = components
    this.#log = log
  }

  /** Opens the log; its faults become an event of the security log, once. */
  static async open(components: DoorLogComponents): Promise<DoorLog> {
    const { world, kv, lines, log: writeLog, security } = components
    const onFailure: ChainedLogComponents['onFailure'] = ({ message: error }) =>
      writeLog('door.log-failed', { error })
    const log = await ChainedLog.open(
      { world, kv, lines, onFailure },
      {
        kind: KIND,
        headKey: HEAD_KEY,
        fileBytes: FILE_BYTES,
        formerMax: FORMER_MAX,
        pendingMax: PENDING_MAX,
        gatherMs: GATHER_MS,
        examined: 'newest file',
      },
    )
    if (log.found !== '') {
      const message = `the log of doors was truncated or altered, and lines are lost: ${log.found}`
      security({ kind: 'log-altered', message })
      await log.tell()
    }
    return new DoorLog(components, log)
  }

  /** Take a request that was answered. */
  record(door: string, { request, address, passage, status, ms }: Answered): void {
    const { who, isAdmitted } = passage
    // The page and its scripts are anybody's.
    if (who === undefined && status > 0 && status < STATUS_FAILED_MIN) return
    const nowMs = this.#c.world.clock.wall()
    this.#tellLeftOut(nowMs, false)
    if (this.#log.isFull) {
      this.#leftOut++
      return
    }
    // A refusal costs its sender nothing: it must not push out what others did.
    const source = isAdmitted ? undefined : address
    const kind = `${door} ${who === undefined ? 'unnamed' : 'refused'}`
    if (!this.#rates.takes(kind, source, nowMs)) return
    const shown = isAdmitted ? { who } : { claims: who }
    const action = `${request.method} ${actionOf(request.url ?? '')}`
    this.#log.append({ door, address, ...shown, action, status, ms: Math.round(ms) }, nowMs)
  }

  /** As DoorsApi has it. */
  read({ who: asked, ...options }: DoorLogReading): AsyncGenerator<readonly DoorLogEntry[]> {
    const isAsked = ({ who }: DoorLogEntry): boolean => asked === undefined || who === asked
    return this.#log.read({ ...options, isAsked })
  }

  check(): Promise<Examined> {
    return this.#log.check()
  }

  async close(): Promise<void> {
    this.#tellLeftOut(this.#c.world.clock.wall(), true)
    await this.#log.close()
  }

  #tellLeftOut(nowMs: WallTime, all: boolean): void {
    const none = { address: '', status: 0, ms: 0 }
    for (const { kind, message } of this.#rates.drain(nowMs, all)) {
      const [door] = splitOnce(kind, ' ')
      this.#log.append({ door, ...none, action: `refused: ${message}` }, nowMs)
    }
    if (this.#leftOut === 0 || this.#log.isFull) return
    const action = `${this.#leftOut} requests, not recorded since the disk was too slow or full`
    this.#leftOut = 0
    this.#log.append({ door: '', ...none, action }, nowMs)
  }
}

/** The path as it came, and of the query the names that say what is asked. */
function actionOf(url: string): string {
  const [path, query] = splitOnce(url, '?')
  const names = query
    .slice(0, PATH_MAX)
    .split('&')
    .map((pair) => splitOnce(pair, '=')[0])
    .filter((name) => PLAIN_NAME.test(name) && !SIGNING.test(name))
    .join('&')
    .slice(0, NAMES_MAX)
  const shown = path.length > PATH_MAX ? `${path.slice(0, PATH_MAX)}...` : path
  return names === '' ? shown : `${shown}?${names}`
}
