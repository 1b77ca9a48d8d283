// The faults of machines and wires, as a plan says. The victim is drawn among the machines that run
// then; one that is off, slow or cut off comes back by itself.
import { assertNever } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { Host } from './host.ts'
import type { Step } from './plan.ts'
import type { Swarm } from './swarm.ts'

/** Liars at a time: with more, what they are trusted with is simply lost. */
const LIARS_MAX = 2
/** Nodes dial members that they lost at least this often. */
const REDIAL_MS: number = 90 * SECOND_MS

export type HardwareStep = Extract<
  Step,
  {
    do:
      | 'fail'
      | 'off'
      | 'restart all'
      | 'restart zone'
      | 'cut zone'
      | 'lose zone'
      | 'rot'
      | 'slow'
      | 'lie'
  }
>

export class Hardware {
  readonly #swarm: Swarm
  /** A machine is gone; another in its zone is to take its place. */
  readonly #onLost: (host: Host, replacedAfterMs: number) => void
  #hasLostZone = false

  constructor(swarm: Swarm, onLost: (host: Host, replacedAfterMs: number) => void) {
    this.#swarm = swarm
    this.#onLost = onLost
  }

  do(step: HardwareStep): void {
    const swarm = this.#swarm
    switch (step.do) {
      case 'fail':
        return this.#lose([swarm.pick(step.draw)], step.replacedAfterMs)
      case 'off':
        return this.#off([swarm.pick(step.draw)], step.forMs)
      case 'restart all':
        return this.#off(swarm.running(), step.forMs)
      case 'restart zone':
        return this.#off(this.#zone(step.draw), step.forMs)
      case 'cut zone':
        return this.#cut(this.#zone(step.draw), step.forMs)
      case 'lose zone':
        if (this.#hasLostZone) return
        this.#hasLostZone = true
        return this.#lose(this.#zone(step.draw), step.replacedAfterMs)
      case 'rot':
        return this.#rot(swarm.pick(step.draw), step.draw)
      case 'slow':
        return this.#slow(swarm.pick(step.draw), step.forMs, step.factor)
      case 'lie': {
        const liars = swarm.hosts.filter(({ lie, isLost }) => lie !== undefined && !isLost)
        if (liars.length < LIARS_MAX) swarm.pick(step.draw).beginToLie(step.how)
        return
      }
      default:
        assertNever(step)
    }
  }

  /** All wires are whole, all machines that can be are on and quick, and liars are taken away. */
  heal(): void {
    const swarm = this.#swarm
    swarm.network.heal()
    this.#lose(
      swarm.hosts.filter(({ lie, isLost }) => lie !== undefined && !isLost),
      0,
    )
    for (const host of swarm.hosts) host.slowness = 1
    for (const host of swarm.hosts) if (host.isOff) swarm.boot(host)
  }

  #lose(hosts: readonly Host[], replacedAfterMs: number): void {
    for (const host of hosts) {
      host.lose()
      this.#onLost(host, replacedAfterMs)
    }
  }

  #off(hosts: readonly Host[], forMs: number): void {
    const swarm = this.#swarm
    for (const host of hosts) {
      host.kill(swarm.random.chance(0.5) ? 'killed' : 'power loss')
      // Machines that went off together do not come up in one moment.
      const afterMs = forMs * (1 + swarm.random.number() / 4)
      swarm.scheduler.after(afterMs, `${host.name} boots`, () => {
        if (host.isOff) swarm.boot(host)
      })
    }
  }

  #cut(zone: readonly Host[], forMs: number): void {
    const { network, hosts, scheduler, random } = this.#swarm
    const connect = (host: Host): void => {
      if (host.node !== undefined) this.#swarm.connect(host)
    }
    for (const host of zone) host.leave()
    const inside = zone.map(({ peer }) => peer)
    const outside = hosts.filter((host) => !zone.includes(host)).map(({ peer }) => peer)
    network.partition(inside, outside)
    for (const host of zone) this.#swarm.apart.add(host)
    scheduler.after(forMs, 'the cut ends', () => {
      for (const host of zone) this.#swarm.apart.delete(host)
      for (const from of inside) {
        for (const to of outside) {
          network.mend(from, to)
          network.mend(to, from)
        }
      }
      for (const host of zone)
        scheduler.after(REDIAL_MS * random.number(), `${host.name} redials`, () => connect(host))
    })
  }

  #rot(host: Host, draw: number): void {
    const shards = this.#swarm.truth.shardsOf(host.peer)
    const [stripe, index] = shards[draw % shards.length] ?? []
    if (stripe !== undefined && index !== undefined) host.rot(stripe, index)
  }

  #slow(host: Host, forMs: number, factor: number): void {
    host.slowness = factor
    this.#swarm.scheduler.after(forMs, `${host.name} is quick again`, () => (host.slowness = 1))
  }

  #zone(draw: number): Host[] {
    const { zone } = this.#swarm.pick(draw)
    return this.#swarm.running().filter((host) => host.zone === zone)
  }
}
