// Chooses the program that mounts: mount(8) for root (mount-process.ts), fusermount3 for everybody
// else (fusermount.ts).
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { oneLine } from '../../../protocol/errors.ts'

export interface MountSettings {
  /** Shown as the source of the mount: letters, digits and `._@:-` only. */
  readonly name: string
  readonly readOnly: boolean
  readonly allowOther: boolean
}

export interface Mounter {
  /**
   * Mount at an absolute folder. returns a descriptor of /dev/fuse. throws 'mount-failed' saying
   * what is needed.
   */
  mount(folder: string, settings: MountSettings): Promise<number>
  /**
   * The command that unmounts; `force`: also a dead or a busy mount, which fails what is under way
   * in it.
   */
  unmountCommand(folder: string, force: boolean): Command
}

export type Unmounter = Pick<Mounter, 'unmountCommand'>

export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

/**
 * Runs a program, and returns its complaint, in English; undefined if it succeeded. `descriptor`
 * becomes the child's descriptor 3.
 */
export async function failureOf(
  { program, args }: Command,
  descriptor?: number,
  environment: NodeJS.ProcessEnv = {},
): Promise<string | undefined> {
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...process.env, ...environment, LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
  })
  try {
    const said = child.stderr === null ? '' : text(child.stderr)
    await once(child, 'close')
    if (child.exitCode === 0) return undefined
    return oneLine(await said) || `${program} ended with ${child.exitCode ?? child.signalCode}`
  } catch (error) {
    return `cannot run ${program}: ${error instanceof Error ? error.message : String(error)}`
  }
}
