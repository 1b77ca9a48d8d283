// Members that are not waited for while they are away, and cuts that are announced by some without hearing of others':
// whoever meets whom, and whoever is killed when, all end with one state, in which every write is. A seed that failed is
// run alone with SHOAL_SEED=<seed>.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applySettings } from '../../../node/namespace/settings.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Machine, beacons, meet, meetAll } from './machines.ts'
import { Replica } from './replicas.ts'

const SEED = process.env['SHOAL_SEED']
const SEEDS = SEED === undefined ? Array.from({ length: 30 }, (_, n) => n + 1) : [Number(SEED)]
const STEPS = 60

for (const seed of SEEDS) {
  test(`members end with one state, seed ${seed}`, async () => {
    const swarm = await Swarm.start(seed)
    for (let step = 0; step < STEPS; step++) await swarm.step(step)
    await swarm.finish()
  })
}

class Swarm {
  readonly #random: SeededRandom
  readonly #machines: Machine[]
  readonly #written: string[] = []

  private constructor(random: SeededRandom, machines: Machine[]) {
    this.#random = random
    this.#machines = machines
  }

  static async start(seed: number): Promise<Swarm> {
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
    return new Swarm(random, machines)
  }

  async step(step: number): Promise<void> {
    const machine = this.#random.pick(this.#machines)
    const dice = this.#random.number()
    if (dice < 0.4) await this.#write(machine, `${step}`)
    else if (dice < 0.7) await this.#meet(machine)
    else if (dice < 0.85) await machine.makeCheckpoint()
    else if (dice < 0.92) await this.#kill(machine)
    else for (const { replica } of this.#machines) replica.clock.advance(40 * MINUTE_MS)
  }

  async finish(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await meetAll(this.#machines)
      beacons(this.#machines)
      for (const machine of this.#machines) await machine.settled()
    }
    await this.#machines[0]?.makeCheckpoint()
    await meetAll(this.#machines)
    const [first = assert.fail(), ...others] = this.#machines
    const state = await linesOf(first)
    for (const [index, other] of others.entries()) {
      const different = [...state.symmetricDifference(await linesOf(other))]
      assert.deepEqual(different.sort().slice(0, 9), [], `member ${index + 1} ends as the first`)
    }
    const names = (await first.replica.names()).map((name) => name.replace(/\.conflict.*/, ''))
    for (const name of this.#written) assert.ok(names.includes(name), `${name} is kept`)
    for (const machine of this.#machines) {
      assert.deepEqual([...machine.notes, ...machine.refused], [])
      assert.equal(machine.checkpoints.differsMs, undefined)
      await machine.stop()
    }
  }

  async #write({ replica }: Machine, text: string): Promise<void> {
    replica.clock.advance(this.#random.below(10))
    if (this.#random.chance(0.3)) {
      replica.rewrite(replica.at('shared'), text)
    } else {
      replica.write(text, text)
      this.#written.push(text)
    }
    await replica.volume.commit()
  }

  async #meet(machine: Machine): Promise<void> {
    const other = this.#random.pick(this.#machines.filter((one) => one !== machine))
    await meet(machine, other)
    if (this.#random.chance(0.7)) beacons([machine, other])
  }

  /** It goes on with what is durable. */
  async #kill(machine: Machine): Promise<void> {
    const { replica } = machine
    const again = await replica.clone(`${replica.seed}'`)
    this.#machines[this.#machines.indexOf(machine)] = new Machine(again, { takesTurns: true })
    await machine.stop()
  }
}

async function linesOf({ replica }: Machine): Promise<Set<string>> {
  return new Set((await replica.state()).split('\n'))
}
