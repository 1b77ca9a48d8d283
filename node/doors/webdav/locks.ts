// Locks of the door (RFC 4918, sections 6 and 7): each covers a place, or a folder with all below
// it, until it is given back or runs out. In memory: after the node starts anew there are none. Of
// those that cover one place, all are shared or there is one.
import { ShoalError } from '../../../protocol/errors.ts'
import { HOUR_MS, SECOND_MS, MINUTE_MS } from '../../../protocol/units.ts'
import type { Clock, Random } from '../../world/world.ts'
import { DavError } from './dav-error.ts'
import type { Place } from './dav-request.ts'

/** At a time, of all and of one who asks. */
const LOCKS_MAX = 4096
const LOCKS_OF_ONE_MAX = 1024
const TIMEOUT_MAX_MS: number = HOUR_MS
const TIMEOUT_MS: number = 10 * MINUTE_MS
const UUID_BYTES = 16

export interface Lock {
  readonly token: string
  /** The place that it was taken at. */
  readonly place: Place
  /** As Visit has it. */
  readonly who: string
  /** As the client says whose it is: XML that stands alone. */
  readonly owner: string
  readonly isShared: boolean
  /** It covers all below a folder. */
  readonly isDeep: boolean
  /** The time that it was given. */
  readonly timeoutMs: number
  /** The time that it runs out, of the clock. */
  readonly endsMs: number
}

export type NewLock = Omit<Lock, 'token' | 'endsMs'>

export class Locks {
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: Pick<Random, 'bytes'>
  /** By the key of their place; in time, by age. */
  readonly #held = new Map<string, readonly Lock[]>()

  constructor(clock: Pick<Clock, 'now'>, random: Pick<Random, 'bytes'>) {
    this.#clock = clock
    this.#random = random
  }

  /** throws DavError 423 naming what is locked, 503 if there are too many. */
  take(lock: NewLock): Lock {
    const { place, isShared, isDeep } = lock
    const others = [...this.covering(place), ...(isDeep ? this.below(place) : [])]
    const inTheWay = others.filter((other) => !isShared || !other.isShared)
    if (inTheWay.length > 0) throw lockedBy(inTheWay, 'no-conflicting-lock')
    const all = this.#all()
    const own = all.filter(({ who }) => who === lock.who)
    if (all.length >= LOCKS_MAX || own.length >= LOCKS_OF_ONE_MAX)
      throw new DavError(503, 'there are too many locks: give some back')
    const made = this.#until({ ...lock, token: this.#token() })
    this.#held.set(place.key, [...this.at(place), made])
    return made
  }

  /** The lock of that token with its time from now on; undefined if it has none on the place. */
  refresh(place: Place, token: string, who: string, timeoutMs: number): Lock | undefined {
    const lock = this.covering(place).find((one) => one.token === token && one.who === who)
    if (lock === undefined) return undefined
    const anew = this.#until({ ...lock, timeoutMs })
    const others = this.at(lock.place).filter((one) => one.token !== token)
    this.#held.set(lock.place.key, [...others, anew])
    return anew
  }

  /** The time that is left of one. */
  leftMs({ endsMs }: Lock): number {
    return Math.max(0, endsMs - this.#clock.now())
  }

  /** False if there is none of that token on the place. throws ShoalError 'EPERM'. */
  release(place: Place, token: string, who: string): boolean {
    const lock = this.covering(place).find((one) => one.token === token)
    if (lock === undefined) return false
    if (lock.who !== who) throw new ShoalError('EPERM', 'that lock is not yours')
    this.#drop(lock)
    return true
  }

  /** Those taken at a place. */
  at({ key }: Place): readonly Lock[] {
    const held = this.#held.get(key) ?? []
    const now = this.#clock.now()
    return held.filter(({ endsMs }) => endsMs > now)
  }

  /** Those that cover a place: taken at it, or above it with all below. */
  covering(place: Place): readonly Lock[] {
    if (this.#held.size === 0) return []
    const found = [...this.at(place)]
    for (let key = place.key; key !== '';) {
      key = key.slice(0, key.lastIndexOf('/'))
      const held = this.#held.get(key)
      if (held !== undefined)
        found.push(...this.at({ ...place, key }).filter(({ isDeep }) => isDeep))
    }
    return found
  }

  /** Those taken below a place. cost: all there are. */
  below({ key }: Place): readonly Lock[] {
    return this.#all().filter(({ place }) => place.key.startsWith(`${key}/`))
  }

  /** Drop the locks that were taken at a place and below: nothing is there any more. */
  forget(place: Place): void {
    for (const lock of [...this.at(place), ...this.below(place)]) this.#drop(lock)
  }

  #until(lock: Omit<Lock, 'endsMs'>): Lock {
    return { ...lock, endsMs: this.#clock.now() + lock.timeoutMs }
  }

  #drop({ place, token }: Lock): void {
    const left = this.at(place).filter((one) => one.token !== token)
    if (left.length === 0) this.#held.delete(place.key)
    else this.#held.set(place.key, left)
  }

  /** Those that have run out are gone after it. */
  #all(): readonly Lock[] {
    const now = this.#clock.now()
    return Array.from(this.#held).flatMap(([key, held]) => {
      const left = held.filter(({ endsMs }) => endsMs > now)
      if (left.length === 0) this.#held.delete(key)
      return left
    })
  }

  /** Nobody can guess it (RFC 4918, section 6.5; RFC 9562, version 4). */
  #token(): string {
    const bytes = Uint8Array.from(this.#random.bytes(UUID_BYTES))
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    const uuid = Buffer.from(bytes)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    return `opaquelocktoken:${uuid}`
  }
}

/** 423, naming where the locks are. */
export function lockedBy(locks: readonly Lock[], name: string): DavError {
  const hrefs = Array.from(new Set(locks.map(({ place }) => place.href)))
  return new DavError(423, `locked: ${hrefs.join(' ')}`, { name, hrefs })
}

/** The time that a lock is given of what the header Timeout asks for. */
export function timeoutOf(header: string | undefined): number {
  for (const asked of (header ?? '').split(',').map((one) => one.trim())) {
    if (/^infinite$/i.test(asked)) return TIMEOUT_MAX_MS
    const [, seconds] = /^second-(\d{1,15})$/i.exec(asked) ?? []
    if (seconds === undefined) continue
    return Math.min(Math.max(SECOND_MS, Number(seconds) * SECOND_MS), TIMEOUT_MAX_MS)
  }
  return TIMEOUT_MS
}
