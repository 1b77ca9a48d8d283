// Members that are not waited for while they are away, and cuts that are announced by some without
// hearing of others': whoever meets whom, and whoever is killed when, all end with one state, in
// which every write is.
import { applySettings } from '../../../node/log/settings.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meet, meetAll } from '../log/machines.ts'
import { RandomSwarm, testSwarms } from '../log/random-swarm.ts'
import { Replica } from '../log/replicas.ts'
import { tries } from '../../effort.ts'

class Members extends RandomSwarm {
  static async start(seed: number): Promise<Members> {
    const random = new SeededRandom(seed, 'cuts')
    const founder = await Replica.founder('a')
    await applySettings(founder.volume, { away: '1h' })
    const others: Replica[] = []
    for (const name of ['b', 'c', 'd'].slice(0, 2 + random.below(2)))
      others.push(await founder.member(name))
    const machines = [founder, ...others].map(
      (replica) => new Machine(replica, { takesTurns: true }),
    )
    founder.write('shared', 'before')
    await meetAll(machines)
    beacons(machines)
    return new Members(random, machines)
  }

  override async step(step: number): Promise<void> {
    const machine = this.random.pick(this.machines)
    const dice = this.random.number()
    if (dice < 0.4) await this.write(machine, `${step}`)
    else if (dice < 0.7) await this.#meet(machine)
    else if (dice < 0.85) await machine.makeCheckpoint()
    else if (dice < 0.92) await this.#kill(machine)
    else for (const { replica } of this.machines) replica.clock.advance(40 * MINUTE_MS)
  }

  override async finish(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await meetAll(this.machines)
      beacons(this.machines)
      for (const machine of this.machines) await machine.settled()
    }
    await this.machines[0]?.makeCheckpoint()
    await super.finish()
  }

  async #meet(machine: Machine): Promise<void> {
    const other = this.other(machine)
    await meet(machine, other)
    if (this.random.chance(0.7)) beacons([machine, other])
  }

  /** It goes on with what is durable. */
  async #kill(machine: Machine): Promise<void> {
    const { replica } = machine
    const again = await replica.clone(`${replica.seed}'`)
    this.machines[this.machines.indexOf(machine)] = new Machine(again, { takesTurns: true })
    await machine.stop()
  }
}

testSwarms('members end with one state', { seeds: tries(6), steps: 60 }, (seed) =>
  Members.start(seed),
)
