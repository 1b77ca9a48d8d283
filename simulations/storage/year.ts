// A year of a swarm that stores: what a plan says happens to its machines, what users write and
// delete meanwhile, and what must be so all along and in the end. The code that decides, places,
// repairs, moves, checks and drops is the nodes' own; simulated are time, disks, wires, and the way
// of the shard map's entries.
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import { CheckError } from '../check-error.ts'
import { Scheduler } from '../scheduler.ts'
import { checkPlacement, checkReadable, unsettled } from './checks.ts'
import { Hardware } from './hardware.ts'
import { Ledger } from './ledger.ts'
import { Swarm } from './swarm.ts'
import { Workload } from './workload.ts'
import type { UnluckyCounts } from '../unlucky-tally.ts'
import type { Host } from './host.ts'
import type { Step, StoragePlan } from './plan.ts'

export interface YearOptions {
  /** Given what is done to the machines and what nodes log. */
  readonly tell?: ((line: string) => void) | undefined
  readonly record?: ((line: string) => void) | undefined
}

export interface YearResult {
  readonly eventCount: number
  readonly traceHash: string
  readonly unlucky: UnluckyCounts
  readonly stepCount: number
  readonly stripeCount: number
  /** Stripes lost with more than m shards within one repair time. */
  readonly lostCount: number
  readonly repairedCount: number
  readonly needlessCount: number
  /** Shards that travelled for repairs, beside the least. */
  readonly repairShards: number
  readonly leastRepairShards: number
  /** Shards that moved, beside those that had to. */
  readonly movedCount: number
  readonly movesDue: number
}

const BOOT_MS: number = 2 * MINUTE_MS
/** As a node tries again to place what it could not. */
const PLACE_TRIES = 10
/** Within which all is whole again after the last fault. */
const SETTLE_MS: number = 60 * DAY_MS
/** In which a machine that is retired has given away all. */
const DRAIN_MS: number = 20 * DAY_MS

export class Year {
  readonly #plan: StoragePlan
  readonly #scheduler: Scheduler
  readonly #swarm: Swarm
  readonly #hardware: Hardware
  readonly #ledger: Ledger
  readonly #workload: Workload
  #breach: Error | undefined

  constructor(plan: StoragePlan, { tell = () => undefined, record }: YearOptions = {}) {
    this.#plan = plan
    this.#scheduler = new Scheduler(plan.seed, record === undefined ? {} : { record })
    const onBreach = (error: unknown): void => {
      this.#breach ??= error instanceof Error ? error : new Error(String(error))
    }
    this.#swarm = new Swarm(
      { scheduler: this.#scheduler, onBreach, tell },
      {
        scenario: plan.scenario,
        unlucky: plan.unlucky,
        onEntry: (host, entry) => this.#ledger.note(host, entry),
      },
    )
    this.#hardware = new Hardware(this.#swarm, (host, afterMs) => this.#replace(host, afterMs))
    this.#ledger = new Ledger(this.#swarm)
    this.#workload = new Workload(this.#swarm)
  }

