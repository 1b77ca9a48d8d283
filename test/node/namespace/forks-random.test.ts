// Clones of a machine, and others, that write, meet, restart and make checkpoints at random: all end with one state, in
// which every write is. A seed that failed is run alone with SHOAL_SEED=<seed>.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meet, meetAll } from './machines.ts'
import { Replica } from './replicas.ts'

const SEED = process.env['SHOAL_SEED']
const SEEDS = SEED === undefined ? Array.from({ length: 12 }, (_, n) => n + 1) : [Number(SEED)]
const STEPS = 40
const CLONES_MAX = 3

for (const seed of SEEDS) {
  test(`clones end with one state, seed ${seed}`, async () => {
    const swarm = await Swarm.start(seed)
    for (let step = 0; step < STEPS; step++) await swarm.step(step)
    await swarm.finish()
  })
}

class Swarm {
  readonly #random: SeededRandom
  readonly #machines: Machine[]
  readonly #written: string[] = []
  #clones = 0

  private constructor(random: SeededRandom, machines: Machine[]) {
    this.#random = random
    this.#machines = machines
  }

  static async start(seed: number): Promise<Swarm> {
    const founder = await Replica.founder('a')
    const others = [await founder.member('b'), await founder.member('c')]
    const machines = [founder, ...others].map((replica) => new Machine(replica))
    founder.write('shared', 'before')
    await meetAll(machines)
    return new Swarm(new SeededRandom(seed, 'forks'), machines)
  }

  async step(step: number): Promise<void> {
    const machine = this.#pick(this.#machines)
    const dice = this.#random.number()
    if (dice < 0.45) await this.#write(machine, `${step}`)
    else if (dice < 0.75) await meet(machine, this.#pick(this.#others(machine)))
    else if (dice < 0.85) await this.#clone(machine)
    else if (dice < 0.92) await this.#restart(machine)
    else await this.#checkpoint()
  }

  async finish(): Promise<void> {
    await meetAll(this.#machines)
    const [first = assert.fail(), ...others] = this.#machines
    const state = await linesOf(first)
    for (const [index, other] of others.entries()) {
      const different = [...state.symmetricDifference(await linesOf(other))]
      assert.deepEqual(different.sort().slice(0, 9), [], `machine ${index + 1} ends as the first`)
    }
    const names = (await first.replica.names()).map((name) => name.replace(/\.conflict.*/, ''))
    for (const name of this.#written) assert.ok(names.includes(name), `${name} is kept`)
    for (const machine of this.#machines) {
      assert.deepEqual([...machine.notes, ...machine.refused], [])
      await machine.stop()
    }
  }

  async #write({ replica }: Machine, text: string): Promise<void> {
    replica.clock.advance(Math.floor(this.#random.number() * 10))
    if (this.#random.number() < 0.3) {
      replica.rewrite(replica.at('shared'), text)
    } else {
      replica.write(text, text)
      this.#written.push(text)
    }
    await replica.volume.commit()
  }

  async #clone(machine: Machine): Promise<void> {
    if (this.#clones++ >= CLONES_MAX) return
    await machine.volume.commit()
    this.#machines.push(new Machine(await machine.replica.clone(`clone ${this.#clones}`)))
  }

  async #restart(machine: Machine): Promise<void> {
    await machine.stop()
    const again = await machine.replica.clone(`restart ${this.#random.number()}`)
    this.#machines[this.#machines.indexOf(machine)] = new Machine(again)
  }

  async #checkpoint(): Promise<void> {
    beacons(this.#machines)
    await this.#pick(this.#machines).makeCheckpoint()
    // And drop the log, where most have the last one.
    beacons(this.#machines)
    if (this.#random.number() < 0.5) await this.#pick(this.#machines).makeCheckpoint()
  }

  #others(machine: Machine): readonly Machine[] {
    return this.#machines.filter((other) => other !== machine)
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random.number() * items.length)] ?? assert.fail()
  }
}

async function linesOf({ replica }: Machine): Promise<Set<string>> {
  return new Set((await replica.state()).split('\n'))
}
