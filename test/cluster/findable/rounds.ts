// Rounds of people who work in one folder on three machines, each with a network of its own and a
// mount, while links are cut and nodes stand still, die and start again. After each, all machines
// show one tree, and the oracle judges what is in it.
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { SeededRandom } from '../../../simulations/random.ts'
import { TestCluster, eventually } from '../cluster.ts'
import { TestNetwork } from '../netns.ts'
import type { StartOptions } from '../cluster.ts'
import { MACHINES, planActs, tokensOf } from './acts.ts'
import { inflict, planFaults } from './faults.ts'
import { LogGraph } from './log-graph.ts'
import { MountedMachine } from './machine.ts'
import { Oracle } from './oracle.ts'
import { CommonStart, User } from './user.ts'
import type { LineBytes, PlannedAct, View } from './acts.ts'
import type { PlannedFault } from './faults.ts'
import type { Verdict } from './oracle.ts'
import type { Recording } from './user.ts'

/** How soon after all have the same log their mounts show it. */
const SHOWN_MS = 30_000
/** How far apart acts of a race begin, at most: about as long as one takes to another node. */
const RACE_MS = 60
/** Clocks of one machine; a stamp is at most so much before the time of its round. */
const STAMP_MS = 500

export interface RoundsOptions {
  readonly seed: number
  /** The first, if it is not 0. */
  readonly from?: number
  readonly count: number
  /** How all nodes are started. */
  readonly start?: StartOptions
  readonly say?: (line: string) => void
  /** Asked after each round: are no more needed? */
  readonly isEnough?: (tally: Tally) => boolean
}

/** The sum of some rounds. */
export interface Tally {
  readonly faults: readonly string[]
  readonly acts: Readonly<Record<string, number>>
  readonly found: number
  readonly superseded: number
  /** Those superseded by an act of this kind alone, while whose call they came. */
  readonly cameDuring: Readonly<Record<string, number>>
}

interface RoundPlan {
  /** All act at once, and what one does comes while another is about to. */
  readonly isRace: boolean
  readonly lineBytes: LineBytes
  readonly acts: readonly (readonly PlannedAct[])[]
  readonly faults: readonly PlannedFault[]
}

interface World {
  readonly network: TestNetwork
  readonly cluster: TestCluster
  readonly machines: readonly MountedMachine[]
}

/** Run rounds; with faults the tally tells of each the seed and number of its round. */
export async function runRounds(options: RoundsOptions): Promise<Tally> {
  const { seed, from = 0, count, start = {}, say, isEnough } = options
  await using network = await TestNetwork.start(MACHINES)
  await using cluster = await TestCluster.create()
  await using stack = new AsyncDisposableStack()
  const machines = network.machines.map((machine, at) => {
    const node = cluster.node(`n${at + 1}`, machine)
    return stack.use(new MountedMachine(at, { node, machine, options: start }))
  })
  const world = { network, cluster, machines }
  await startAll(world)
  const tally = new Tallying()
  const trees = new Map<string, View>()
  for (let round = from; round < from + count; round++) {
    const plan = planRound(new SeededRandom(seed, `round ${round}`))
    const { verdict, tree, recording } = await runRound(world, plan, `r${round}`)
    trees.set(recording.folder, tree)
    tally.add(recording, verdict, `seed ${seed}, round ${round}`)
    say?.(`round ${round}: ${told(plan)}: ${said(verdict)}`)
    if (isEnough?.(tally) === true) return tally
  }
  for (const machine of machines) await machine.end('SIGKILL')
  await Promise.all(machines.map((machine) => machine.start()))
  for (const [folder, tree] of trees)
    for (const machine of machines) {
      const { lineBytes } = planRound(new SeededRandom(seed, `round ${folder.slice(1)}`))
      const shown = await treeOf(machine, folder, lineBytes)
      if (!isDeepStrictEqual(shown, tree))
        tally.faults.push(
          `seed ${seed}: ${machine.node.name} started anew shows ${folder} otherwise`,
        )
    }
  return tally
}

function planRound(random: SeededRandom): RoundPlan {
  const isRace = random.chance(0.3)
  const pauseMs = isRace ? RACE_MS : random.pick([30, 80, 300])
  const count = 4 + random.below(5)
  return {
    isRace,
    lineBytes: random.chance(0.75) ? 48 : 3000,
    acts: Array.from({ length: MACHINES }, () => planActs(random, count, pauseMs)),
    faults: isRace ? [] : planFaults(random),
  }
}

async function startAll({ cluster, machines }: World): Promise<void> {
  const [first, ...others] = machines
  assert(first !== undefined)
  await first.start()
  const volume = (await first.node.volume()).name
  await first.node.shoal('volume', 'set', volume, 'history=full')
  const ticket = await first.node.invite('--uses', String(others.length))
  for (const machine of others) await machine.start(ticket)
  await cluster.connected()
}

