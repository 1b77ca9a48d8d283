// Answers of calls that were made with a key of idempotence (Idempotency-Key, an Internet-Draft of
// the IETF), in the index of the home for a day: by account and key, each sealed by its key, so
// that who finds it there without that learns nothing.
import { concatBytes, toHex, utf8 } from '../../../protocol/bytes.ts'
import { openOnce, sealOnce } from '../../../protocol/cipher.ts'
import { deriveKey, sha256 } from '../../../protocol/hash.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import { Job } from '../../jobs/background-job.ts'
import type { WriteLog } from '../../observe/log-events.ts'
import { STORE_PREFIXES } from '../../store/key-prefixes.ts'
import type { Kv } from '../../store/kv.ts'
import type { Clock, Random } from '../../world/world.ts'

const PREFIX: string = `${STORE_PREFIXES.door}answer `
const KEPT_MS: number = DAY_MS
const SWEEP_MS: number = HOUR_MS
/** Hashes of keys have the hash of their account first, so many digits of each. */
const HASH_CHARS = 32
const CONTEXT = 'shoal 2026 kept answer v1'
const SALT_BYTES = 16

/** The most that there are: of more, the oldest are given up. */
export interface AnswerBounds {
  readonly countOfOne: number
  readonly accounts: number
}

const BOUNDS: AnswerBounds = { countOfOne: 1024, accounts: 256 }

export interface KeptAnswersComponents {
  readonly kv: Kv
  readonly clock: Clock
  readonly random: Random
  readonly log: WriteLog
}

/** An account and a key, as they were shown. */
export interface AnswerName {
  readonly account: string
  readonly key: string
}

export interface KeptAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A call that was begun with a key. */
export interface KeptCall {
  /** The hash of the head of its request. */
  readonly head: string
  /** The hash of its body, if all of it was read. */
  readonly body?: string | undefined
  /** Undefined: it has not ended, or the node died while it was made. 'long': too long to keep. */
  readonly answer?: KeptAnswer | 'long' | undefined
}

interface Stored extends Omit<KeptCall, 'answer'> {
  readonly atMs: WallTime
  /** In base64. */
  readonly salt?: string
  readonly sealed?: string
}

export class KeptAnswers {
  readonly #c: KeptAnswersComponents
  readonly #bounds: AnswerBounds
  /** By hash of account the hashes of keys and their times; both the oldest first. */
  readonly #known = new Map<string, Map<string, WallTime>>()
  readonly #sweeping: Job

  private constructor(components: KeptAnswersComponents, bounds: AnswerBounds) {
    this.#c = components
    this.#bounds = bounds
    this.#sweeping = new Job({
      ...components,
      name: 'kept-answers',
      everyMs: SWEEP_MS,
      run: () => this.sweep(),
    })
  }

  static async open(
    components: KeptAnswersComponents,
    bounds: AnswerBounds = BOUNDS,
  ): Promise<KeptAnswers> {
    const answers = new KeptAnswers(components, bounds)
    const found: { readonly id: string; readonly atMs: WallTime }[] = []
    for await (const [key, bytes] of components.kv.scan({ from: PREFIX, to: `${PREFIX}~` }))
      found.push({ id: key.slice(PREFIX.length), atMs: decode(bytes).atMs })
    found.sort((a, b) => a.atMs - b.atMs)
    for (const { id, atMs } of found) answers.#note(id, atMs)
    answers.#sweeping.start()
    return answers
  }

  stop(): Promise<void> {
    return this.#sweeping.stop()
  }

  find(name: AnswerName): KeptCall | undefined {
    const id = idOf(name)
    const bytes = this.#c.kv.get(PREFIX + id)
    if (bytes === undefined) return undefined
    const { head, body, atMs, salt, sealed } = decode(bytes)
    if (atMs + KEPT_MS <= this.#c.clock.wall()) return undefined
    if (sealed === undefined || salt === undefined) return { head, body }
    const key = keyOf(name, Buffer.from(salt, 'base64'))
    const plain = openOnce(key, Buffer.from(sealed, 'base64'), utf8(id))
    return { head, body, answer: JSON.parse(Buffer.from(plain).toString()) as KeptAnswer | 'long' }
  }

  /** Durable when the promise resolves. */
  async put(name: AnswerName, { head, body, answer }: KeptCall): Promise<void> {
    const { kv, random, clock } = this.#c
    const id = idOf(name)
    const atMs = clock.wall()
    const salt = random.bytes(SALT_BYTES)
    const sealed =
      answer === undefined
        ? {}
        : {
            salt: base64(salt),
            sealed: base64(sealOnce(keyOf(name, salt), utf8(JSON.stringify(answer)), utf8(id))),
          }
    const stored: Stored = { head, body, atMs, ...sealed }
    const given = this.#note(id, atMs)
    const value = utf8(JSON.stringify(stored))
    await kv.write([{ kind: 'put', key: PREFIX + id, value }, ...given.map(deletion)], {
      sync: true,
    })
  }

  /** The same request may be made anew. */
  async remove(name: AnswerName): Promise<void> {
    const id = idOf(name)
    this.#leaveOut(id)
    await this.#c.kv.write([deletion(id)], { sync: true })
  }

  /** Give up those whose time is over. */
  async sweep(): Promise<void> {
    const before = this.#c.clock.wall() - KEPT_MS
    const old: string[] = []
    for (const [account, keys] of this.#known)
      for (const [key, atMs] of keys) if (atMs <= before) old.push(account + key)
    for (const id of old) this.#leaveOut(id)
    if (old.length > 0) await this.#c.kv.write(old.map(deletion), { sync: false })
  }

  /** returns those that are too many by now. */
  #note(id: string, atMs: WallTime): readonly string[] {
    const [account, key] = [id.slice(0, HASH_CHARS), id.slice(HASH_CHARS)]
    const keys = this.#known.get(account) ?? new Map<string, WallTime>()
    this.#known.delete(account)
    this.#known.set(account, keys)
    keys.delete(key)
    keys.set(key, atMs)
    const given: string[] = []
    for (const oldest of keys.keys()) {
      if (keys.size <= this.#bounds.countOfOne) break
      keys.delete(oldest)
      given.push(account + oldest)
    }
    for (const [idle, theirs] of this.#known) {
      if (this.#known.size <= this.#bounds.accounts) break
      this.#known.delete(idle)
      given.push(...Array.from(theirs.keys(), (one) => idle + one))
    }
    return given
  }

  #leaveOut(id: string): void {
    const account = id.slice(0, HASH_CHARS)
    const keys = this.#known.get(account)
    keys?.delete(id.slice(HASH_CHARS))
    if (keys?.size === 0) this.#known.delete(account)
  }
}

function idOf({ account, key }: AnswerName): string {
  return hashText(account) + hashText(key)
}

function hashText(text: string): string {
  return toHex(sha256(utf8(text))).slice(0, HASH_CHARS)
}

/** Each of them seals once: the salt is fresh. */
function keyOf({ account, key }: AnswerName, salt: Uint8Array): Uint8Array {
  return deriveKey(CONTEXT, concatBytes([salt, utf8(JSON.stringify([account, key]))]))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function decode(bytes: Uint8Array): Stored {
  // Written by put() alone.
  return JSON.parse(Buffer.from(bytes).toString()) as Stored
}

function deletion(id: string): { readonly kind: 'delete'; readonly key: string } {
  return { kind: 'delete', key: PREFIX + id }
}
