// The alerts of a node: once a minute it looks for conditions, and tells the targets of config.yaml
// of those that were raised or cleared, all that is new in one message. A target that fails is
// tried again, with longer and longer pauses, and is told later what it missed.
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant, WallTime } from '../../protocol/units.ts'
import type {
  Alert,
  AlertEvent,
  AlertTargetStatus,
  AlertsApi,
  CheckedAlerts,
  Severity,
} from '../control/observe/alerts.ts'
import { Backoff } from '../jobs/backoff.ts'
import { Job } from '../jobs/background-job.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import type { AlertTarget } from '../world/targets/alert-targets.ts'
import type { World } from '../world/world.ts'
import type { AlertRecords } from './alert-records.ts'
import { ALERTS_KEPT } from './alert-records.ts'
import { CONDITIONS } from './conditions.ts'
import type { Facts } from './facts.ts'
import { messageOf } from './message.ts'
import { look, plain, raise } from './raising.ts'
import type { Raising } from './raising.ts'
import type { WriteLog } from '../observe/log-events.ts'

const EVERY_MS: number = MINUTE_MS
/** A target may take so long for one message. */
const SEND_MS: number = 30 * SECOND_MS
const RETRY = { firstMs: MINUTE_MS, longestMs: HOUR_MS }
/** In one message: the newest. */
const EVENTS_TOLD_MAX = 100
/** The worst first. */
const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'notice']

export interface AlertSettings extends Raising {
  readonly targets: readonly AlertTarget[]
}

/** How targets are told; absent where nobody is (a simulation). */
export interface Alerting {
  /** As config.yaml says now. */
  readonly settings: () => Promise<AlertSettings>
  readonly send: (
    target: AlertTarget,
    message: ReturnType<typeof messageOf>,
    signal: AbortSignal,
  ) => Promise<void>
}

export interface NodeAlertsComponents {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly records: AlertRecords
  readonly facts: () => Promise<Pick<Facts, 'status' | 'tickets'>>
  readonly alerting: Alerting | undefined
  /** How people call this node. */
  readonly name: string
  readonly log: WriteLog
}

/** How it goes with one target. */
interface Telling {
  readonly backoff: Backoff
  againAt: Instant
  failure: string | undefined
}

export class NodeAlerts implements AlertsApi {
  readonly #c: NodeAlertsComponents
  readonly #job: Job
  readonly #looks = new SerialQueue()
  readonly #telling = new Map<string, Telling>()
  /** As they were last read. */
  #settings: AlertSettings = { targets: [], off: [], afterMs: {} }
  #configFault: string | undefined

  constructor(components: NodeAlertsComponents) {
    this.#c = components
    const { world, log } = components
    const run = (signal: AbortSignal): Promise<void> => this.#run(signal)
    this.#job = new Job({ ...world, log, name: 'alerts', everyMs: EVERY_MS, run })
  }

