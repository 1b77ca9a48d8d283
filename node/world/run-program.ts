// Runs a program to its end, with nobody to read what it prints but for its last complaint.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { oneLine } from '../../protocol/errors.ts'

const COMPLAINT_MAX = 300

export interface RunOptions {
  /** Its input; nothing if left out. */
  readonly input?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly signal: AbortSignal
  /** How it and all that it has started are ended when `signal` aborts. */
  readonly endBy: 'SIGTERM' | 'SIGKILL'
}

/**
 * returns how it failed, as "ended with 3: no modem"; undefined: it did not. throws what `signal`
 * says if that aborts, and the system's error where it cannot be started.
 */
export async function runProgram(
  [program = '', ...args]: readonly string[],
  { input, env = {}, signal, endBy }: RunOptions,
): Promise<string | undefined> {
  signal.throwIfAborted()
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
    // Its own group, so that all that it has started ends with it.
    detached: true,
  })
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, endBy)
    } catch {
      // It has ended just now.
    }
  }
  let said = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (text: string) => (said = (said + text).slice(-COMPLAINT_MAX)))
  // A program that does not read it is fine.
  child.stdin?.on('error', () => {})
  child.stdin?.end(input)
  signal.addEventListener('abort', end, { once: true })
  try {
    const [code, by] = (await once(child, 'close')) as [number | null, string | null]
    signal.throwIfAborted()
    if (code === 0) return undefined
    const how = code === null ? `was ended by ${by}` : `ended with ${code}`
    return said.trim() === '' ? how : `${how}: ${oneLine(said)}`
  } finally {
    signal.removeEventListener('abort', end)
  }
}
