// Runs a command line of the owner's in a shell, to its end, with nothing to read and nobody to
// read what it prints but for its last complaint.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ShoalError, oneLine } from '../../protocol/errors.ts'

const COMPLAINT_MAX = 300

/** throws ShoalError 'hook-failed' unless it ends with 0; what the signal says if that aborts. */
export async function runShellCommand(
  line: string,
  { env, signal }: { readonly env: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted()
  const child = spawn('/bin/sh', ['-c', line], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own group, so that all that it has started ends with it.
    detached: true,
  })
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    } catch {
      // It has ended just now.
    }
  }
  let said = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => (said = (said + text).slice(-COMPLAINT_MAX)))
  signal.addEventListener('abort', end, { once: true })
  try {
    const [code, by] = (await once(child, 'close')) as [number | null, string | null]
    signal.throwIfAborted()
    if (code === 0) return
    const how = code === null ? `was ended by ${by}` : `ended with ${code}`
    const why = said.trim() === '' ? '' : `: ${oneLine(said)}`
    throw new ShoalError('hook-failed', `the command "${line}" ${how}${why}`)
  } finally {
    signal.removeEventListener('abort', end)
  }
}