async function runRound(
  { network, cluster, machines }: World,
  plan: RoundPlan,
  folder: string,
): Promise<{ verdict: Verdict; tree: View; recording: Recording }> {
  const sinceMs = Date.now() - STAMP_MS
  const recording: Recording = { acts: [], folder, lineBytes: plan.lineBytes }
  const users = machines.map((machine) => new User(machine, recording))
  const [first] = machines
  assert(first !== undefined)
  const { failure } = await first.call(['mkdir', first.path(folder)])
  assert.equal(failure, undefined)
  for (const planned of BEGINNING) await users[0]?.perform(planned)
  await converged(cluster, machines)
  const start = plan.isRace ? new CommonStart(MACHINES) : undefined
  await Promise.all([
    ...users.map((user, at) => user.performAll(plan.acts[at] ?? [], start)),
    ...plan.faults.map((fault) => inflict(fault, network, machines)),
  ])
  await cluster.connected()
  await converged(cluster, machines)
  for (const user of users) user.settleAll()
  const { tree, differences } = await oneTree(machines, recording)
  const names = machines.map(({ node }) => node.name)
  const log = await LogGraph.read(first.node, names, sinceMs)
  const verdict = new Oracle(recording.acts, log).judge(tree)
  const faults = [...differences, ...verdict.faults]
  return { verdict: { ...verdict, faults }, tree, recording }
}

/** Two files, one of two lines. */
const BEGINNING: readonly PlannedAct[] = (['plan.txt', 'b', 'plan.txt'] as const).map(
  (name, at) => ({
    kind: at < 2 ? 'write' : 'append',
    name,
    to: '',
    isHeld: false,
    reads: 'nothing',
    isSynced: false,
    waitMs: 0,
  }),
)

async function converged(cluster: TestCluster, machines: readonly MountedMachine[]): Promise<void> {
  for (const { node } of machines) await node.ask((client) => client.settle('local'))
  await cluster.converged()
}

/** The tree that the mounts of all machines show, once the kernels know; and how they differ. */
async function oneTree(
  machines: readonly MountedMachine[],
  { folder, lineBytes }: Recording,
): Promise<{ tree: View; differences: readonly string[] }> {
  let trees: readonly View[] = []
  const isOne = await eventually(
    `all mounts show one tree in ${folder}`,
    async () => {
      trees = await Promise.all(machines.map((machine) => treeOf(machine, folder, lineBytes)))
      return trees.every((tree) => isDeepStrictEqual(tree, trees[0]))
    },
    SHOWN_MS,
  ).then(
    () => true,
    () => false,
  )
  const [tree = new Map()] = trees
  if (isOne) return { tree, differences: [] }
  const views = await Promise.all(machines.map((machine) => machine.look(folder, lineBytes)))
  const shown = [...trees, ...views.map((found) => found?.view ?? new Map())]
  const texts = shown.map((view) => JSON.stringify([...view]))
  return { tree, differences: [`the mounts, and then the nodes, differ:\n${texts.join('\n')}`] }
}

async function treeOf(
  machine: MountedMachine,
  folder: string,
  lineBytes: LineBytes,
): Promise<View> {
  const names = (await readdir(machine.path(folder))).toSorted()
  const files = names.map(async (name) => {
    // A name that goes meanwhile shows as empty: another look will tell.
    const text = await readFile(machine.path(folder, name), 'latin1').catch(() => '')
    return [name, tokensOf(text, lineBytes)] as const
  })
  return new Map(await Promise.all(files))
}

class Tallying implements Tally {
  readonly faults: string[] = []
  readonly acts: Record<string, number> = {}
  readonly cameDuring: Record<string, number> = {}
  found = 0
  superseded = 0

  add({ acts }: Recording, verdict: Verdict, where: string): void {
    this.faults.push(...verdict.faults.map((fault) => `${where}: ${fault}`))
    this.found += verdict.found
    this.superseded += verdict.superseded
    for (const kind of verdict.cameDuring) this.cameDuring[kind] = (this.cameDuring[kind] ?? 0) + 1
    for (const { kind, outcome } of acts) {
      const what = outcome === 'done' ? kind : outcome
      this.acts[what] = (this.acts[what] ?? 0) + 1
    }
  }
}

function told({ lineBytes, faults, isRace }: RoundPlan): string {
  const all = faults.map(({ fault }) => `${fault.kind} n${fault.of + 1}`)
  return [`lines of ${lineBytes}`, ...(isRace ? ['race'] : []), ...all].join(', ')
}

function said({ faults, found, superseded, cameDuring }: Verdict): string {
  const all = [`${found} found`, `${superseded} superseded`, `${cameDuring.length} during a call`]
  return [...all, ...faults].join('; ')
}
