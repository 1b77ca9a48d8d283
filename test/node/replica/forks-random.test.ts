// Clones of a machine, and others, that write, meet, restart and make checkpoints at random: all
// end with one state, in which every write is.
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meet, meetAll } from '../log/machines.ts'
import { RandomSwarm, testSwarms } from '../log/random-swarm.ts'
import { Replica } from '../log/replicas.ts'
import { tries } from '../../effort.ts'

const CLONES_MAX = 3

class Clones extends RandomSwarm {
  #clones = 0

  static async start(seed: number): Promise<Clones> {
    const founder = await Replica.founder('a')
    const others = [await founder.member('b'), await founder.member('c')]
    const machines = [founder, ...others].map((replica) => new Machine(replica))
    founder.write('shared', 'before')
    await meetAll(machines)
    return new Clones(new SeededRandom(seed, 'forks'), machines)
  }

  override async step(step: number): Promise<void> {
    const machine = this.random.pick(this.machines)
    const dice = this.random.number()
    if (dice < 0.45) await this.write(machine, `${step}`)
    else if (dice < 0.75) await meet(machine, this.other(machine))
    else if (dice < 0.85) await this.#clone(machine)
    else if (dice < 0.92) await this.#restart(machine)
    else await this.#checkpoint()
  }

  async #clone(machine: Machine): Promise<void> {
    if (this.#clones++ >= CLONES_MAX) return
    await machine.volume.commit()
    this.machines.push(new Machine(await machine.replica.clone(`clone ${this.#clones}`)))
  }

  async #restart(machine: Machine): Promise<void> {
    await machine.stop()
    const again = await machine.replica.clone(`restart ${this.random.number()}`)
    this.machines[this.machines.indexOf(machine)] = new Machine(again)
  }

  async #checkpoint(): Promise<void> {
    beacons(this.machines)
    await this.random.pick(this.machines).makeCheckpoint()
    // And drop the log, where most have the last one.
    beacons(this.machines)
    if (this.random.number() < 0.5) await this.random.pick(this.machines).makeCheckpoint()
  }
}

testSwarms('clones end with one state', { seeds: tries(4), steps: 40 }, (seed) =>
  Clones.start(seed),
)
