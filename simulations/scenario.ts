// Scenarios are data (FoundationDB): how many nodes for how long, what users do, and how often each
// fault comes on the average. Each seed draws its own rates around these, with some faults off
// altogether (swarm testing: Groce, Zhang, Eide, Chen, Regehr, "Swarm testing", ISSTA 2012).
import { ShoalError } from '../protocol/errors.ts'
import { MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import type { OpKind } from './script.ts'
import type { Settings } from '../node/control/volumes.ts'

export type FaultKind =
  | 'cut'
  | 'one-way'
  | 'flap'
  | 'reset'
  | 'weather'
  | 'kill'
  | 'power'
  /** It ends as it has told a user that a write is durable. */
  | 'acked'
  | 'away'
  | 'jump'
  | 'future'
  | 'join'
  | 'leave'
  | 'restore'
  | 'clone'
  | 'tier-weather'
  | 'tier-gone'
  | 'tier-denied'

export interface Scenario {
  readonly name: string
  readonly about: string
  readonly nodeCount: number
  readonly hours: number
  readonly beaconMs: number
  /** Times at which many users are busy at once, for so long; in between all is idle. */
  readonly sessions: number
  readonly sessionMs: number
  /** Mean number of ops that a user asks for in a session. */
  readonly ops: Readonly<Record<OpKind, number>>
  /** Mean number of simultaneous actions of each kind, of all sessions. */
  readonly duels: number
  /** Mean number in a run. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Faults that no seed leaves out. */
  readonly always: readonly FaultKind[]
  /** Most faults last from a second to so long. */
  readonly faultHours: number
  /**
   * In the end, of a run whose disks are all their own, as many nodes are lost as files must
   * survive.
   */
  readonly loses: boolean
  /**
   * There is a cold tier; and in the end all machines are lost, and the volume is made anew from
   * it.
   */
  readonly cold: boolean
  /** In every other seed all but the first are appenders. */
  readonly appends: boolean
  /** Settings of the volume, besides those that are drawn. */
  readonly settings: Settings
}

/** Seven in all. */
const OPS: Scenario['ops'] = {
  folder: 0.6,
  write: 1.2,
  rewrite: 0.75,
  own: 0.45,
  close: 0.9,
  move: 0.75,
  remove: 0.45,
  attributes: 0.45,
  xattr: 0.45,
  read: 0.15,
  keep: 0.15,
  save: 0.45,
  roam: 0.15,
  strong: 0,
  store: 0,
  push: 0,
  recall: 0,
  set: 0,
  shorten: 0,
  snapshot: 0,
  clone: 0,
  collect: 0,
}

const DEFAULT: Scenario = {
  name: 'default',
  about: 'a day of seven nodes: all faults',
  nodeCount: 7,
  hours: 24,
  beaconMs: 10 * MINUTE_MS,
  sessions: 6,
  sessionMs: 2.5 * SECOND_MS,
  ops: OPS,
  duels: 1,
  faults: {
    cut: 4,
    'one-way': 2,
    flap: 1,
    reset: 6,
    weather: 3,
    kill: 3,
    power: 3,
    acked: 2,
    away: 1,
    jump: 2,
    future: 0.7,
    join: 0.7,
    leave: 0.3,
    restore: 0.4,
    clone: 0.2,
  },
  always: [],
  faultHours: 1,
  loses: true,
  cold: false,
  appends: false,
  settings: {},
}

const SCENARIOS: readonly Scenario[] = [
  DEFAULT,
  {
    ...DEFAULT,
    name: 'calm',
    about: 'no faults at all',
    faults: {},
    hours: 2,
    sessions: 3,
  },
  {
    ...DEFAULT,
    name: 'partition',
    about: 'every kind of network partition while users compete for names',
    hours: 6,
    faults: { cut: 8, 'one-way': 5, flap: 3, reset: 10, weather: 4 },
    always: ['cut', 'one-way'],
    duels: 1.6,
  },
  {
    ...DEFAULT,
    name: 'crash',
    about: 'nodes are killed and lose power at any time',
    hours: 6,
    faults: { kill: 8, power: 8, acked: 12, cut: 2 },
    always: ['power', 'acked'],
  },
  {
    ...DEFAULT,
    name: 'close',
    about: 'programs close files in mounts, and nodes are killed and lose power',
    nodeCount: 3,
    hours: 2,
    ops: { ...OPS, close: 9 },
    sessions: 8,
    sessionMs: 0.9 * SECOND_MS,
    duels: 0.6,
    faults: { kill: 16, power: 16, cut: 2 },
    always: ['kill', 'power'],
  },
  {
    ...DEFAULT,
    name: 'clocks',
    about: 'wall clocks jump, some beyond what others accept',
    hours: 12,
    faults: { jump: 12, future: 4, cut: 3, power: 2 },
    always: ['jump', 'future'],
  },
  {
    ...DEFAULT,
    name: 'churn',
    about: 'members join late, leave, and are away for long',
    hours: 24,
    faults: { join: 3, leave: 1.5, away: 5, cut: 2, kill: 2 },
    always: ['join', 'leave'],
    loses: false,
  },
  {
    ...DEFAULT,
    name: 'restore',
    about: 'a disk is restored from an old copy, and the node goes on writing',
    hours: 12,
    faults: { restore: 2, cut: 3, kill: 1, power: 1 },
    always: ['restore'],
    loses: false,
  },
  {
    ...DEFAULT,
    name: 'clone',
    about: 'one identity on two machines, each writing on its own copy of the disk',
    hours: 12,
    faults: { clone: 1.3, cut: 3 },
    always: ['clone'],
    loses: false,
  },
  {
    ...DEFAULT,
    name: 'strong',
    about: 'strong calls from five nodes on few names, three of them voters',
    nodeCount: 5,
    hours: 3,
    sessions: 4,
    sessionMs: 4.5 * SECOND_MS,
    ops: { ...OPS, strong: 9 },
    duels: 0,
    faults: { cut: 5, 'one-way': 3, flap: 2, reset: 4, weather: 3, kill: 4, power: 4, jump: 2 },
    always: ['cut', 'power'],
    loses: false,
    settings: { voters: 'n0,n1,n2' },
  },
  {
    ...DEFAULT,
    name: 'cold',
    about: 'four days of four nodes with a failing cold tier, then a recovery from it alone',
    nodeCount: 4,
    hours: 96,
    sessions: 10,
    sessionMs: 10 * SECOND_MS,
    ops: {
      ...rarely(OPS, 3),
      store: 1.5,
      read: 0.5,
      remove: 0.4,
      push: 0.3,
      recall: 0.2,
      set: 0.2,
    },
    duels: 0.2,
    faults: {
      cut: 6,
      'one-way': 2,
      reset: 3,
      weather: 2,
      kill: 6,
      power: 6,
      away: 1,
      jump: 1,
      'tier-weather': 8,
      'tier-gone': 3,
      'tier-denied': 3,
    },
    always: ['cut', 'tier-weather'],
    faultHours: 12,
    loses: false,
    cold: true,
    // Removed files are garbage at once, lest nothing is collected in four days.
    settings: { versions: 'off' },
  },
  {
    ...DEFAULT,
    name: 'versions',
    about: 'files written over and removed, garbage collected, and former versions read in the end',
    nodeCount: 3,
    hours: 6,
    ops: { ...OPS, rewrite: 1.5, remove: 0.9, store: 1.5, read: 0, collect: 0.6, shorten: 0.5 },
    duels: 0.3,
    faults: { cut: 4, reset: 2, kill: 3, power: 3, jump: 1 },
    always: ['cut', 'power'],
    loses: false,
    appends: true,
    settings: { versions: '20m:all,8h:20m', trash: '1m' },
  },
  {
    ...DEFAULT,
    name: 'snapshots',
    about:
      'snapshots made, cloned and removed, files written over, garbage collected; all compared and read',
    nodeCount: 3,
    hours: 8,
    ops: {
      ...OPS,
      rewrite: 1.5,
      remove: 0.9,
      store: 1.5,
      read: 0,
      snapshot: 0.9,
      clone: 0.6,
      collect: 0.4,
    },
    duels: 0.3,
    faults: { cut: 4, reset: 2, kill: 3, power: 3, jump: 1 },
    always: ['cut', 'power'],
    loses: false,
    settings: { versions: 'off', trash: '1h' },
  },
  {
    ...DEFAULT,
    name: 'big',
    about: 'three hundred nodes with few ops each',
    nodeCount: 300,
    hours: 0.1,
    beaconMs: 20 * MINUTE_MS,
    sessions: 1,
    sessionMs: 30 * SECOND_MS,
    ops: rarely(OPS, 6),
    duels: 0.3,
    faults: { cut: 1, power: 2 },
    always: ['cut'],
    loses: false,
  },
]

/** So many times fewer of each. */
function rarely(ops: Scenario['ops'], times: number): Scenario['ops'] {
  const fewer = Object.entries(ops).map(([kind, mean]) => [kind, mean / times] as const)
  return Object.fromEntries(fewer) as Scenario['ops']
}

/** throws ShoalError 'usage' naming those there are. */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found !== undefined) return found
  throw new ShoalError('usage', `there is no scenario "${name}"; there are:\n${listScenarios()}`)
}

/** A line each. */
export function listScenarios(): string {
  return SCENARIOS.map(({ name, about }) => `  ${name.padEnd(15)} ${about}`).join('\n')
}
