// Machines of one volume that act at random: whatever they did, all end with one state, in which
// every write is. A seed that failed is run alone with SHOAL_SEED=<seed>.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../../protocol/bytes.ts'
import { parseXattrName } from '../../../protocol/op/names.ts'
import { assertSame, meetAll } from './machines.ts'
import type { Machine } from './machines.ts'
import type { SeededRandom } from '../../../simulations/random.ts'

const XATTR = parseXattrName('user.note')
const ALONE = process.env['SHOAL_SEED']

export abstract class RandomSwarm {
  protected readonly random: SeededRandom
  protected readonly machines: Machine[]
  readonly #written: string[] = []

  /** machines: with a file `shared` that all have. */
  constructor(random: SeededRandom, machines: Machine[]) {
    this.random = random
    this.machines = machines
  }

  /** One of them does something. */
  abstract step(step: number): Promise<void>

  async finish(): Promise<void> {
    await meetAll(this.machines)
    await assertSame(this.machines)
    const [first = assert.fail()] = this.machines
    const names = (await first.replica.names()).map((name) => name.replace(/\.conflict.*/, ''))
    for (const name of this.#written) assert.ok(names.includes(name), `${name} is kept`)
    for (const machine of this.machines) {
      assert.equal(machine.checkpoints.differsMs, undefined)
      await machine.stop()
    }
  }

  /** Write the file that all have, or a new one; or change an extended attribute of it, too. */
  protected async write({ replica }: Machine, text: string): Promise<void> {
    replica.clock.advance(this.random.below(10))
    const { xattrs } = replica.namespace
    const shared = replica.at('shared')
    const isSet = xattrs.get(shared, XATTR) !== undefined
    const fate = this.random.number()
    if (fate < 0.2) xattrs.set(shared, XATTR, utf8(text))
    else if (isSet && fate < 0.4) xattrs.remove(shared, XATTR)
    if (this.random.chance(0.3)) {
      replica.rewrite(replica.at('shared'), text)
    } else {
      replica.write(text, text)
      this.#written.push(text)
    }
    await replica.volume.commit()
  }

  /** Any machine but this one. */
  protected other(machine: Machine): Machine {
    return this.random.pick(this.machines.filter((one) => one !== machine))
  }
}

/** A test for each seed: so many steps, and what they end with. */
export function testSwarms(
  title: string,
  { seeds, steps }: { seeds: number; steps: number },
  start: (seed: number) => Promise<RandomSwarm>,
): void {
  const all = Array.from({ length: seeds }, (_, n) => n + 1)
  for (const seed of ALONE === undefined ? all : [Number(ALONE)]) {
    test(`${title}, seed ${seed}`, async () => {
      const swarm = await start(seed)
      for (let step = 0; step < steps; step++) await swarm.step(step)
      await swarm.finish()
    })
  }
}
