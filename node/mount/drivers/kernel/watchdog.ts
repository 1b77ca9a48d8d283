// A child that outlives this process, even SIGKILL, and then unmounts what it left: a dead mount would answer ENOTCONN
// to everybody who looks in. It reads from a pipe that only ends when this process does (or lets it go), then unmounts
// if the mount is dead. A new mount at the same folder is alive, and left alone.
//
// statfs(2), unlike stat(2), is never answered from the kernel's cache.
import { spawn } from 'node:child_process'
import type { Command } from './mounter.ts'

const SCRIPT = 'read -r _; stat -f "$0" || exec "$@"'

/** Watch over the mount at `folder`; `unmount` is run if it is dead when this process is. returns how to let go. */
export function startWatchdog(folder: string, unmount: Command): () => void {
  const child = spawn('sh', ['-c', SCRIPT, folder, unmount.program, ...unmount.args], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  child.on('error', () => undefined) // without sh there is no watchdog; the next mount clears up
  return () => child.stdin.destroy()
}