  /** throws CheckError, and whatever else goes wrong. */
  async run(): Promise<YearResult> {
    await this.#begin()
    const beganMs = this.#scheduler.nowMs
    for (const step of this.#plan.steps) {
      await this.#until(beganMs + step.atMs)
      this.#swarm.say(`${JSON.stringify(step)}`)
      this.#do(step)
    }
    await this.#until(beganMs + this.#plan.durationMs)
    await this.#settle()
    checkPlacement(this.#swarm)
    // Of unlucky machines some things are done twice.
    if (this.#plan.unlucky.site === 0) this.#ledger.checkCosts()
    await this.#scheduler.finish(checkReadable(this.#swarm))
    return this.#result()
  }

  async #begin(): Promise<void> {
    const { nodeCount, zoneCount, stripeCount } = this.#plan.scenario
    const swarm = this.#swarm
    for (let i = 0; i < nodeCount; i++) swarm.boot(swarm.add(`z${i % zoneCount}`))
    await this.#for(BOOT_MS)
    for (const host of swarm.hosts) swarm.admit(host)
    await this.#for(DAY_MS)
    for (let i = 0; i < stripeCount; i++) {
      if (!(await this.#scheduler.finish(this.#place(i))))
        throw new CheckError('operations end', 'a quiet swarm places a stripe')
    }
    await this.#for(HOUR_MS)
  }

  /** Machines that are unlucky do not take every shard. returns whether a stripe was placed. */
  async #place(draw: number): Promise<boolean> {
    for (let tries = 0; tries < PLACE_TRIES; tries++)
      if (await this.#workload.write(this.#swarm.pick(draw))) return true
    return false
  }

  #do(step: Step): void {
    const swarm = this.#swarm
    // While all machines are off, nothing else happens to any.
    if (step.do !== 'join' && swarm.running().length === 0) return
    switch (step.do) {
      case 'join':
        return this.#join(`z${step.draw % this.#plan.scenario.zoneCount}`)
      case 'retire':
        return this.#retire(swarm.pick(step.draw))
      case 'write':
        return swarm.background(this.#workload.write(swarm.pick(step.draw)))
      case 'reference':
        return swarm.background(this.#workload.reference(swarm.pickApart(step.draw), step.draw))
      case 'delete':
        return swarm.background(this.#workload.delete(swarm.pick(step.draw), step.draw))
      default:
        this.#hardware.do(step)
    }
  }

  /** A new machine in place of one that is lost, which is then no member any more. */
  #replace({ zone, peer }: Host, afterMs: number): void {
    const swarm = this.#swarm
    this.#scheduler.after(afterMs, `${peer} is replaced`, () => {
      swarm.dismiss(peer)
      this.#join(zone)
    })
  }

  #join(zone: string): void {
    const swarm = this.#swarm
    const host = swarm.add(zone)
    swarm.boot(host)
    this.#scheduler.after(BOOT_MS, `${host.name} joins`, () => {
      if (!swarm.admit(host)) return
      this.#ledger.joined(swarm.members().length)
    })
  }

  /** It gives away what it has, and then it goes. */
  #retire(host: Host): void {
    const swarm = this.#swarm
    this.#ledger.retired(host)
    swarm.drain(host)
    const byMs = this.#scheduler.nowMs + DRAIN_MS
    const look = (): void => {
      if (host.isLost) return
      if (!swarm.isDrained(host)) {
        if (this.#scheduler.nowMs > byMs && host.node !== undefined)
          swarm.broken(new CheckError('a drain ends', `${host.name} still has shards`))
        this.#scheduler.after(DAY_MS, `${host.name} drains`, look)
        return
      }
      host.lose()
      swarm.dismiss(host.peer)
    }
    this.#scheduler.after(DAY_MS, `${host.name} drains`, look)
  }

  /** Nothing happens any more: all that is not lost is whole before long. */
  async #settle(): Promise<void> {
    const swarm = this.#swarm
    this.#hardware.heal()
    const byMs = this.#scheduler.nowMs + SETTLE_MS
    for (;;) {
      await this.#for(DAY_MS)
      const wrong = unsettled(swarm)
      if (wrong === undefined) return
      if (this.#scheduler.nowMs > byMs)
        throw new CheckError('23 stripes are full in the end', wrong)
    }
  }

  async #for(durationMs: number): Promise<void> {
    await this.#until(this.#scheduler.nowMs + durationMs)
  }

  /** Up to this time, or to the first thing that is wrong. */
  async #until(untilMs: number): Promise<void> {
    while (this.#breach === undefined && (await this.#scheduler.step(untilMs)));
    if (this.#breach !== undefined) throw this.#breach
    await this.#scheduler.run(untilMs)
  }

  #result(): YearResult {
    const { truth } = this.#swarm
    const { repairedCount, needlessCount, repairShards, leastRepairShards, movedCount, movesDue } =
      this.#ledger
    return {
      eventCount: this.#scheduler.eventCount,
      traceHash: this.#scheduler.traceHash(),
      unlucky: this.#scheduler.luck.counts(),
      stepCount: this.#plan.steps.length,
      stripeCount: truth.promised().length,
      lostCount: truth.lostCount,
      repairedCount,
      needlessCount,
      repairShards,
      leastRepairShards,
      movedCount,
      movesDue,
    }
  }
}
