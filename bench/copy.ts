// The baseline of everything: cp -r on the same disk, made durable as Shoal makes it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'

/** Files to move about. */
export interface Work {
  readonly name: string
  /** A folder with all of it. */
  readonly path: string
  readonly bytes: number
  readonly files: number
}

/** Seconds. */
export interface CopyTimes {
  readonly copy: number
  /** With a sync of the file system at the end. */
  readonly durable: number
}

/** Time `cp -r` of the work to `target`, which is removed again. */
export async function timeCopy({ path }: Work, target: string): Promise<CopyTimes> {
  await run('sync')
  const copy = await seconds(() => run('cp', '-r', path, target))
  const sync = await seconds(() => run('sync', '-f', target))
  await rm(target, { recursive: true })
  return { copy, durable: copy + sync }
}

/** Seconds that `work` takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

/** Run a program to its end, silently. throws when it fails. */
export async function run(program: string, ...words: readonly string[]): Promise<void> {
  await runProgram(program, words, 'ignore')
}

/** The same, and what it says is said. */
export async function show(program: string, ...words: readonly string[]): Promise<void> {
  await runProgram(program, words, 'inherit')
}

async function runProgram(
  program: string,
  words: readonly string[],
  stdout: 'ignore' | 'inherit',
): Promise<void> {
  const child = spawn(program, words, { stdio: ['ignore', stdout, 'inherit'] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${code}`)
}
