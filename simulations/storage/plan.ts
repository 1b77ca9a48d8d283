// From a seed and a scenario to what happens when. A plan depends on nothing but these two. Who is
// struck is a draw, since who is there then depends on what came before.
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../protocol/units.ts'
import { NEVER_UNLUCKY, SeededRandom } from '../random.ts'
import type { UnluckyRates } from '../random.ts'
import type { StorageScenario } from './scenario.ts'

/** `draw` picks the machine, or the zone, among those that are there. */
export type Action =
  | { readonly do: 'fail'; readonly draw: number; readonly replacedAfterMs: number }
  | { readonly do: 'off'; readonly draw: number; readonly forMs: number }
  | { readonly do: 'rot'; readonly draw: number }
  | { readonly do: 'slow'; readonly draw: number; readonly forMs: number; readonly factor: number }
  | { readonly do: 'restart zone'; readonly draw: number; readonly forMs: number }
  | { readonly do: 'restart all'; readonly forMs: number }
  | { readonly do: 'cut zone'; readonly draw: number; readonly forMs: number }
  | { readonly do: 'lose zone'; readonly draw: number; readonly replacedAfterMs: number }
  | { readonly do: 'lie'; readonly draw: number; readonly how: Lie }
  | { readonly do: 'join'; readonly draw: number }
  | { readonly do: 'retire'; readonly draw: number }
  | { readonly do: 'write'; readonly draw: number }
  | { readonly do: 'delete'; readonly draw: number }
  | { readonly do: 'reference'; readonly draw: number }

/** damage: what it keeps is not what it was given. drop: it keeps nothing. */
export type Lie = 'damage' | 'drop'

export type Step = { readonly atMs: number } & Action

export interface StoragePlan {
  readonly seed: string
  readonly scenario: StorageScenario
  readonly nodeCount: number
  readonly durationMs: number
  readonly steps: readonly Step[]
  /** The ill luck of nodes: none for half of the seeds, which show what repair costs then. */
  readonly unlucky: UnluckyRates
}

/** Chance that a seed leaves a kind of thing out. */
const OFF_RATE = 0.25
/** The actions of users, in every seed. */
const USES: ReadonlySet<string> = new Set(['write', 'delete', 'reference'])
const DRAWS = 2 ** 31

export function planOf(seed: string, scenario: StorageScenario): StoragePlan {
  const plan = new Plan(seed, scenario)
  const { nodeCount, days } = scenario
  const isLucky = new SeededRandom(seed, 'storage plan luck').chance(0.5)
  return {
    seed,
    scenario,
    nodeCount,
    durationMs: days * DAY_MS,
    steps: plan.steps(),
    unlucky: isLucky ? NEVER_UNLUCKY : scenario.unlucky,
  }
}

class Plan {
  readonly #seed: string
  readonly #scenario: StorageScenario
  readonly #steps: Step[] = []

  constructor(seed: string, scenario: StorageScenario) {
    this.#seed = seed
    this.#scenario = scenario
  }

  steps(): readonly Step[] {
    const { machine, swarm, nodeCount, writes, deletes, references } = this.#scenario
    this.#often('fail', nodeCount * machine.failure, fail)
    this.#often('reboot', nodeCount * machine.reboot, (random) => off(random, 2 * MINUTE_MS, 1))
    this.#often('away', nodeCount * machine.away, (random) => off(random, 6 * HOUR_MS, 1.2))
    this.#often('rot', nodeCount * machine.rot, chooses('rot'))
    this.#often('slow', nodeCount * machine.slow, slow)
    this.#often('restart', swarm.restart, restart)
    this.#often('cut', swarm.cut, (random) => ({
      do: 'cut zone',
      draw: draw(random),
      forMs: around(random, 8 * HOUR_MS, 1),
    }))
    this.#often('lie', swarm.liar, (random) => ({
      do: 'lie',
      draw: draw(random),
      how: random.pick(['damage', 'drop']),
    }))
    this.#once('zone loss', swarm.zoneLoss)
    this.#often('join', swarm.join, chooses('join'))
    this.#often('retire', swarm.retire, chooses('retire'))
    this.#often('write', writes, chooses('write'))
    this.#often('delete', deletes, chooses('delete'))
    this.#often('reference', references, chooses('reference'))
    return this.#steps.toSorted((a, b) => a.atMs - b.atMs)
  }

  /**
   * `aYear` times a year on the average, at any time (Poisson), by this seed more or less often, or
   * never.
   */
  #often(kind: string, aYear: number, action: (random: SeededRandom) => Action): void {
    const random = new SeededRandom(this.#seed, `storage plan ${kind}`)
    const isOff = !USES.has(kind) && random.chance(OFF_RATE)
    const rate = aYear * 2 ** (2 * random.number() - 1)
    if (isOff || rate === 0) return
    const endMs = this.#scenario.days * DAY_MS
    const meanMs = (365 * DAY_MS) / rate
    for (let atMs = wait(random, meanMs); atMs < endMs; atMs += wait(random, meanMs)) {
      this.#steps.push({ atMs, ...action(random) })
    }
  }

  #once(kind: string, chance: number): void {
    const random = new SeededRandom(this.#seed, `storage plan ${kind}`)
    if (!random.chance(chance)) return
    const atMs = this.#scenario.days * DAY_MS * random.number()
    const replacedAfterMs = around(random, 10 * DAY_MS, 0.5)
    this.#steps.push({ atMs, do: 'lose zone', draw: draw(random), replacedAfterMs })
  }
}

type Chosen = 'join' | 'retire' | 'write' | 'delete' | 'reference' | 'rot'

function chooses(what: Chosen): (random: SeededRandom) => Action {
  return (random) => ({ do: what, draw: draw(random) })
}

function fail(random: SeededRandom): Action {
  return { do: 'fail', draw: draw(random), replacedAfterMs: around(random, 5 * DAY_MS, 0.7) }
}

function off(random: SeededRandom, medianMs: number, spread: number): Action {
  return { do: 'off', draw: draw(random), forMs: around(random, medianMs, spread) }
}

function slow(random: SeededRandom): Action {
  const forMs = around(random, 12 * HOUR_MS, 1)
  return { do: 'slow', draw: draw(random), forMs, factor: random.pick([300, 3000, 30_000]) }
}

function restart(random: SeededRandom): Action {
  const forMs = around(random, 10 * MINUTE_MS, 1)
  return random.chance(0.5)
    ? { do: 'restart all', forMs }
    : { do: 'restart zone', draw: draw(random), forMs }
}

function draw(random: SeededRandom): number {
  return random.below(DRAWS)
}

/** Log-normal. */
function around(random: SeededRandom, medianMs: number, spread: number): number {
  return Math.round(medianMs * Math.exp(spread * random.normal()))
}

/** Exponential. */
function wait(random: SeededRandom, meanMs: number): number {
  return Math.ceil(-meanMs * Math.log1p(-random.number()))
}
