// From a seed and a scenario to a script: when users are busy and with what, which faults come when
// and for how long. A plan depends on nothing but these two, so the same seed is the same run. Each
// kind of op, duel and fault has a stream of its own: a new kind leaves the others as they were.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { CLOCK_AHEAD_MS } from '../protocol/limits.ts'
import { TIER_NAME } from './cluster.ts'
import { FAIR_TIER } from './object-tier.ts'
import { SeededRandom } from './random.ts'
import type { NodeRole } from '../protocol/roles.ts'
import type { Settings } from '../node/control/volumes.ts'
import type { CheckpointOptions } from '../node/checkpoint/checkpoint-schedule.ts'
import type { NetworkOptions } from './network.ts'
import type { FaultKind, Scenario } from './scenario.ts'
import type { Action, ColdSetting, DuelKind, OpKind, Script, Step } from './script.ts'

/** Chance that a seed leaves a kind of fault out. */
const OFF_RATE = 0.3
/** Chance that a fault comes while users are busy. */
const BUSY_RATE = 0.8
/** Faults and duels of a session come within this much of its start. */
const SESSION_MS: number = 20 * SECOND_MS
/** Chance that a user takes no part in a session. */
const ABSENT_RATE = 0.2
/** Chance that those who act at once are cut off from each other. */
const APART_RATE = 0.5
const DRAWS = 2 ** 31

const DUELS: readonly DuelKind[] = [
  'write both',
  'make both',
  'folder or file',
  'move into each other',
  'move one thing twice',
  'move onto one name',
  'replace while written',
  'remove while written',
  'discard while written',
  'remove while moved',
]

type TimedAction = readonly [delayMs: number, action: Action]
type NodeFaultKind = Exclude<
  FaultKind,
  'cut' | 'one-way' | 'flap' | 'reset' | 'weather' | 'tier-weather' | 'tier-gone' | 'tier-denied'
>

/** The script of a seed. */
export function planOf(seed: string, scenario: Scenario): Script {
  const plan = new Plan(seed, scenario)
  const steps = plan.steps()
  return {
    seed,
    scenario: scenario.name,
    nodeCount: scenario.nodeCount,
    durationMs: scenario.hours * HOUR_MS,
    beaconMs: scenario.beaconMs,
    network: plan.network(),
    checkpoints: plan.checkpoints(),
    settings: plan.settings(),
    role: plan.role(),
    ...(scenario.cold && { cold: plan.cold() }),
    loses: scenario.loses && !steps.some((step) => step.do === 'restore' || step.do === 'clone'),
    steps,
  }
}

class Plan {
  readonly #scenario: Scenario
  readonly #seed: string
  readonly #steps: Step[] = []
  readonly #busyMs: readonly number[]
  #members: number

  constructor(seed: string, scenario: Scenario) {
    this.#seed = seed
    this.#scenario = scenario
    this.#members = scenario.nodeCount
    const random = new SeededRandom(seed, `plan ${scenario.name}`)
    const durationMs = scenario.hours * HOUR_MS
    this.#busyMs = Array.from({ length: scenario.sessions }, () => random.number())
      .map((share) => share * Math.max(0, durationMs - SESSION_MS))
      .toSorted((a, b) => a - b)
  }

