// Sessions of people at a page that a door serves: begun by a code that is good once and soon ends,
// kept in memory alone, and shown with each request by two secrets, of which a cookie is one. The
// other is in the page: a cookie goes to whatever listens on another port of this machine, too.
import { utf8 } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/hash.ts'
import { HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock, Random } from '../world/world.ts'
import type { Visit } from './visit.ts'

/** A code is good for so long, once. */
export const CODE_MS: number = 10 * MINUTE_MS
/** A session without a request ends; an open page makes some. */
const IDLE_MS: number = HOUR_MS
const SECRET_BYTES = 32
/** The most that there may be: of more, the oldest end. */
const CODES_MAX = 8
const SESSIONS_MAX = 32

/** The secrets by which a session is shown. */
export interface SessionSecrets {
  /** In a cookie that scripts cannot read. */
  readonly cookie: string
  /** Known to the scripts of the page alone, which send it as a header. */
  readonly page: string
}

interface Kept {
  readonly visit: Visit
  usedAt: Instant
}

export class Sessions {
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: Pick<Random, 'bytes'>
  /** By hashes of secrets: what is looked up by tells nothing of what there is. */
  readonly #codes = new Map<string, { readonly visit: Visit; readonly endsAt: Instant }>()
  readonly #sessions = new Map<string, Kept>()

  constructor({ clock, random }: { clock: Pick<Clock, 'now'>; random: Pick<Random, 'bytes'> }) {
    this.#clock = clock
    this.#random = random
  }

  /** Those that have not ended. */
  get count(): number {
    this.#forgetIdle()
    return this.#sessions.size
  }

  /** A code by which one session of this visit begins. */
  newCode(visit: Visit): string {
    const code = this.#secret()
    while (this.#codes.size >= CODES_MAX) this.#codes.delete(this.#codes.keys().next().value ?? '')
    this.#codes.set(keyOf(code), { visit, endsAt: (this.#clock.now() + CODE_MS) as Instant })
    return code
  }

  /** Begin a session, with secrets of its own. Undefined: the code is wrong, used, or too old. */
  begin(code: string): SessionSecrets | undefined {
    const key = keyOf(code)
    const found = this.#codes.get(key)
    this.#codes.delete(key)
    const now = this.#clock.now()
    if (found === undefined || found.endsAt <= now) return undefined
    this.#forgetIdle()
    while (this.#sessions.size >= SESSIONS_MAX)
      this.#sessions.delete(this.#sessions.keys().next().value ?? '')
    const secrets = { cookie: this.#secret(), page: this.#secret() }
    this.#sessions.set(keyOfBoth(secrets), { visit: found.visit, usedAt: now })
    return secrets
  }

  /** Undefined: there is none, or none any more. */
  visitOf(secrets: SessionSecrets): Visit | undefined {
    this.#forgetIdle()
    const found = this.#sessions.get(keyOfBoth(secrets))
    if (found === undefined) return undefined
    found.usedAt = this.#clock.now()
    return found.visit
  }

  end(secrets: SessionSecrets): void {
    this.#sessions.delete(keyOfBoth(secrets))
  }

  #forgetIdle(): void {
    const before = this.#clock.now() - IDLE_MS
    for (const [key, { usedAt }] of this.#sessions) if (usedAt < before) this.#sessions.delete(key)
  }

  #secret(): string {
    return Buffer.from(this.#random.bytes(SECRET_BYTES)).toString('base64url')
  }
}

function keyOfBoth({ cookie, page }: SessionSecrets): string {
  return keyOf(`${cookie} ${page}`)
}

function keyOf(secret: string): string {
  return Buffer.from(sha256(utf8(secret))).toString('base64')
}
