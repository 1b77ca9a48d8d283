// Writers on a mount whose node is killed: data that they were told is durable is present
// afterwards, and of a change under way one of the states that they announced.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestNode } from '../cluster/cluster.ts'
import { digestOf } from './durability-change.ts'
import type { Change } from './durability-change.ts'

const WRITER = fileURLToPath(new URL('./durability-writer.ts', import.meta.url))
const WRITERS = 4
/** A round ends when so many changes are durable, and up to as many more. */
const CHANGES_MIN = 12

/** The content of one writer's folder, as it announces it. */
class Ledger {
  readonly name: string
  readonly #durable = new Map<string, string>()
  /** The changes that it is in the midst of. */
  #stages: readonly Change[] = []

  constructor(name: string) {
    this.name = name
  }

  /** returns whether something has become durable. */
  hear(line: string): boolean {
    if (line !== 'done') {
      this.#stages = JSON.parse(line) as Change[]
      return false
    }
    for (const stage of this.#stages) apply(this.#durable, stage)
    this.#stages = []
    return true
  }

  /**
   * Checks that the found state is one that the folder may be in, and takes it as the state from
   * now on.
   */
  settle(found: ReadonlyMap<string, string>): void {
    const state = new Map(this.#durable)
    const states = [new Map(state)]
    for (const stage of this.#stages) states.push(new Map(apply(state, stage)))
    const isAllowed = states.some((allowed) => describe(allowed) === describe(found))
    const [durable = state] = states
    if (!isAllowed)
      assert.fail(
        `${this.name} lost something:\n${differences(durable, found)}\n` +
          `in the middle of ${JSON.stringify(this.#stages)}`,
      )
    this.#stages = []
    this.#durable.clear()
    for (const [name, digest] of found) this.#durable.set(name, digest)
  }
}

/** Writers write, the node is killed, and comes back with all they were promised; so many times. */
export async function killWhileWriting(node: TestNode, rounds: number): Promise<number> {
  const ledgers = Array.from({ length: WRITERS }, (_, index) => new Ledger(`writer${index}`))
  for (const { name } of ledgers) await mkdir(join(node.mountFolder, name))
  let durable = 0
  for (let round = 0; round < rounds; round++) {
    durable += await writeUntilKilled(node, ledgers, round)
    await node.start({ mount: node.mountFolder })
    for (const ledger of ledgers) ledger.settle(await digests(join(node.mountFolder, ledger.name)))
  }
  return durable
}

/** returns how many changes became durable. */
async function writeUntilKilled(
  node: TestNode,
  ledgers: readonly Ledger[],
  round: number,
): Promise<number> {
  const target = CHANGES_MIN + ((round * 7) % CHANGES_MIN)
  const killed = Promise.withResolvers<void>()
  let durable = 0
  const write = async (ledger: Ledger): Promise<void> => {
    const folder = join(node.mountFolder, ledger.name)
    const args = [WRITER, folder, ledger.name, String(round)]
    const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = once(writer, 'close')
    void killed.promise.then(() => writer.kill('SIGTERM'))
    for await (const line of createInterface(writer.stdout)) {
      if (ledger.hear(line) && ++durable === target) {
        await node.kill('SIGKILL')
        killed.resolve()
      }
    }
    await ended
  }
  await Promise.all(ledgers.map(write))
  assert.ok(durable >= target, `the writers ended after ${durable} changes of ${target}`)
  return durable
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
