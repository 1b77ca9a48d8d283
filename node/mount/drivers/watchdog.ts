// A child that outlives this process, even SIGKILL, and finishes an unmount that it had begun. A
// mount whose process died unawares stays, and answers ENOTCONN to everybody who looks in: in place
// of it they would find an empty folder, and write to the local disk. The child reads from a pipe
// that only ends when this process does (or lets it go).
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import type { Command } from './mounter.ts'

const WAIT_AND_RUN = 'read -r _ || exit 0; read -r _; exec "$@"'
/** statfs(2), unlike stat(2), is never answered from the kernel's cache. */
const RUN_IF_DEAD = 'stat -f "$0" >/dev/null 2>&1 || exec "$@"'

export interface Watchdog {
  /** The mount is being taken away: if it is dead when this process is, `unmount` is run. */
  readonly unmounting: () => void
  readonly letGo: () => void
}

/** Watches over the mount at `folder`. */
export function startWatchdog(folder: string, unmount: Command): Watchdog {
  const { program, args } = unmountDeadCommand(folder, unmount)
  const child = spawn('sh', ['-c', WAIT_AND_RUN, 'sh', program, ...args], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  child.on('error', () => undefined) // without sh there is no watchdog; the next mount clears up
  child.stdin.on('error', () => undefined)
  return {
    unmounting: () => void child.stdin.write('\n'),
    letGo: () => void child.stdin.destroy(),
  }
}

/**
 * Runs `unmount` if the mount at `folder` is dead. One at a time, by a lock on the folder that it
 * is in: a watchdog that found the mount dead cannot unmount the new one that somebody puts there
 * meanwhile.
 */
export function unmountDeadCommand(folder: string, unmount: Command): Command {
  const script = ['sh', '-c', RUN_IF_DEAD, folder, unmount.program, ...unmount.args]
  return { program: 'flock', args: [dirname(folder), ...script] }
}