  start(): void {
    if (this.#c.alerting !== undefined) this.#job.start()
  }

  stop(): Promise<void> {
    return this.#job.stop()
  }

  async checkAlerts(): Promise<CheckedAlerts> {
    const settings = await this.#readSettings()
    const { last } = this.#c.records
    for (const { label } of settings.targets) await this.#begin(label)
    await this.#look(settings)
    // Who is told need not wait for the next look.
    if (this.#c.records.last > last) this.#job.wake()
    const states = this.#c.records.states.toSorted(worstFirst)
    return {
      raised: states.filter((one) => one.isRaised && one.goneMs === undefined).map(plain),
      pending: states.filter((one) => !one.isRaised).map(plain),
      targets: settings.targets.map((target) => this.#statusOf(target)),
    }
  }

  async listAlerts({
    sinceMs = 0 as WallTime,
    limit = ALERTS_KEPT,
  }: Parameters<AlertsApi['listAlerts']>[0] = {}): Promise<readonly AlertEvent[]> {
    if (limit === 0) return []
    const events = await this.#c.records.since(0, ALERTS_KEPT)
    return events.filter(({ atMs }) => atMs >= sinceMs).slice(-limit)
  }

  async testAlerts({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<
    readonly AlertTargetStatus[]
  > {
    const { alerting, world, name } = this.#c
    const { targets } = await this.#readSettings()
    const nowMs = Math.floor(world.clock.wall()) as WallTime
    const event: AlertEvent = {
      number: 0,
      state: 'raised',
      atMs: nowMs,
      name: 'test',
      severity: 'notice',
      subject: '',
      message: 'this is a test, asked for with "shoal alerts test"',
      next: 'nothing',
      sinceMs: nowMs,
    }
    return Promise.all(
      targets.map(async (target) => {
        try {
          const until = world.clock.timeout(SEND_MS, signal)
          await alerting?.send(target, messageOf(name, [event]), until)
          return { target: target.label, waiting: 0 }
        } catch (error) {
          return { target: target.label, waiting: 0, failure: asShoalError(error).message }
        }
      }),
    )
  }

  async #run(signal: AbortSignal): Promise<void> {
    const settings = await this.#readSettings()
    for (const { label } of settings.targets) await this.#begin(label)
    await this.#look(settings)
    const labels = settings.targets.map(({ label }) => label)
    for (const label of this.#telling.keys())
      if (!labels.includes(label)) this.#telling.delete(label)
    await this.#c.records.forgetTargets(labels)
    await Promise.all(settings.targets.map((target) => this.#tell(target, signal)))
  }

  #look({ off, afterMs }: AlertSettings): Promise<void> {
    return this.#looks.run(async () => {
      const { records, world, facts } = this.#c
      const nowMs = Math.floor(world.clock.wall()) as WallTime
      const configFault = this.#configFault
      const found = look(CONDITIONS, { ...(await facts()), configFault, nowMs })
      const usual = new Map(CONDITIONS.map((one) => [one.name, one.afterMs]))
      const afterMsOf = (name: string): number => afterMs[name] ?? usual.get(name) ?? 0
      const { states, changes } = raise(records.states, found, { nowMs, afterMsOf, off })
      const events = changes.map(({ state, alert }) => ({ state, atMs: nowMs, ...alert }))
      await records.put(states, events)
      for (const { state, name, severity, subject, message } of events)
        this.#c.log(`alert.${state}`, { alert: name, severity, subject, message })
    })
  }

  /** A new target is told of what comes from now on. */
  async #begin(label: string): Promise<void> {
    const { records } = this.#c
    if (records.toldTo(label) === undefined) await records.told(label, records.last)
  }

  async #tell(target: AlertTarget, signal: AbortSignal): Promise<void> {
    const { records, world, alerting, name, log } = this.#c
    const { label } = target
    const from = records.toldTo(label) ?? records.last
    const telling = this.#tellingOf(label)
    if (records.last <= from || world.clock.now() < telling.againAt) return
    const last = records.last
    const missed = await records.since(from, ALERTS_KEPT)
    const events = missed.filter(({ severity }) => isAtLeast(severity, target.least))
    try {
      if (events.length > 0) {
        const message = messageOf(name, events.slice(-EVENTS_TOLD_MAX), events.length)
        await alerting?.send(target, message, world.clock.timeout(SEND_MS, signal))
      }
      telling.backoff.reset()
      telling.failure = undefined
      await records.told(label, last)
    } catch (error) {
      signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      telling.failure = message
      telling.againAt = (world.clock.now() + telling.backoff.next()) as Instant
      log('alert.not-told', { target: label, code, message })
    }
  }

  #tellingOf(label: string): Telling {
    const known = this.#telling.get(label)
    if (known !== undefined) return known
    const telling = { backoff: new Backoff(RETRY), againAt: 0 as Instant, failure: undefined }
    this.#telling.set(label, telling)
    return telling
  }

  #statusOf({ label }: AlertTarget): AlertTargetStatus {
    const { records } = this.#c
    const waiting = records.last - (records.toldTo(label) ?? records.last)
    return { target: label, waiting, failure: this.#telling.get(label)?.failure }
  }

  /** While config.yaml cannot be read, what it said before holds. */
  async #readSettings(): Promise<AlertSettings> {
    try {
      this.#settings = (await this.#c.alerting?.settings()) ?? this.#settings
      this.#configFault = undefined
    } catch (error) {
      this.#configFault = asShoalError(error).message
    }
    return this.#settings
  }
}

function worstFirst(a: Alert, b: Alert): number {
  return SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.sinceMs - b.sinceMs
}

function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(least)
}

/** throws ShoalError 'malformed' for a name that is no condition's. */
export function checkAlertConfig({ off, afterMs }: Raising): void {
  const names = CONDITIONS.map(({ name }) => name)
  for (const name of [...off, ...Object.keys(afterMs)]) {
    if (names.includes(name)) continue
    throw new ShoalError(
      'malformed',
      `config.yaml: alerts: there is no condition "${name}". They are ${names.join(', ')}.`,
    )
  }
}