  /** The kind of network that this seed has. */
  network(): Partial<NetworkOptions> {
    const random = new SeededRandom(this.#seed, 'plan network')
    return {
      latencyMs: random.pick([1, 5, 5, 40, 150]),
      latencySpread: 0.2 + random.number(),
      tailRate: random.pick([0, 0.01, 0.05]),
      lossRate: random.pick([0, 0.02, 0.1, 0.3]),
      duplicateRate: random.pick([0, 0.02, 0.2]),
      promptRate: random.number(),
      bulkBreakRate: random.pick([0, 0.005, 0.05]),
    }
  }

  /** How often the log is cut. */
  checkpoints(): CheckpointOptions {
    const random = new SeededRandom(this.#seed, 'plan checkpoints')
    return {
      entries: random.pick([10, 50, 1e9]),
      everyMs: random.pick([HOUR_MS / 2, 4 * HOUR_MS, DAY_MS]),
    }
  }

  settings(): Settings {
    const random = new SeededRandom(this.#seed, 'plan settings')
    const cold = this.#scenario.cold ? this.#coldSettings() : {}
    const copies = new SeededRandom(this.#seed, 'plan copies')
    return {
      history: random.pick(['drop', 'full']),
      'keep-local': copies.pick(['placed', 'recent 10m', 'auto', 'always']),
      ...cold,
      ...this.#scenario.settings,
    }
  }

  role(): NodeRole {
    const random = new SeededRandom(this.#seed, 'plan role')
    return this.#scenario.appends && random.chance(0.5) ? 'appender' : 'writer'
  }

  /** The kind of tier that this seed has. */
  cold(): ColdSetting {
    const random = new SeededRandom(this.#seed, 'plan cold')
    const archives = random.chance(0.2)
    const weather = {
      ...FAIR_TIER,
      failures: random.pick([0, 0.02, 0.1]),
      lostAnswers: random.pick([0, 0.02, 0.1]),
      // What an archive took whole cannot be read for hours, and is trusted.
      badPuts: archives ? 0 : random.pick([0, 0.05, 0.2]),
      slowness: random.pick([0.2, 1, 1, 10]),
    }
    return { archives, weather }
  }

  #coldSettings(): Settings {
    const random = new SeededRandom(this.#seed, 'plan cold settings')
    return {
      class: random.pick(['auto', 'rs2+1', 'copies2']),
      'cold-tier': TIER_NAME,
      'cold-after': random.pick(['10m', '1h', '6h']),
      keep: random.pick(['none', 'none', 'copies1']),
      trash: random.pick(['10m', '12h', '1d']),
    }
  }

  steps(): readonly Step[] {
    const { faults, always, duels } = this.#scenario
    this.#sessions()
    for (const kind of DUELS) {
      const random = new SeededRandom(this.#seed, `plan duel ${kind}`)
      for (let left = drawn(duels, random); left > 0; left--) this.#duel(kind, random)
    }
    for (const [kind, mean] of Object.entries(faults) as [FaultKind, number][]) {
      const random = new SeededRandom(this.#seed, `plan fault ${kind}`)
      const isAlways = always.includes(kind)
      if (random.chance(OFF_RATE) && !isAlways) continue
      for (let left = Math.max(isAlways ? 1 : 0, drawn(mean, random)); left > 0; left--)
        this.#fault(kind, random)
    }
    return this.#steps.toSorted((a, b) => a.atMs - b.atMs)
  }

  #sessions(): void {
    const { sessionMs, nodeCount } = this.#scenario
    const random = new SeededRandom(this.#seed, 'plan users')
    for (const [index, atMs] of this.#busyMs.entries()) {
      for (let node = 0; node < nodeCount; node++) {
        if (random.chance(ABSENT_RATE)) continue
        for (const [delayMs, action] of this.#tries(node, sessionMs, `session ${index} n${node}`))
          this.#add(atMs + delayMs, action)
      }
    }
  }

  /** Draws what a user asks for within a time. */
  #tries(node: number, withinMs: number, stream: string): readonly TimedAction[] {
    const tries: TimedAction[] = []
    for (const [kind, mean] of Object.entries(this.#scenario.ops) as [OpKind, number][]) {
      const random = new SeededRandom(this.#seed, `plan ${stream} ${kind}`)
      for (let left = drawn(mean, random); left > 0; left--) {
        const action = { do: 'try', node, kind, draw: random.below(DRAWS) } as const
        tries.push([withinMs * random.number(), action])
      }
    }
    return tries
  }

  #duel(kind: DuelKind, random: SeededRandom): void {
    const { nodeCount, faults } = this.#scenario
    const atMs = random.pick(this.#busyMs) + random.number() * SESSION_MS
    const nodes = someOf(random, nodeCount, random.chance(0.7) ? 2 : 3)
    this.#add(atMs, { do: 'duel', nodes, kind, draw: random.below(DRAWS) })
    if (faults.cut === undefined || !random.chance(APART_RATE)) return
    const [first = 0, ...others] = nodes
    const from = Array.from({ length: nodeCount }, (_, node) => node).filter(
      (node) => node === first || (random.chance(0.5) && !others.includes(node)),
    )
    const sides = { from, to: allBut(from, nodeCount) }
    const forMs = spread(random, 2 * SECOND_MS, MINUTE_MS)
    this.#add(Math.max(0, atMs - SECOND_MS), { do: 'cut', ...sides, oneWay: false, forMs })
  }

  #fault(kind: FaultKind, random: SeededRandom): void {
    const { hours, sessionMs } = this.#scenario
    const isAcked = kind === 'acked'
    const isBusy = this.#busyMs.length > 0 && (isAcked || random.chance(BUSY_RATE))
    const withinMs = isAcked ? sessionMs : SESSION_MS
    const atMs = isBusy
      ? random.pick(this.#busyMs) + random.number() * withinMs - SECOND_MS
      : random.number() * hours * HOUR_MS
    const node = random.below(this.#scenario.nodeCount)
    for (const [delayMs, action] of this.#faultActions(kind, node, random)) {
      this.#add(Math.max(0, atMs + delayMs), action)
    }
  }

  #faultActions(kind: FaultKind, node: number, random: SeededRandom): readonly TimedAction[] {
    const { nodeCount } = this.#scenario
    const forMs = this.#aWhile(random)
    const only = (action: Action): readonly TimedAction[] => [[0, action]]
    switch (kind) {
      case 'cut':
        return only({ do: 'cut', ...twoSides(random, nodeCount), oneWay: false, forMs })
      case 'one-way':
        return only({ do: 'cut', ...twoSides(random, nodeCount), oneWay: true, forMs })
      case 'flap': {
        const sides = twoSides(random, nodeCount)
        const oneWay = random.chance(0.3)
        const times = 3 + random.below(8)
        return Array.from({ length: times }, (_, i) => [
          i * 2 * SECOND_MS,
          { do: 'cut', ...sides, oneWay, forMs: Math.round(SECOND_MS * (0.5 + random.number())) },
        ])
      }
      case 'reset': {
        const [a = 0, b = 0] = someOf(random, nodeCount, 2)
        return only({ do: 'reset', nodes: [a, b] })
      }
      case 'weather': {
        const network = {
          latencyMs: random.pick([1, 20, 300, 2000]),
          lossRate: random.pick([0, 0.2, 0.6]),
          duplicateRate: random.pick([0, 0.3]),
          tailRate: random.pick([0, 0.2]),
        }
        return only({ do: 'weather', network, forMs })
      }
      case 'tier-weather': {
        const rate = (...rates: readonly number[]): number => random.pick([0, 0, ...rates])
        const isArchive = this.cold().archives
        const weather = {
          failures: rate(0.2, 0.7),
          lostAnswers: rate(0.2, 0.5),
          hangs: rate(0.1, 0.5),
          badPuts: isArchive ? 0 : rate(0.2, 0.6),
          badReads: isArchive ? 0 : rate(0.1, 0.4),
          slowness: random.pick([1, 1, 20]),
        }
        return only({ do: 'tier', weather, forMs })
      }
      case 'tier-gone':
        return only({ do: 'tier', weather: { isGone: true }, forMs })
      case 'tier-denied':
        return only({ do: 'deny', node, forMs })
      default:
        return this.#nodeFault(kind, node, random)
    }
  }

  /** A fault of one node. */
  #nodeFault(kind: NodeFaultKind, node: number, random: SeededRandom): readonly TimedAction[] {
    const { nodeCount, hours } = this.#scenario
    const durationMs = hours * HOUR_MS
    const forMs = this.#aWhile(random)
    const only = (action: Action): readonly TimedAction[] => [[0, action]]
    switch (kind) {
      case 'kill':
      case 'power': {
        const death = kind === 'kill' ? 'killed' : 'power loss'
        const afterEvents = random.below(random.chance(0.5) ? 4 : 60)
        const times = random.chance(0.3) ? 2 + random.below(2) : 1
        const downMs = spread(random, SECOND_MS / 20, forMs / 4)
        return only({ do: 'crash', node, death, since: 'now', afterEvents, times, downMs })
      }
      case 'acked': {
        const death = random.chance(0.5) ? 'killed' : 'power loss'
        const afterEvents = random.below(3)
        const downMs = spread(random, SECOND_MS / 20, forMs / 4)
        return only({ do: 'crash', node, death, since: 'ack', afterEvents, times: 1, downMs })
      }
      case 'away':
        return only({
          do: 'away',
          node,
          forMs: Math.round(durationMs * (0.1 + 0.5 * random.number())),
        })
      case 'jump': {
        const byMs = (random.chance(0.5) ? 1 : -1) * spread(random, SECOND_MS, 8 * MINUTE_MS)
        return only({ do: 'jump', node, byMs: Math.round(byMs), forMs })
      }
      case 'future': {
        const byMs = Math.round(CLOCK_AHEAD_MS + spread(random, MINUTE_MS, 2 * HOUR_MS))
        return only({ do: 'jump', node, byMs, forMs })
      }
      case 'join': {
        const joiner = this.#members++
        const tries = [1, 2].flatMap((time) =>
          this.#tries(joiner, 6 * MINUTE_MS, `joiner n${joiner} ${time}`),
        )
        return [[0, { do: 'join', node: joiner }], ...tries]
      }
      case 'leave':
        return only({ do: 'leave', node: 1 + random.below(nodeCount - 1) })
      case 'restore':
        return only({
          do: 'restore',
          node,
          image: random.chance(0.5),
          forMs: spread(random, SECOND_MS, 4 * HOUR_MS),
        })
      case 'clone': {
        const turnMs = spread(random, 10 * SECOND_MS, durationMs / 6)
        const turns = 1 + random.below(4)
        return only({ do: 'clone', node, image: random.chance(0.5), turnMs, turns })
      }
    }
  }

  /** How long most faults last. */
  #aWhile(random: SeededRandom): number {
    const { faultHours, hours } = this.#scenario
    return spread(random, SECOND_MS, Math.min(faultHours, hours / 4) * HOUR_MS)
  }

  #add(atMs: number, action: Action): void {
    this.#steps.push({ atMs: Math.round(atMs), ...action })
  }
}

/** A number with this mean, up to twice as many. */
function drawn(mean: number, random: SeededRandom): number {
  const count = mean * 2 * random.number()
  return Math.floor(count) + (random.chance(count % 1) ? 1 : 0)
}

/** Between two bounds, each order of magnitude as likely. */
function spread(random: SeededRandom, leastMs: number, mostMs: number): number {
  return Math.round(leastMs * (Math.max(mostMs, leastMs) / leastMs) ** random.number())
}

/** All nodes on two sides, neither empty. */
function twoSides(random: SeededRandom, nodeCount: number): { from: number[]; to: number[] } {
  const from = someOf(random, nodeCount, 1 + random.below(nodeCount - 1))
  return { from, to: allBut(from, nodeCount) }
}

function allBut(nodes: readonly number[], nodeCount: number): number[] {
  const all = Array.from({ length: nodeCount }, (_, node) => node)
  return all.filter((node) => !nodes.includes(node))
}

/** `count` different nodes, in order. */
function someOf(random: SeededRandom, nodeCount: number, count: number): number[] {
  const chosen = new Set<number>()
  while (chosen.size < Math.min(count, nodeCount)) chosen.add(random.below(nodeCount))
  return [...chosen].sort((a, b) => a - b)
}
