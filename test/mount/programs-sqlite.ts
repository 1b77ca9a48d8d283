// SQLite on a mount whose processes are killed: what was committed stays, and the database is
// whole.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestNode } from '../cluster/cluster.ts'
import { run } from './mounted.ts'

const SCRIPT = fileURLToPath(new URL('./programs-sqlite.py', import.meta.url))

export type Journal = 'wal' | 'delete' | 'truncate'

export interface Database {
  readonly node: TestNode
  readonly journal: Journal
  readonly path: string
  readonly committed: number[]
}

export function database(node: TestNode, journal: Journal): Database {
  return { node, journal, path: join(node.mountFolder, `${journal}.db`), committed: [] }
}

/**
 * Commit so many transactions and more, and then kill the program that does it, or the node, in the
 * middle of the next.
 */
export async function commitAndKill(
  { node, journal, path, committed }: Database,
  victim: 'program' | 'node',
  count: number,
): Promise<void> {
  const first = String(committed.at(-1) ?? 0)
  const program = spawn('python3', [SCRIPT, path, journal, first], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(program, 'close')
  try {
    let seen = 0
    for await (const line of createInterface(program.stdout)) {
      committed.push(Number(line))
      if (++seen !== count) continue
      if (victim === 'program') program.kill('SIGKILL')
      // Then the program meets an error by itself.
      else await node.kill('SIGKILL')
    }
    assert.ok(seen >= count, `the program ended after ${seen} transactions`)
  } finally {
    program.kill('SIGKILL')
    await ended
  }
  if (victim === 'node') await node.start({ mount: node.mountFolder })
}

/** Everything that was committed is there, and nothing is torn. */
export async function checkDatabase({ path, committed }: Database): Promise<void> {
  const [whole, ...numbers] = (await run('python3', SCRIPT, path, 'check')).trim().split('\n')
  assert.equal(whole, 'ok')
  const there = new Set(numbers.map(Number))
  assert.deepEqual(
    committed.filter((number) => !there.has(number)),
    [],
    'committed and lost',
  )
}
