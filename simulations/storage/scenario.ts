// The parameters of a simulated year of many machines: how many there are, what they store, how
// often each event happens to them. Each seed draws its own rates around these, with some faults
// off altogether (swarm testing, see ../scenario.ts).
import { ShoalError } from '../../protocol/errors.ts'
import { NEVER_UNLUCKY, OFTEN_UNLUCKY } from '../random.ts'
import type { UnluckyRates } from '../random.ts'
import type { Code } from '../../protocol/placement/redundancy.ts'

/** Things that happen to one machine: how often, in a year, on the average. */
export interface MachineRates {
  /**
   * Its disk fails for good. Another machine with an empty disk takes its place after some days.
   */
  readonly failure: number
  /** It restarts, within minutes. */
  readonly reboot: number
  /** It is off for hours, and seldom for days: longer than the grace. */
  readonly away: number
  /** A bit of its disk flips. */
  readonly rot: number
  /** For hours it answers thousands of times as slowly. */
  readonly slow: number
}

/** Things that happen to the swarm: how often, in a year, on the average. */
export interface SwarmRates {
  /** All machines of a zone restart at once, or all that there are. */
  readonly restart: number
  /** A zone is cut off from the others for hours. */
  readonly cut: number
  /** All machines of a zone are lost for good. At most once. */
  readonly zoneLoss: number
  /**
   * A machine begins to lie: it keeps what it is given damaged, or not at all, and says nothing of
   * it.
   */
  readonly liar: number
  /** Machines that join beyond those that replace others, and machines that are retired. */
  readonly join: number
  readonly retire: number
}

export interface StorageScenario {
  readonly name: string
  readonly about: string
  readonly nodeCount: number
  readonly zoneCount: number
  readonly days: number
  /** Stripes that are placed in the beginning. */
  readonly stripeCount: number
  /** Written and deleted in a year. */
  readonly writes: number
  readonly deletes: number
  /** Files that are written again with contents that are there, or were. */
  readonly references: number
  readonly code: Code
  readonly machine: MachineRates
  readonly swarm: SwarmRates
  /** The ill luck of nodes; none where costs are measured, as docs/durability.md tells. */
  readonly unlucky: UnluckyRates
}

const YEAR: StorageScenario = {
  name: 'storage',
  about: 'fifty machines that fail, restart, rot, lie, come and go',
  nodeCount: 50,
  zoneCount: 8,
  days: 365,
  stripeCount: 48,
  writes: 24,
  deletes: 40,
  references: 30,
  code: { k: 6, m: 3 },
  machine: { failure: 0.3, reboot: 3, away: 1, rot: 0.5, slow: 0.3 },
  swarm: { restart: 2, cut: 3, zoneLoss: 0.5, liar: 1, join: 3, retire: 3 },
  unlucky: OFTEN_UNLUCKY,
}

const SCENARIOS: readonly StorageScenario[] = [
  YEAR,
  {
    ...YEAR,
    name: 'storage-calm',
    about: 'machines fail and are replaced, one at a time: the cost of repair',
    machine: { ...YEAR.machine, away: 0, rot: 0, slow: 0 },
    swarm: { restart: 0, cut: 0, zoneLoss: 0, liar: 0, join: 0, retire: 0 },
    unlucky: NEVER_UNLUCKY,
  },
  {
    ...YEAR,
    name: 'storage-growth',
    about: 'machines join and are retired: the cost of rebalancing',
    days: 120,
    machine: { ...YEAR.machine, failure: 0, away: 0, rot: 0, slow: 0 },
    swarm: { restart: 0, cut: 0, zoneLoss: 0, liar: 0, join: 24, retire: 12 },
    unlucky: NEVER_UNLUCKY,
  },
  {
    ...YEAR,
    name: 'storage-losses',
    about: 'disks fail twenty times as often: the rate of loss (docs/durability.md)',
    days: 180,
    stripeCount: 150,
    writes: 0,
    deletes: 0,
    references: 0,
    machine: { failure: 6, reboot: 0, away: 0, rot: 0, slow: 0 },
    swarm: { restart: 0, cut: 0, zoneLoss: 0, liar: 0, join: 0, retire: 0 },
    unlucky: NEVER_UNLUCKY,
  },
  {
    ...YEAR,
    name: 'storage-garbage',
    about: 'files are deleted and rewritten with the same content, also while partitioned',
    days: 60,
    writes: 600,
    deletes: 2500,
    references: 2000,
    machine: { ...YEAR.machine, failure: 0, rot: 0, slow: 0 },
    swarm: { restart: 0, cut: 100, zoneLoss: 0, liar: 0, join: 0, retire: 0 },
  },
]

/**
 * Undefined if it is the name of another kind of scenario. throws ShoalError 'usage' for an unknown
 * storage scenario.
 */
export function storageScenarioNamed(name: string): StorageScenario | undefined {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found !== undefined || !name.startsWith('storage')) return found
  throw new ShoalError(
    'usage',
    `there is no scenario "${name}"; there are:\n${listStorageScenarios()}`,
  )
}

/** A line each. */
export function listStorageScenarios(): string {
  return SCENARIOS.map(({ name, about }) => `  ${name.padEnd(15)} ${about}`).join('\n')
}
