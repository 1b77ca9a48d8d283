// Sessions that were ended here before their time, also over a restart, until the last of their
// tokens has run out. Of a holder who ends many it keeps no list, but that all that it had begun
// until then have ended; of too many holders it keeps that of everybody.
import { CLOCK_SKEW_MS, SESSION_MS } from '../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../protocol/accounts/session.ts'
import { utf8 } from '../../protocol/bytes.ts'
import type { WallTime } from '../../protocol/units.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Kv } from '../store/kv.ts'

const KEY: string = `${STORE_PREFIXES.door}ended-sessions`
const SESSIONS_OF_ONE_MAX = 16
const HOLDERS_MAX = 1024
const EVERYBODY = ''

/** Those of one holder. */
interface Ended {
  /** All that were begun until then. */
  readonly untilMs: number
  /** The others, with the time after which nobody takes a token of them any more. */
  readonly sessions: readonly (readonly [session: string, goneMs: number])[]
}

export class EndedSessions {
  readonly #kv: Kv
  readonly #queue = new SerialQueue()
  #known: Map<string, Ended> | undefined

  constructor(kv: Kv) {
    this.#kv = kv
  }

  has(claims: SessionClaims): boolean {
    return [EVERYBODY, holderOf(claims)].some((holder) => {
      const ended = this.#all.get(holder)
      if (ended === undefined) return false
      return (
        claims.begunMs <= ended.untilMs ||
        ended.sessions.some(([session]) => session === claims.session)
      )
    })
  }

  /** Holds once it is on the disk, and from now on. */
  add(claims: SessionClaims, now: WallTime): Promise<void> {
    return this.#queue.run(async () => {
      const all = forgetGone(this.#all, now)
      const holder = holderOf(claims)
      const { untilMs = 0, sessions = [] } = all.get(holder) ?? {}
      const goneMs = claims.begunMs + SESSION_MS + CLOCK_SKEW_MS
      if (!all.has(holder) && all.size >= HOLDERS_MAX) {
        all.clear()
        all.set(EVERYBODY, { untilMs: now, sessions: [] })
      } else if (sessions.length >= SESSIONS_OF_ONE_MAX)
        all.set(holder, { untilMs: now, sessions: [] })
      else all.set(holder, { untilMs, sessions: [...sessions, [claims.session, goneMs]] })
      const value = utf8(JSON.stringify([...all]))
      await this.#kv.write([{ kind: 'put', key: KEY, value }], { sync: true })
    })
  }

  get #all(): Map<string, Ended> {
    if (this.#known === undefined) {
      const kept = this.#kv.get(KEY)
      // Written by the above alone.
      const list = kept === undefined ? [] : JSON.parse(Buffer.from(kept).toString())
      this.#known = new Map(list as readonly (readonly [string, Ended])[])
    }
    return this.#known
  }
}

function forgetGone(all: Map<string, Ended>, now: WallTime): Map<string, Ended> {
  for (const [holder, { untilMs, sessions }] of all) {
    const left = sessions.filter(([, goneMs]) => goneMs > now)
    const isOver = untilMs + SESSION_MS + CLOCK_SKEW_MS <= now
    if (left.length === 0 && isOver) all.delete(holder)
    else all.set(holder, { untilMs, sessions: left })
  }
  return all
}

function holderOf({ volume, holder }: SessionClaims): string {
  return holder.kind === 'account'
    ? `${volume} ${holder.name}`
    : `${volume} ${holder.provider} ${holder.subject}`
}
