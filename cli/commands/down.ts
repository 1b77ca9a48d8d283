// `shoal down`: stop the running node and wait until its process is gone.
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { ShoalError } from '../../protocol/errors.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

const POLL_MS = 20
const PATIENCE_MS: number = MINUTE_MS

export function addDown(program: Command, context: Context): void {
  program
    .command('down')
    .description('stop the running node and wait for it to exit')
    .addHelpText('after', '\nExample:\n  shoal down')
    .action(async () => {
      const { node } = await context.client.status()
      await context.client.stop()
      const giveUpMs = performance.now() + PATIENCE_MS
      while (isAlive(node.pid)) {
        if (performance.now() > giveUpMs) {
          throw new ShoalError(
            'timeout',
            `the node (process ${node.pid}) is still stopping. Wait, or kill it with "kill ${node.pid}".`,
          )
        }
        await sleep(POLL_MS, undefined, { signal: context.signal })
      }
      context.summarize({ stopped: node.id, pid: node.pid }, () => `Stopped node "${node.name}"`)
    })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return !isZombie(pid)
}

/** Has it ended, and only its parent has not asked how? Then it holds nothing any more. */
function isZombie(pid: number): boolean {
  try {
    const hasEnded = readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    // Threads may be there still, and its files and folders with them.
    return hasEnded && readdirSync(`/proc/${pid}/task`).length <= 1
  } catch {
    return false // no process of that number is left, or there is no /proc
  }
}
