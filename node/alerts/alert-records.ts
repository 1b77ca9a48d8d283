// The alerts that a node remembers, in its index: how each stands, so that a restart raises
// nothing anew; those that were raised and cleared; and how far each target was told.
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import type { Kv, KvWrite } from '../store/kv.ts'
import type { AlertEvent } from '../control/observe/alerts.ts'
import type { AlertState } from './raising.ts'

/** Events that are kept. */
export const ALERTS_KEPT = 1000

const PREFIX = STORE_PREFIXES.alert
const STATES_KEY: ByteString = `${PREFIX}s`
const EVENT_PREFIX: ByteString = `${PREFIX}e`
const TARGET_PREFIX: ByteString = `${PREFIX}t`
const NUMBER_DIGITS = 12

export class AlertRecords {
  readonly #kv: Kv
  #states: readonly AlertState[]
  #last: number

  private constructor(kv: Kv, states: readonly AlertState[], last: number) {
    this.#kv = kv
    this.#states = states
    this.#last = last
  }

  static async load(kv: Kv): Promise<AlertRecords> {
    const states = readJson<readonly AlertState[]>(kv.get(STATES_KEY)) ?? []
    const [newest] = await eventsOf(kv, { from: 0, reverse: true, countMax: 1 })
    return new AlertRecords(kv, states, newest?.number ?? 0)
  }

  get states(): readonly AlertState[] {
    return this.#states
  }

  /** Number of the newest event; 0: none yet. */
  get last(): number {
    return this.#last
  }

  /** Keep how alerts stand, and what has happened; durable when it returns. */
  async put(
    states: readonly AlertState[],
    events: readonly Omit<AlertEvent, 'number'>[],
  ): Promise<void> {
    const isSame = events.length === 0 && sameRaised(states, this.#states)
    this.#states = states
    if (isSame) return
    const writes: KvWrite[] = [{ kind: 'put', key: STATES_KEY, value: json(states) }]
    for (const event of events) {
      const number = ++this.#last
      writes.push({ kind: 'put', key: eventKey(number), value: json({ number, ...event }) })
      if (number > ALERTS_KEPT) writes.push({ kind: 'delete', key: eventKey(number - ALERTS_KEPT) })
    }
    await this.#kv.write(writes, { sync: true })
  }

  /** Those after a number, the newest `countMax` of them, the oldest first. */
  async since(number: number, countMax: number): Promise<readonly AlertEvent[]> {
    const events = await eventsOf(this.#kv, { from: number + 1, reverse: true, countMax })
    return events.reverse()
  }

  /** Up to which event a target was told; undefined: it is new. */
  toldTo(target: string): number | undefined {
    return readJson<number>(this.#kv.get(targetKey(target)))
  }

  async told(target: string, number: number): Promise<void> {
    await this.#kv.write([{ kind: 'put', key: targetKey(target), value: json(number) }], {
      sync: false,
    })
  }

  /** Forget targets that are in the settings no more. */
  async forgetTargets(kept: readonly string[]): Promise<void> {
    const keys = new Set(kept.map(targetKey))
    const writes: KvWrite[] = []
    for await (const [key] of this.#kv.scan({ from: TARGET_PREFIX, to: after(TARGET_PREFIX) }))
      if (!keys.has(key)) writes.push({ kind: 'delete', key })
    if (writes.length > 0) await this.#kv.write(writes, { sync: false })
  }
}

/** Are the same alerts raised? Others begin anew after a restart, and are not written. */
function sameRaised(a: readonly AlertState[], b: readonly AlertState[]): boolean {
  const text = (states: readonly AlertState[]): string =>
    JSON.stringify(
      states
        .filter(({ isRaised }) => isRaised)
        .map(({ name, subject, goneMs }) => [name, subject, goneMs]),
    )
  return text(a) === text(b)
}

async function eventsOf(
  kv: Kv,
  { from, reverse, countMax }: { from: number; reverse: boolean; countMax: number },
): Promise<AlertEvent[]> {
  const events: AlertEvent[] = []
  const range = { from: eventKey(from), to: after(EVENT_PREFIX), reverse, countMax }
  for await (const [, value] of kv.scan(range)) {
    const event = readJson<AlertEvent>(value)
    if (event !== undefined) events.push(event)
  }
  return events
}

function eventKey(number: number): ByteString {
  return `${EVENT_PREFIX}${String(number).padStart(NUMBER_DIGITS, '0')}`
}

function targetKey(target: string): ByteString {
  return TARGET_PREFIX + toByteString(utf8(target))
}

function after(prefix: ByteString): ByteString {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
}

function json(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value))
}

function readJson<Value>(bytes: Uint8Array | undefined): Value | undefined {
  return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as Value)
}
