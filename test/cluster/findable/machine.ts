// One machine of a round: its node, with a mount, and a program on it, whose calls wait while the
// node stands still and fail while it is gone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { Machine } from '../netns.ts'
import type { StartOptions, TestNode } from '../cluster.ts'
import { tokensOf } from './acts.ts'
import type { Heads, LineBytes, View } from './acts.ts'

/** A system call: its name and what it is given. */
export type Call = readonly [
  (
    | 'open'
    | 'write'
    | 'read'
    | 'cut'
    | 'close'
    | 'truncate'
    | 'rename'
    | 'unlink'
    | 'link'
    | 'mkdir'
    | 'sync'
  ),
  ...(string | number)[],
]

export interface Answer {
  /** Those of the calls that succeeded. */
  readonly results: readonly string[]
  /** The error number of the next. */
  readonly failure: string | undefined
}

const SCRIPT = fileURLToPath(new URL('./program.ts', import.meta.url))
/** A view is looked at again if something came meanwhile, so many times at most. */
const LOOKS_MAX = 4

export class MountedMachine implements AsyncDisposable {
  readonly node: TestNode
  readonly machine: Machine
  readonly number: number
  /** How often its node has ended, by kind. */
  killed = 0
  readonly #options: StartOptions
  readonly #program: ChildProcess
  #heard: ((line: string) => void) | undefined
  #up: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(
    number: number,
    { node, machine, options }: { node: TestNode; machine: Machine; options: StartOptions },
  ) {
    this.number = number
    this.node = node
    this.machine = machine
    this.#options = { ...options, mount: node.mountFolder }
    this.#program = spawn(process.execPath, [SCRIPT], {
      cwd: '/',
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    assert(this.#program.stdout !== null)
    createInterface(this.#program.stdout).on('line', (line) => this.#heard?.(line))
  }

  async start(ticket?: string): Promise<void> {
    await this.node.start({ ...this.#options, ticket })
    this.#up.resolve()
  }

  /** End the node by a signal. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#up = Promise.withResolvers()
    if (signal === 'SIGKILL') this.killed++
    await this.node.kill(signal)
  }

  /** Resolves while the node runs. */
  untilUp(): Promise<void> {
    return this.#up.promise
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.node.pid, signal)
  }

  path(folder: string, name = ''): string {
    return join(this.node.mountFolder, folder, name)
  }

  /** Have the program make these calls, one after the other. */
  async call(...calls: readonly Call[]): Promise<Answer> {
    assert(this.#heard === undefined, 'one list at a time')
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#heard = resolve
    this.#program.stdin?.write(`${JSON.stringify(calls)}\n`)
    const line = await promise
    this.#heard = undefined
    return JSON.parse(line) as Answer
  }

  /** All that the node has applied by now; undefined if it does not say. */
  async heads(): Promise<Heads | undefined> {
    try {
      return (await this.node.volume()).heads
    } catch {
      return undefined
    }
  }

  /**
   * The files that a folder shows, asked of the node itself: the kernel's caches, and what programs
   * have seen, stay as they are. Undefined if the node does not say. heads: at the latest then.
   */
  async look(
    folder: string,
    lineBytes: LineBytes,
  ): Promise<{ heads: Heads; view: View } | undefined> {
    let found: { heads: Heads; view: View } | undefined
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      const heads = await this.heads()
      if (heads === undefined) return undefined
      const texts = await this.#texts(folder).catch(() => undefined)
      if (texts === undefined) return undefined
      const view = texts.map(([name, text]) => [name, tokensOf(text, lineBytes)] as const)
      found = { heads, view: new Map(view) }
      if (String(await this.heads()) === String(heads)) return found
    }
    return found
  }

  /** The contents of the files of a folder, by their names. */
  #texts(folder: string): Promise<readonly (readonly [string, string])[]> {
    return this.node.ask(async (client) => {
      const paths: string[] = []
      for await (const page of client.list(`/${folder}`))
        paths.push(...page.map(({ name }) => `/${folder}/${name}`))
      const texts: [string, string][] = []
      if (paths.length === 0) return texts
      for await (const page of client.readSmallFiles(paths))
        for (const file of page) {
          // One with an error is gone meanwhile.
          if ('bytes' in file)
            texts.push([
              file.path.slice(folder.length + 2),
              Buffer.from(file.bytes).toString('latin1'),
            ])
        }
      return texts
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#program.exitCode !== null) return
    const gone = once(this.#program, 'exit')
    this.#program.kill('SIGKILL')
    await gone
  }
}
