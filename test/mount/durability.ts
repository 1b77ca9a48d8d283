// Writers on a mount whose node is killed, or whose machine loses power: data that they were told
// is durable is present afterwards, and of a change under way one of the states that they
// announced. What was closed outlives the node; of what was closed and not synced a loss of power
// leaves a beginning.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestNode } from '../cluster/cluster.ts'
import { digestOf } from './durability-change.ts'
import type { Change, Done } from './durability-change.ts'

const WRITER = fileURLToPath(new URL('./durability-writer.ts', import.meta.url))
const WRITERS = 4
/** A round ends when so many changes are durable, and up to as many more. */
const CHANGES_MIN = 12

/** The content of one writer's folder, as it announces it. */
class Ledger {
  readonly name: string
  readonly #outlives: Done
  readonly #durable = new Map<string, string>()
  /** Changes that need not be durable yet, in order. */
  #later: readonly Change[] = []
  /** The changes that it is in the midst of. */
  #stages: readonly Change[] = []

  /** outlives: what is durable once a change ended so. */
  constructor(name: string, outlives: Done) {
    this.name = name
    this.#outlives = outlives
  }

  /** returns whether a change is done. */
  hear(line: string): boolean {
    if (line !== 'synced' && line !== 'closed') {
      this.#stages = JSON.parse(line) as Change[]
      return false
    }
    this.#later = [...this.#later, ...this.#stages]
    this.#stages = []
    if (line === 'synced' || this.#outlives === 'closed') {
      for (const stage of this.#later) apply(this.#durable, stage)
      this.#later = []
    }
    return true
  }

  /**
   * Checks that the found state is one that the folder may be in, and takes it as the state from
   * now on.
   */
  settle(found: ReadonlyMap<string, string>): void {
    const state = new Map(this.#durable)
    const states = [new Map(state)]
    const open = [...this.#later, ...this.#stages]
    for (const stage of open) states.push(new Map(apply(state, stage)))
    const isAllowed = states.some((allowed) => describe(allowed) === describe(found))
    const [durable = state] = states
    if (!isAllowed)
      assert.fail(
        `${this.name} lost something:\n${differences(durable, found)}\n` +
          `in the middle of ${JSON.stringify(open)}`,
      )
    this.#later = []
    this.#stages = []
    this.#durable.clear()
    for (const [name, digest] of found) this.#durable.set(name, digest)
  }
}

/** How the node ends: at once, and with all that its disk was not told to keep, or without. */
export interface Ending {
  readonly outlives: Done
  readonly end: () => Promise<void>
}

/**
 * Writers write, the node ends, and comes back with all they were promised; so many times. returns
 * how many changes were done.
 */
export async function endWhileWriting(
  node: TestNode,
  rounds: number,
  { outlives, end }: Ending,
): Promise<number> {
  const names = Array.from({ length: WRITERS }, (_, index) => `writer${index}`)
  const ledgers = names.map((name) => new Ledger(name, outlives))
  for (const { name } of ledgers) await mkdir(join(node.mountFolder, name))
  let done = 0
  for (let round = 0; round < rounds; round++) {
    done += await writeUntilEnd(node, { ledgers, round, end })
    await node.start({ mount: node.mountFolder })
    for (const ledger of ledgers) ledger.settle(await digests(join(node.mountFolder, ledger.name)))
  }
  return done
}

/** endWhileWriting() with kills, which what was closed outlives. */
export function killWhileWriting(node: TestNode, rounds: number): Promise<number> {
  const end = async (): Promise<void> => void (await node.kill('SIGKILL'))
  return endWhileWriting(node, rounds, { outlives: 'closed', end })
}

interface Round extends Pick<Ending, 'end'> {
  readonly ledgers: readonly Ledger[]
  readonly round: number
}

/** returns how many changes were done. */
async function writeUntilEnd(node: TestNode, { ledgers, round, end }: Round): Promise<number> {
  const target = CHANGES_MIN + ((round * 7) % CHANGES_MIN)
  const ended = Promise.withResolvers<void>()
  let done = 0
  const write = async (ledger: Ledger): Promise<void> => {
    const folder = join(node.mountFolder, ledger.name)
    const args = [WRITER, folder, ledger.name, String(round)]
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const closed = once(writer, 'close')
    void ended.promise.then(() => writer.kill('SIGTERM'))
    for await (const line of createInterface(writer.stdout)) {
      if (ledger.hear(line) && ++done === target) {
        await end()
        ended.resolve()
      }
    }
    await closed
  }
  await Promise.all(ledgers.map(write))
  assert.ok(done >= target, `the writers ended after ${done} changes of ${target}`)
  return done
}

async function digests(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(folder)
  const digest = async (name: string): Promise<[string, string]> => [
    name,
    digestOf(await readFile(join(folder, name))),
  ]
  return new Map(await Promise.all(names.map(digest)))
}

function apply(state: Map<string, string>, change: Change): Map<string, string> {
  for (const [name, digest] of Object.entries(change)) {
    if (digest === null) state.delete(name)
    else state.set(name, digest)
  }
  return state
}

function describe(state: ReadonlyMap<string, string>): string {
  return [...state]
    .map(([name, digest]) => `${name}: ${digest}`)
    .sort()
    .join('\n')
}

function differences(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((name) => expected.get(name) !== found.get(name))
    .map(
      (name) => `${name}: ${found.get(name) ?? 'nothing'} for ${expected.get(name) ?? 'nothing'}`,
    )
    .join('\n')
}
