// How long the swarm may take to make a lost shard anew, from what it lost how. A loss that is
// older and still not made good counts against the code; these bounds are what docs/durability.md
// states.
import { DAY_MS } from '../../protocol/units.ts'
import type { Swarm } from './swarm.ts'
import type { Cause } from './truth.ts'

/**
 * After the grace: until everybody has noticed, the map has come round, and who repairs has been at
 * work.
 */
const REPAIR_MS: number = 1.5 * DAY_MS
/** Machines that vanish together are waited for, but for stripes that have no shard to spare. */
const BRAKE_GRACES = 2
/** A pass of scrub, and what it waits for. */
const SCRUB_MS: number = 32 * DAY_MS
/** Audits have found everything by then, almost surely. */
const AUDIT_MS: number = 90 * DAY_MS

export class RepairTimes {
  readonly #swarm: Swarm
  /** When machines went away. */
  readonly #departures: number[] = []

  constructor(swarm: Swarm) {
    this.#swarm = swarm
  }

  /** A machine went away: off, cut off or lost. */
  left(): void {
    this.#departures.push(this.#swarm.scheduler.nowMs)
  }

  /** The time to repair a shard lost at `atMs`. */
  repairMs(cause: Cause, atMs: number): number {
    switch (cause) {
      case 'failure':
      case 'never':
        return this.#afterGrace(atMs)
      case 'rot':
        return SCRUB_MS + this.#afterGrace(atMs)
      case 'lie':
      case 'dropped':
        return AUDIT_MS + this.#afterGrace(atMs)
    }
  }

  /** Machines that vanish within a grace may be so many that all of them are waited for. */
  #afterGrace(atMs: number): number {
    const { graceMs, hosts, scheduler } = this.#swarm
    const near = this.#departures.filter(
      (leftMs) => Math.abs(leftMs - atMs) < 2 * graceMs || leftMs > scheduler.nowMs - graceMs,
    )
    const isMuch = near.length > 0.1 * hosts.filter(({ isLost }) => !isLost).length
    return REPAIR_MS + (isMuch ? BRAKE_GRACES + 1 : 1) * graceMs
  }
}
